import Glibc
import SyncCore
import Synchronization
import SystemPackage

/// Opens, watches and lists one directory. Blocks, and so runs on the thread for listing.
///
/// First the watch, then the listing: what is created before the watch is listed, what is created after it is told by
/// the kernel, and some of it comes twice. A directory that is told of is listed a second time, for the file systems
/// on which a listing can lose a name while names come and go.
struct DirectoryVisitor {
    /// How many names of a listing are remembered for the second one. Beyond, names are told twice.
    static let mostRemembered = 65_536
    static let tellAtOnce = 256

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
        switch OpenedDirectory(visit.path, below: folder.path, that: folder.identity) {
        case .open(let descriptor):
            return enter(DirectoryListing(descriptor: descriptor), folder)
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
            guard !FolderTrouble.isGone(code) else {
                return state.dropDirectory(at: visit.path, in: visit.folder)
            }
            state.setAside(visit, FolderTrouble.reason(code))
            switch code {
            // A scan does not see into it either: there is nothing to poll.
            case EACCES, EPERM: break
            default: state.noteUnwatched(visit, .other(.trouble(FolderTrouble.reason(code))))
            }
        }
    }

    private func enter(_ listing: consuming DirectoryListing, _ folder: Folder) -> [Visit] {
        guard let identity = DirectoryIdentity(of: listing.descriptor) else {
            noteFailure(errno)
            return []
        }
        var below = visit
        if below.watches {
            if identity.device != folder.identity.device, leadsElsewhere(listing.descriptor) { return [] }
            switch settle(identity, listing.descriptor, folder) {
            case .known:
                guard visit.isForced else { return [] }
            case .placed:
                break
            case .placedAnew:
                // Visits below it that were under way have come to nothing.
                below.isForced = true
            case .contested, .leadsBack, .orphan:
                return []
            case .refused(let code):
                refused(code)
                below.watches = false
            }
        } else {
            state.withLock { $0.noteUnwatched(visit, $0.folders[visit.folder]?.gap ?? .watchesUsedUp) }
        }
        return list(listing, folder, below)
    }

    /// Something of another kind may be mounted here.
    private func leadsElsewhere(_ descriptor: Int32) -> Bool {
        switch FileSystemKind(system.fileSystem(descriptor)) {
        case .local:
            return false
        case .elsewhere(let name):
            state.withLock { $0.noteUnwatched(visit, .other(.fileSystem(name))) }
            return true
        }
    }

    private func settle(
        _ identity: DirectoryIdentity, _ descriptor: Int32, _ folder: Folder
    ) -> WatchState.Placement {
        var ruling = WatchState.Ruling.none
        // The table may change between asking and ruling; a visit that never comes to an end gives up, and the
        // event that changed the table brings another.
        for _ in 0..<8 {
            let placement = state.withLock { state in
                state.place(visit, directory: descriptor, ruling: ruling, system)
            }
            guard case .contested(let other) = placement else {
                if case .moved(let from) = ruling { lookAgain(at: from) }
                return placement
            }
            ruling = isAt(other, identity, folder) ? .shared : .moved(from: other)
        }
        return .orphan
    }

    private func isAt(_ path: [UInt8], _ identity: DirectoryIdentity, _ folder: Folder) -> Bool {
        guard case .open(let descriptor) = OpenedDirectory(path, below: folder.path, that: folder.identity) else {
            return false
        }
        defer { close(descriptor) }
        return DirectoryIdentity(of: descriptor) == identity
    }

    /// Something else may be there by now.
    private func lookAgain(at path: [UInt8]) {
        var again = Visit(folder: visit.folder, path: path)
        (again.isForced, again.tells) = (true, true)
        state.withLock { $0.add(again) }
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

/// What one directory holds, told in parts.
private struct FoundNames {
    let directory: [UInt8]
    let tells: Bool
    let queue: FolderEventQueue
    var isSecond = false
    private(set) var failure: Int32?
    private var events: [FolderEvent] = []
    /// Hashes, since names are long; two names of one hash cost the second listing its sense for one of them.
    private var remembered: Set<Int> = []

    init(directory: [UInt8], tells: Bool, queue: FolderEventQueue) {
        self.directory = directory
        self.tells = tells
        self.queue = queue
    }

    /// The names of directories, those of the first listing left out of the second.
    mutating func read(_ listing: inout DirectoryListing) -> [[UInt8]] {
        var directories: [[UInt8]] = []
        while true {
            switch listing.step() {
            case .entry(let entry):
                guard isNew(entry.name) else { continue }
                switch kind(of: entry, in: listing.descriptor) {
                case .directory: directories.append(entry.name)
                case .regular: tell(entry.name)
                case .unknown, .other: break
                }
            case .end:
                return directories
            case .failed(let code):
                failure = code
                return directories
            }
        }
    }

    private mutating func isNew(_ name: [UInt8]) -> Bool {
        guard tells else { return true }
        if isSecond { return !remembered.contains(name.hashValue) }
        if remembered.count < DirectoryVisitor.mostRemembered { remembered.insert(name.hashValue) }
        return true
    }

    /// Some file systems do not tell: ask.
    private func kind(of entry: DirectoryListing.Entry, in directory: Int32) -> DirectoryListing.Kind {
        guard entry.kind == .unknown else { return entry.kind }
        var status = stat()
        let result = (entry.name + [0]).withUnsafeBytes { bytes -> Int32 in
            guard let start = bytes.baseAddress else { return -1 }
            return fstatat(directory, start.assumingMemoryBound(to: CChar.self), &status, AT_SYMLINK_NOFOLLOW)
        }
        guard result == 0 else { return .other }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .regular
        case S_IFDIR: return .directory
        default: return .other
        }
    }

    private mutating func tell(_ name: [UInt8]) {
        guard tells else { return }
        let bytes = directory.isEmpty ? name : directory + [UInt8(ascii: "/")] + name
        guard let path = RelativePath(bytes: bytes) else { return }
        events.append(.appeared(path))
        if events.count >= DirectoryVisitor.tellAtOnce { tellRest() }
    }

    mutating func tellRest() {
        queue.post(events)
        events.removeAll(keepingCapacity: true)
    }
}
