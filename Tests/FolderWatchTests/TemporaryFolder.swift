import Glibc
import SyncCore
import SystemPackage

struct SystemCallFailed: Error, CustomStringConvertible {
    let call: String
    let code: Int32
    var description: String { "\(call): \(Errno(rawValue: code))" }
}

@discardableResult
func check(_ call: String, _ result: Int32) throws -> Int32 {
    guard result >= 0 else { throw SystemCallFailed(call: call, code: errno) }
    return result
}

/// A folder of real files, removed with everything in it when it is let go. Names are bytes, and paths may be longer
/// than PATH_MAX, so everything goes by descriptor.
final class TemporaryFolder: Sendable {
    let path: FilePath

    init() throws {
        var template = Array("/tmp/redivis-sync-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemCallFailed(call: "mkdtemp", code: errno) }
        path = template.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { FilePath(platformString: $0) } ?? FilePath()
        }
    }

    deinit {
        let parent = open("/tmp", O_RDONLY | O_DIRECTORY)
        Self.remove(Array(path.lastComponent?.string.utf8 ?? "".utf8), in: parent)
        close(parent)
    }

    func name(_ relative: String) -> String { "\(path)/\(relative)" }

    /// Creates a file, and the folders on the way, from a path of bytes of any length.
    func create(_ path: [UInt8], _ bytes: [UInt8] = [1]) throws {
        var directory = try check("open", open(self.path.string, O_RDONLY | O_DIRECTORY))
        defer { close(directory) }
        let components = path.split(separator: UInt8(ascii: "/")).map { $0.map { CChar(bitPattern: $0) } + [0] }
        for component in components.dropLast() {
            _ = mkdirat(directory, component, 0o755)
            let next = try check("openat", openat(directory, component, O_RDONLY | O_DIRECTORY))
            close(directory)
            directory = next
        }
        guard let last = components.last else { return }
        let file = try check("openat", openat(directory, last, O_WRONLY | O_CREAT, 0o644))
        defer { close(file) }
        try Self.write(bytes, to: file)
    }

    func makeFolder(_ relative: String) throws {
        try check("mkdir", mkdir(name(relative), 0o755))
    }

    func link(_ target: String, as relative: String) throws {
        try check("symlink", symlink(target, name(relative)))
    }

    private static func write(_ bytes: [UInt8], to file: Int32) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress.map { $0 + written }, $0.count - written)
            }
            guard count > 0 else { throw SystemCallFailed(call: "write", code: errno) }
            written += count
        }
    }

    private static func remove(_ name: [UInt8], in parent: Int32) {
        let terminated = name.map { CChar(bitPattern: $0) } + [0]
        if unlinkat(parent, terminated, 0) == 0 { return }
        let directory = openat(parent, terminated, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        guard directory >= 0, let stream = fdopendir(directory) else { return }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
        }
        for name in names { remove(name, in: directory) }
        closedir(stream)
        _ = unlinkat(parent, terminated, AT_REMOVEDIR)
    }
}

extension RelativePath {
    /// A path that a test wrote down and that is one.
    static func of(_ text: String) throws -> RelativePath {
        guard let path = RelativePath(text) else { throw SystemCallFailed(call: "path \(text)", code: EINVAL) }
        return path
    }

    static func of(_ bytes: [UInt8]) throws -> RelativePath {
        guard let path = RelativePath(bytes: bytes) else { throw SystemCallFailed(call: "path", code: EINVAL) }
        return path
    }
}

/// The names of this process's open descriptors.
func openDescriptors() -> [String] {
    guard let stream = opendir("/proc/self/fd") else { return [] }
    defer { closedir(stream) }
    var targets: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/fd/\(name)", &buffer, buffer.count)
        if count > 0 {
            targets.append(String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
    }
    return targets
}
