import Glibc
import SystemPackage

@testable import FolderWatch

/// A folder on this machine, with a watch on it.
final class RealFolder {
    let root: String
    let system = InotifySystem()
    let instance: Int32
    var writers: [Int32] = []

    init() throws {
        var template = Array("/tmp/redivis-sync-kernel-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        instance = system.makeInstance()
        _ = watch("", KernelEvent.folderMask)
    }

    deinit {
        for writer in writers + [instance] { close(writer) }
        Self.remove(root)
    }

    private static func remove(_ path: String) {
        guard Glibc.unlink(path) != 0 else { return }
        for name in names(path) { remove("\(path)/\(name)") }
        rmdir(path)
    }

    private static func names(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func act(_ act: KernelAct) -> KernelOutcome {
        KernelOutcome(code(act), events())
    }

    private func events() -> [KernelEvent] {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(instance, &buffer, buffer.count)
        var events: [KernelEvent] = []
        buffer.prefix(max(count, 0)).withUnsafeBytes { KernelEvent.forEach(in: $0) { events.append($0) } }
        return events
    }

    private func watch(_ path: String, _ mask: UInt32) -> Int32 {
        let directory = system.directories.openFolder(FilePath("\(root)/\(path)"), for: .place)
        guard directory >= 0 else { return directory }
        defer { close(directory) }
        return system.addWatch(instance, directory, mask)
    }

    func code(_ act: KernelAct) -> Int32 {
        func at(_ path: String) -> String { "\(root)/\(path)" }
        func code(_ result: Int32) -> Int32 { result == 0 ? 0 : errno }
        switch act {
        case .makeDirectory(let path): return makeDirectory(path)
        case .write(let path, let count):
            return write(at(path), [UInt8](repeating: 1, count: count), O_TRUNC)
        case .append(let path): return write(at(path), [2], O_APPEND)
        case .rename(let from, let to): return code(Glibc.rename(at(from), at(to)))
        case .exchange(let one, let two): return code(Self.renameat2?(AT_FDCWD, at(one), AT_FDCWD, at(two), 2) ?? -1)
        case .link(let from, let to): return code(Glibc.link(at(from), at(to)))
        case .makeLink(let path, let target): return code(symlink(target, at(path)))
        case .unlink(let path): return code(Glibc.unlink(at(path)))
        case .removeDirectory(let path): return code(rmdir(at(path)))
        case .open(let path):
            let file = Glibc.open(at(path), O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
            if file >= 0 { writers.append(file) }
            return file >= 0 ? 0 : errno
        case .close:
            return writers.isEmpty ? 0 : code(Glibc.close(writers.removeFirst()))
        case .watch(let path): return watch(path, KernelEvent.directoryMask)
        case .unwatch(let watch): return system.removeWatch(instance, watch)
        }
    }

    private typealias Rename =
        @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
    /// Not in Glibc's module.
    private static let renameat2 = dlsym(dlopen(nil, RTLD_LAZY), "renameat2").map {
        unsafeBitCast($0, to: Rename.self)
    }

    /// With those above it, as the virtual kernel does.
    private func makeDirectory(_ path: String) -> Int32 {
        var above = root
        for name in path.split(separator: "/") {
            above += "/" + name
            var status = stat()
            if stat(above, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { continue }
            guard mkdir(above, 0o755) == 0 else { return errno }
        }
        return 0
    }

    private func write(_ path: String, _ bytes: [UInt8], _ flag: Int32) -> Int32 {
        let file = Glibc.open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flag, 0o644)
        guard file >= 0 else { return errno }
        _ = Glibc.write(file, bytes, bytes.count)
        Glibc.close(file)
        return 0
    }

    func files() -> [String] { files("") }

    private func files(_ prefix: String) -> [String] {
        Self.names(root + "/" + prefix).flatMap { name -> [String] in
            var status = stat()
            lstat("\(root)/\(prefix)\(name)", &status)
            switch status.st_mode & S_IFMT {
            case S_IFREG: return ["\(prefix)\(name) \(status.st_size) \(status.st_nlink)"]
            case S_IFDIR: return files("\(prefix)\(name)/")
            default: return []
            }
        }
    }
}
