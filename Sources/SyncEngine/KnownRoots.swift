import SyncCore
import Synchronization
import SystemPackage

/// Which directory each mapped folder was when it was last taken for the one that is mapped.
///
/// A mount point without its mount is an empty directory like any other; on the same device (a bind mount) only its
/// inode tells. Whoever misses a file asks here first, since an unmounted folder says nothing about its files.
public final class KnownRoots: Sendable {
    // Asked by every runner, on any task.
    private let roots = Mutex<[FilePath: FolderIdentity]>([:])

    public init() {}

    /// What an earlier run knew.
    func learn(_ identity: FolderIdentity, of folder: FilePath) {
        roots.withLock { roots in
            if roots[folder] == nil { roots[folder] = identity }
        }
    }

    /// Takes what is at `folder` now for the folder, where it may be it.
    /// - Returns: whether it may: an empty directory in the place of another one may not.
    func accept(_ root: FolderRoot, of folder: FilePath) -> Bool {
        roots.withLock { roots in
            if let known = roots[folder], known != root.identity, root.isEmpty { return false }
            roots[folder] = root.identity
            return true
        }
    }

    /// Whether what is at `folder` now is what was accepted last; also where nothing ever was.
    func isKnown(_ root: FolderRoot, of folder: FilePath) -> Bool {
        roots.withLock { $0[folder].map { $0 == root.identity } ?? true }
    }
}
