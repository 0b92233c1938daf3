import Glibc
import SystemPackage

/// How much of inotify a user's processes have in use, as far as this process may look into them
/// (`man 5 proc_pid_fdinfo`). To be asked as root where that is to be had.
struct InotifyUse: Hashable, Sendable {
    private(set) var watches = 0
    private(set) var instances = 0
    private(set) var isWhole = true

    /// - Parameters:
    ///   - excluded: a process that is left out: the agent itself.
    ///   - limit: how long to look.
    init(of user: UInt32, excluding excluded: Int32?, within limit: Duration = .seconds(3)) {
        let end = ContinuousClock.now + limit
        for name in ProcFile.names(in: "/proc") ?? [] {
            guard let process = Int32(name), process != excluded, process != getpid() else { continue }
            var status = stat()
            guard stat("/proc/\(name)", &status) == 0, status.st_uid == user else { continue }
            guard ContinuousClock.now < end else {
                isWhole = false
                return
            }
            look(into: "/proc/\(name)")
        }
    }

    private mutating func look(into process: String) {
        guard let descriptors = ProcFile.names(in: "\(process)/fd") else {
            // Gone meanwhile, or closed to us.
            if access(process, F_OK) == 0 { isWhole = false }
            return
        }
        for descriptor in descriptors where ProcFile.link("\(process)/fd/\(descriptor)") == "anon_inode:inotify" {
            instances += 1
            watches += ProcFile.lines("\(process)/fdinfo/\(descriptor)").count { $0.hasPrefix("inotify ") }
        }
    }
}

/// Small files of /proc.
enum ProcFile {
    static func number(_ path: String) -> Int? {
        lines(path).first.flatMap { Int($0) }
    }

    /// None where it cannot be read. At most 64 MiB of it: a process may have hundreds of thousands of watches.
    static func lines(_ path: String) -> [Substring] {
        guard let file = try? FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec) else { return [] }
        defer { try? file.close() }
        var bytes: [UInt8] = []
        var slice = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < 64 << 20, let count = try? slice.withUnsafeMutableBytes({ try file.read(into: $0) }),
            count > 0
        {
            bytes += slice.prefix(count)
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }

    /// `nil` where the directory cannot be listed.
    static func names(in path: String) -> [String]? {
        guard let directory = opendir(path) else { return nil }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    static func link(_ path: String) -> String? {
        var target = [CChar](repeating: 0, count: 256)
        let count = readlink(path, &target, target.count)
        guard count > 0 else { return nil }
        return String(decoding: target.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
