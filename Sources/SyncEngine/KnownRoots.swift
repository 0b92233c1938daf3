import SyncCore
import Synchronization
import SystemPackage

/// Which directory each mapped folder was when it was last taken for the one that is mapped.
///
/// A mount point without its mount is an empty directory like any other; on the same device (a bind mount) only its
/// inode tells. Whoever misses a file asks here first, since an unmounted folder says nothing about its files.
public final class KnownRoots: Sendable {
    private struct Identity: Hashable {
        let device: UInt64
        let inode: UInt64

        init(_ root: FolderRoot) {
            device = root.device
            inode = root.inode
        }
    }

    // Asked by every runner, on any task.
    private let roots = Mutex<[FilePath: Identity]>([:])

    public init() {}

    /// Takes what is at `folder` now for the folder, where it may be it.
    /// - Returns: whether it may: an empty directory in the place of another one may not.
    func accept(_ root: FolderRoot, of folder: FilePath) -> Bool {
        roots.withLock { roots in
            let identity = Identity(root)
            if let known = roots[folder], known != identity, root.isEmpty { return false }
            roots[folder] = identity
            return true
        }
    }

    /// Whether what is at `folder` now is what was accepted last; also where nothing ever was.
    func isKnown(_ root: FolderRoot, of folder: FilePath) -> Bool {
        roots.withLock { $0[folder].map { $0 == Identity(root) } ?? true }
    }
}
