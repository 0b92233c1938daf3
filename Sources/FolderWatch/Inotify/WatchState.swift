import Glibc
import SyncCore
import SystemPackage

/// A mapped folder being watched.
struct WatchedFolder {
    /// How many of the directories that could not be opened are tried again at once.
    static let mostRetried = 1000

    let path: FilePath
    /// Links resolved, for comparing with mount points.
    let realPath: [UInt8]
    let identity: DirectoryIdentity
    let isRecursive: Bool
    let skips: @Sendable (RelativePath) -> Bool
    let queue: FolderEventQueue
    var mounts: Set<[UInt8]>
    /// The file system does not tell of changes: nothing is ever watched.
    let fileSystemGap: WatchGap?
    var unwatched = UnwatchedDirectories()
    /// Directories that could not be opened, and why.
    var setAside: [[UInt8]: String] = [:]
    /// Those up to here, in the order of their bytes, were tried again last.
    var retriedUpTo: [UInt8] = []
    var walk: FolderWalk?
    var told: WatchMode = .events
}

extension WatchedFolder {
    /// The directories that are next to be tried again.
    func nextToRetry() -> [[UInt8]] {
        let sorted = setAside.keys.sorted { $0.lexicographicallyPrecedes($1) }
        guard sorted.count > Self.mostRetried else { return sorted }
        let later = sorted.filter { retriedUpTo.lexicographicallyPrecedes($0) }
        return Array((later + sorted).prefix(Self.mostRetried))
    }
}

/// Those that should be watched and are not, as far as it was noticed; every walk counts anew.
struct UnwatchedDirectories {
    private static let mostNamed = 100

    /// Of their paths, since there may be millions.
    private var hashes: Set<Int> = []
    /// The first of them.
    private(set) var some: [[UInt8]] = []
    /// Of the first.
    private(set) var reason: UnwatchedReason?

    var count: Int { hashes.count }

    mutating func insert(_ path: [UInt8], _ reason: UnwatchedReason) {
        guard hashes.insert(path.hashValue).inserted else { return }
        if self.reason == nil { self.reason = reason }
        if some.count < Self.mostNamed { some.append(path) }
    }

    mutating func remove(_ path: [UInt8]) {
        guard !hashes.isEmpty, hashes.remove(path.hashValue) != nil else { return }
        some.removeAll { $0 == path }
        if hashes.isEmpty { reason = nil }
    }
}

/// Why a directory is not watched. Limits are read when they are told.
enum UnwatchedReason: Hashable {
    case watchesUsedUp
    case instancesUsedUp
    case other(WatchGap)
}

/// Everything that the two threads share, under one lock.
struct WatchState {
    var table = WatchTable()
    var folders: [WatchTable.Folder: WatchedFolder] = [:]
    var nextFolder: WatchTable.Folder = 1
    /// The inotify instance; -1 while there is none.
    var instance: Int32 = -1
    var instanceGap: UnwatchedReason?
    var agenda = Agenda()
    /// Watches that stand for nothing any more, to be given back to the kernel.
    var discards: Set<WatchTable.Watch> = []
    var moves: [MoveKey: HalfMove] = [:]
    /// How often the kernel was read, or was found to have nothing.
    var reads = 0
    var statistics = WatchStatistics()
    var isStopping = false
    var threads = 0
    var enders: [CheckedContinuation<Void, Never>] = []

    struct MoveKey: Hashable {
        let folder: WatchTable.Folder
        let cookie: UInt32
    }

    /// A directory that left this path, while it is not known where to. Only for telling: what became of it is found
    /// out by visits.
    struct HalfMove {
        let from: RelativePath
        let read: Int
    }

    // MARK: Telling

    func tell(_ event: FolderEvent, in folder: WatchTable.Folder) {
        folders[folder]?.queue.post(event)
    }

    func mode(of folder: WatchTable.Folder, _ system: InotifySystem) -> WatchMode {
        guard let watched = folders[folder] else { return .events }
        if let gap = watched.fileSystemGap { return .polling(gap) }
        if let instanceGap { return .polling(gap(instanceGap, missing: 1, system)) }
        guard let reason = watched.unwatched.reason else { return .events }
        let missing = watched.unwatched.count
        let told = gap(reason, missing: missing, system)
        let count = table.count(of: folder)
        return count == 0 ? .polling(told) : .partial(watched: count, unwatched: missing, told)
    }

    private func gap(_ reason: UnwatchedReason, missing: Int, _ system: InotifySystem) -> WatchGap {
        switch reason {
        case .watchesUsedUp: .limit(WatchLimit.reached("watches", missing: missing, system))
        case .instancesUsedUp: .limit(WatchLimit.reached("instances", missing: missing, system))
        case .other(let gap): gap
        }
    }

    mutating func tellMode(of folder: WatchTable.Folder, _ system: InotifySystem) {
        guard let told = folders[folder]?.told else { return }
        let mode = mode(of: folder, system)
        guard !mode.isSameForListener(as: told) else { return }
        folders[folder]?.told = mode
        tell(.modeChanged(mode), in: folder)
    }

    // MARK: Walks

    /// All directories of the folder are gone through once, however often this is asked before it begins.
    mutating func requestWalk(of folder: WatchTable.Folder, _ reason: RescanReason) {
        guard var watched = folders[folder], watched.fileSystemGap == nil else { return }
        guard var walk = watched.walk else {
            watched.walk = FolderWalk(of: folder, reason: reason)
            folders[folder] = watched
            return
        }
        if walk.hasBegun || walk.reason == nil { walk.again = walk.again ?? reason }
        watched.walk = walk
        folders[folder] = watched
    }

    mutating func takeFromWalks() -> Visit? {
        for folder in folders.keys.sorted() {
            // In place, so that the stack is not copied.
            guard let visit = folders[folder]?.walk?.rest.popLast() else { continue }
            if folders[folder]?.walk?.hasBegun == false {
                folders[folder]?.walk?.hasBegun = true
                beginWalk(of: folder)
            }
            return visit
        }
        return nil
    }

    private mutating func beginWalk(of folder: WatchTable.Folder) {
        folders[folder]?.unwatched = UnwatchedDirectories()
        folders[folder]?.setAside = [:]
    }

    mutating func finishWalkIfDone(of folder: WatchTable.Folder, _ system: InotifySystem) {
        guard let walk = folders[folder]?.walk, walk.rest.isEmpty else { return }
        folders[folder]?.walk = nil
        tellMode(of: folder, system)
        if let reason = walk.reason { tell(.mustRescan(reason), in: folder) }
        walk.waiter?.resume()
        if let again = walk.again { requestWalk(of: folder, again) }
    }

    // MARK: Dropping

    mutating func drop(_ node: WatchTable.Node) {
        discards.formUnion(table.remove(node))
    }

    mutating func dropDirectory(at path: [UInt8], in folder: WatchTable.Folder) {
        if !path.isEmpty, let node = table.node(at: path, in: folder) { drop(node) }
        folders[folder]?.unwatched.remove(path)
    }

    mutating func depart(_ folder: WatchTable.Folder, _ reason: FolderDeparture) {
        tell(.folderGone(reason), in: folder)
        remove(folder)
    }

    mutating func remove(_ folder: WatchTable.Folder) {
        if let root = table.root(of: folder) { drop(root) }
        let watched = folders.removeValue(forKey: folder)
        watched?.queue.finish()
        watched?.walk?.waiter?.resume()
        agenda.removeAll(of: folder)
        moves = moves.filter { $0.key.folder != folder }
    }

    mutating func noteUnwatched(_ visit: Visit, _ reason: UnwatchedReason) {
        folders[visit.folder]?.unwatched.insert(visit.path, reason)
    }

    mutating func setAside(_ visit: Visit, _ reason: String) {
        folders[visit.folder]?.setAside[visit.path] = reason
    }

    mutating func giveBackDiscards(atMost limit: Int, _ system: InotifySystem) {
        // A few in one order for all runs; of many, whichever come first, since sorting would hold up the reader.
        for watch in discards.count <= limit ? discards.sorted() : Array(discards.prefix(limit)) {
            discards.remove(watch)
            // Fails where the kernel removed it meanwhile.
            if instance >= 0 { _ = system.removeWatch(instance, watch) }
        }
    }
}

extension WatchMode {
    /// Whether there is nothing new to say: the number of directories that are watched changes all the time.
    fileprivate func isSameForListener(as other: WatchMode) -> Bool {
        switch (self, other) {
        case (.partial(_, let unwatched, let gap), .partial(_, let otherUnwatched, let otherGap)):
            unwatched == otherUnwatched && gap == otherGap
        case (.events, _), (.polling, _), (.partial, _):
            self == other
        }
    }
}
