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
    init?(of descriptor: Int32, _ system: any DirectorySystem) {
        var status = stat()
        guard system.status(of: descriptor, &status) == 0 else { return nil }
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
    init(
        _ path: [UInt8], below folder: FilePath, that identity: DirectoryIdentity, _ system: any DirectorySystem
    ) {
        let root = system.openFolder(folder, for: .place)
        guard root >= 0 else {
            self = FolderTrouble.isGone(-root) ? .folderMissing : .failed(-root)
            return
        }
        defer { system.close(root) }
        guard DirectoryIdentity(of: root, system) == identity else {
            self = .folderReplaced
            return
        }
        let descriptor = path.isEmpty ? system.reopen(root) : system.openDirectory(path, beneath: root)
        self = descriptor >= 0 ? .open(descriptor: descriptor) : .failed(-descriptor)
    }
}
