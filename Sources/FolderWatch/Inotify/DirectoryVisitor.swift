import Glibc
import SyncCore
import SystemPackage

/// Opens, watches and lists one directory. Blocks, and so runs on the thread for listing.
///
/// First the watch, then the listing: what is created before the watch is listed, what is created after it is told by
/// the kernel, and some of it comes twice. A directory that is told of is listed a second time, for the file systems
/// on which a listing can lose a name while names come and go.
struct DirectoryVisitor {
    let state: WatchAccess
    let system: InotifySystem
    let visit: Visit

    /// What is needed of the folder.
    private struct Folder {
        let path: FilePath
        let identity: DirectoryIdentity
        let isRecursive: Bool
        let skips: @Sendable (RelativePath) -> Bool
        let queue: FolderEventQueue
    }

    /// The directories below that are to be visited.
    func run() -> [Visit] {
        let known = state.withLock { state in
            state.folders[visit.folder].map {
                Folder(
                    path: $0.path, identity: $0.identity, isRecursive: $0.isRecursive, skips: $0.skips,
                    queue: $0.queue)
            }
        }
        guard let folder = known else { return [] }
        if let path = RelativePath(bytes: visit.path), folder.skips(path) {
            state.withLock { $0.dropDirectory(at: visit.path, in: visit.folder) }
            return []
        }
        switch OpenedDirectory(visit.path, below: folder.path, that: folder.identity, system.directories) {
        case .open(let descriptor):
            return enter(DirectoryListing(descriptor: descriptor, system.directories), folder)
        case .failed(let code):
            noteFailure(code)
        case .folderMissing:
            state.withLock { $0.depart(visit.folder, .missing) }
        case .folderReplaced:
            state.withLock { $0.depart(visit.folder, .replaced) }
        }
        return []
    }

    private func noteFailure(_ code: Int32) {
        state.withLock { state in
            // A visit confirms what the table says, or it does not stay there.
            state.dropDirectory(at: visit.path, in: visit.folder)
            guard !FolderTrouble.isGone(code) else { return }
            state.setAside(visit, FolderTrouble.reason(code))
            switch code {
            // A scan does not see into it either: there is nothing to poll.
            case EACCES, EPERM: break
            default: state.noteUnwatched(visit, .other(.trouble(FolderTrouble.reason(code))))
            }
        }
    }

    private func enter(_ listing: consuming DirectoryListing, _ folder: Folder) -> [Visit] {
        var status = stat()
        let result = system.directories.status(of: listing.descriptor, &status)
        guard result == 0 else {
            noteFailure(-result)
            return []
        }
        let identity = DirectoryIdentity(status)
        var below = visit
        if below.watches {
            if identity.device != folder.identity.device, leadsElsewhere(listing.descriptor) { return [] }
            switch settle(identity, listing.descriptor, folder) {
            case .known:
                guard visit.isForced else { return [] }
            case .placed:
                // Nothing below is known yet, or by nobody older than this.
                below.isForced = false
            case .contested, .leadsBack, .orphan:
                return []
            case .refused(let code):
                refused(code)
                below.watches = false
            }
        } else {
            state.withLock { $0.noteUnwatched(visit, $0.folders[visit.folder]?.unwatched.reason ?? .watchesUsedUp) }
        }
        return list(listing, folder, below)
    }

    /// Something of another kind may be mounted here.
    private func leadsElsewhere(_ descriptor: Int32) -> Bool {
        let type = FileSystemType(number: system.fileSystem(descriptor))
        guard type.isRemote else { return false }
        state.withLock { state in
            state.dropDirectory(at: visit.path, in: visit.folder)
            state.noteUnwatched(visit, .other(.fileSystem(type.name)))
        }
        return true
    }

    private func settle(
        _ identity: DirectoryIdentity, _ descriptor: Int32, _ folder: Folder
    ) -> WatchState.Placement {
        let placement = state.withLock { $0.place(visit, directory: descriptor, left: nil, system) }
        guard case .contested(let others) = placement else { return placement }
        let left = Set(others.filter { hasLeft($0, identity, folder) })
        return state.withLock { $0.place(visit, directory: descriptor, left: left, system) }
    }

    private func hasLeft(_ path: [UInt8], _ identity: DirectoryIdentity, _ folder: Folder) -> Bool {
        switch OpenedDirectory(path, below: folder.path, that: folder.identity, system.directories) {
        case .open(let descriptor):
            defer { system.directories.close(descriptor) }
            return DirectoryIdentity(of: descriptor, system.directories) != identity
        case .failed(let code):
            return FolderTrouble.isGone(code)
        case .folderMissing, .folderReplaced:
            return false
        }
    }

    private func refused(_ code: Int32) {
        let reason: UnwatchedReason =
            switch code {
            case ENOSPC: .watchesUsedUp
            case ENOENT: .other(.trouble("directories cannot be watched without /proc; mount it"))
            case ENOMEM: .other(.trouble("the kernel has no memory for a watch"))
            default: .other(.trouble("inotify_add_watch: \(FolderTrouble.reason(code))"))
            }
        state.withLock { $0.noteUnwatched(visit, reason) }
    }

    // MARK: Listing

    private func list(_ listing: consuming DirectoryListing, _ folder: Folder, _ below: Visit) -> [Visit] {
        var found = FoundNames(directory: visit.path, tells: visit.tells, queue: folder.queue)
        var children = found.read(&listing)
        if visit.tells, found.failure == nil, listing.rewind() == nil {
            found.isSecond = true
            children += found.read(&listing)
        }
        found.tellRest()
        if let failure = found.failure { noteFailure(failure) }
        guard folder.isRecursive else { return [] }
        if below.isForced, found.failure == nil { children += vanished(children) }
        return children.map { below.below($0) }
    }

    /// Directories that the table has and the listing has not: visited, they are found to be gone.
    private func vanished(_ names: [[UInt8]]) -> [[UInt8]] {
        let known = state.withLock { state in
            state.table.node(at: visit.path, in: visit.folder).map { state.table.childNames(of: $0) } ?? []
        }
        guard !known.isEmpty else { return [] }
        let listed = Set(names)
        return known.filter { !listed.contains($0) }
    }
}
