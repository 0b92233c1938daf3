import CLinux
import Glibc
import SyncCore
import SystemPackage

/// A descriptor that is closed when nobody uses it any more, so that a read under way can never meet a number that
/// the kernel has given to another file meanwhile.
final class OpenFile: Sendable {
    let descriptor: Int32
    /// What is opened beneath this one comes from the kernel's caches, or fails with whatever error.
    let isCachedOnly: Bool

    init(_ descriptor: Int32, isCachedOnly: Bool = false) {
        self.descriptor = descriptor
        self.isCachedOnly = isCachedOnly
    }

    deinit {
        Glibc.close(descriptor)
    }

    /// Opens a mapped folder as a place to start from. Links on the way to it are followed: they are the user's.
    static func folder(_ folder: FilePath) throws(Failure) -> OpenFile {
        let descriptor = folder.withPlatformString { Glibc.open($0, clinux_o_path() | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw FileTrouble.failure(errno, folder: folder) }
        return OpenFile(descriptor)
    }

    /// Opens `path` beneath this folder, no link followed.
    func beneath(_ path: RelativePath, flags: Int32) -> Result<OpenFile, Errno> {
        let open = isCachedOnly ? clinux_open_beneath_cached : clinux_open_beneath
        let opened = path.bytes.withUnsafeBytes { bytes in
            open(descriptor, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count, flags)
        }
        return opened >= 0 ? .success(OpenFile(opened)) : .failure(Errno(rawValue: -opened))
    }

    func status() -> Result<stat, Errno> {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? .success(status) : .failure(Errno(rawValue: errno))
    }
}

extension FileObservation {
    /// What `stat` said (`man 2 stat`).
    public init(_ status: stat) {
        self.init(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            modified: Self.nanoseconds(status.st_mtim.tv_sec, status.st_mtim.tv_nsec),
            changed: Self.nanoseconds(status.st_ctim.tv_sec, status.st_ctim.tv_nsec))
    }
}

extension stat {
    var isRegularFile: Bool { st_mode & S_IFMT == S_IFREG }
}
