import CLinux
import Glibc

/// The system calls of watching, so that their errors can be made to come. Every call returns a negative errno.
package struct InotifySystem: Sendable {
    /// A new instance, as a descriptor.
    package var makeInstance: @Sendable () -> Int32 = { clinux_inotify() }
    /// Watches an open directory: the watch descriptor.
    package var addWatch: @Sendable (_ instance: Int32, _ directory: Int32, _ mask: UInt32) -> Int32 = {
        clinux_watch_directory($0, $1, $2)
    }
    package var removeWatch: @Sendable (_ instance: Int32, _ watch: Int32) -> Int32 = {
        inotify_rm_watch($0, $1) == 0 ? 0 : -errno
    }
    /// The kind of file system of an open file, as `statfs(2)` numbers it; `nil` where it cannot be asked.
    package var fileSystem: @Sendable (_ file: Int32) -> UInt64? = { file in
        var kind: UInt64 = 0
        return clinux_file_system(file, &kind) == 0 ? kind : nil
    }
    /// A number below /proc/sys, by its name with dots.
    package var sysctl: @Sendable (_ name: String) -> Int64? = { ProcessFiles.number(ofSysctl: $0) }
    /// What is mounted (`/proc/self/mountinfo`, `man 5 proc_pid_mountinfo`).
    package var mounts: @Sendable () -> [UInt8] = { ProcessFiles.read("/proc/self/mountinfo", atMost: 16 << 20) ?? [] }

    package var directories: any DirectorySystem = LinuxDirectorySystem()
    package var threads = WatchThreads.own

    package init() {}
}

/// Who carries out the work of watching.
package enum WatchThreads: Sendable {
    /// Two threads that the watcher starts.
    case own
    /// The caller, one step at a time and never two at once (see `InotifyFolderWatcher.listOnce`). The closure is
    /// called when there may be something to list.
    case stepped(wakeLister: @Sendable () -> Void)
}

enum ProcessFiles {
    static func number(ofSysctl name: String) -> Int64? {
        let path = "/proc/sys/" + String(name.map { $0 == "." ? "/" : $0 })
        guard let bytes = read(path, atMost: 64) else { return nil }
        return Int64(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    static func read(_ path: String, atMost limit: Int) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: min(limit, 64 << 10))
        while content.count < limit {
            let count = Glibc.read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            content += buffer.prefix(count)
        }
        return content
    }
}
