import SyncCore

/// A directory to be opened, watched and listed.
struct Visit: Hashable, Sendable {
    let folder: WatchTable.Folder
    /// Below the folder; empty for the folder itself.
    let path: [UInt8]
    /// Goes in also where the directory is watched already: what is below may have changed unheard.
    var isForced = false
    /// Tells of the files that are found.
    var tells = false
    /// Below a directory that cannot be watched: only counts, and tells.
    var watches = true

    func below(_ name: [UInt8]) -> Visit {
        var visit = Visit(folder: folder, path: path.isEmpty ? name : path + [UInt8(ascii: "/")] + name)
        (visit.isForced, visit.tells, visit.watches) = (isForced, tells, watches)
        return visit
    }
}

/// One way through all directories of a folder.
struct FolderWalk {
    var rest: [Visit]
    var hasBegun = false
    /// Told at the end; `nil` for the first walk, since its folder is scanned afterwards anyway.
    let reason: RescanReason?
    /// Something was missed meanwhile: once more.
    var again: RescanReason?
    /// Who waits for the first walk.
    var waiter: CheckedContinuation<Void, Never>?

    init(of folder: WatchTable.Folder, reason: RescanReason?, waiter: CheckedContinuation<Void, Never>? = nil) {
        var visit = Visit(folder: folder, path: [])
        visit.isForced = reason != nil
        rest = [visit]
        self.reason = reason
        self.waiter = waiter
    }
}

/// What the thread that lists directories has to do.
struct Agenda {
    /// More directories than these are not looked at one by one: the folder is walked instead.
    static let mostUrgent = 65_536
    /// How many urgent visits go before one of a walk.
    static let urgentInARow = 32

    private var urgent: [Visit] = []
    /// What is in `urgent`: a visit that is still to come does for everything that asks for it until then.
    private var waiting: Set<Visit> = []
    private var head = 0
    private var inARow = 0
    var verifiesFolders = false
    var retries = false
    /// The thread sleeps, or is about to.
    var isAsleep = false

    var urgentCount: Int { urgent.count - head }

    mutating func add(_ visit: Visit) {
        if waiting.insert(visit).inserted { urgent.append(visit) }
    }

    mutating func removeAll(of folder: WatchTable.Folder) {
        urgent = urgent[head...].filter { $0.folder != folder }
        head = 0
        waiting = Set(urgent)
    }

    /// Whether a walk has waited long enough.
    mutating func isTurnOfWalks(_ walksWait: Bool) -> Bool {
        guard walksWait else { return false }
        inARow += 1
        guard urgentCount == 0 || inARow > Self.urgentInARow else { return false }
        inARow = 0
        return true
    }

    mutating func takeUrgent() -> Visit? {
        guard head < urgent.count else { return nil }
        let visit = urgent[head]
        waiting.remove(visit)
        head += 1
        if head == urgent.count || head >= 256, head * 2 >= urgent.count {
            urgent.removeFirst(head)
            head = 0
        }
        return visit
    }
}
