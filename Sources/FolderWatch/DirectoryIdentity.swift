import CLinux
import Glibc
import SyncCore
import SystemPackage

/// What a directory is, whatever it is called: by this a bind mount that leads back up is known, and a path that
/// leads elsewhere by now.
struct DirectoryIdentity: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }

    /// `nil` where an open file cannot be asked.
    init?(of descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }
}

/// A directory opened, or not.
enum OpenedDirectory {
    /// The caller closes it.
    case open(descriptor: Int32)
    case failed(Int32)
    /// The folder's own path leads nowhere.
    case folderMissing
    /// The folder's own path leads to something else.
    case folderReplaced

    /// Opens a directory below a folder for listing (the folder itself for the empty path), following no link, if
    /// the folder is still the one that it was.
    init(_ path: [UInt8], below folder: FilePath, that identity: DirectoryIdentity) {
        let root = folder.withPlatformString { Glibc.open($0, clinux_o_path() | O_DIRECTORY | O_CLOEXEC) }
        guard root >= 0 else {
            let code = errno
            self = FolderTrouble.isGone(code) ? .folderMissing : .failed(code)
            return
        }
        defer { close(root) }
        guard DirectoryIdentity(of: root) == identity else {
            self = .folderReplaced
            return
        }
        let flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC
        let descriptor =
            path.isEmpty
            ? openat(root, ".", flags)
            : path.withUnsafeBytes {
                clinux_open_beneath(root, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count, flags)
            }
        self =
            descriptor >= 0
            ? .open(descriptor: descriptor) : .failed(path.isEmpty ? errno : -descriptor)
    }
}
