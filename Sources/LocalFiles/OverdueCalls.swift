/// Which calls into one folder's file system have not come back in time, and whether another may be made.
///
/// A file server that is away keeps its callers for as long as it likes, and nothing calls them back (`man 5 nfs`,
/// `hard`). Each costs a thread until it returns. So after a few no more are made, but for one now and then to try.
struct OverdueCalls: Sendable {
    typealias ID = UInt64
    typealias Instant = SuspendingClock.Instant

    /// So many may be overdue until the folder counts as silent. One alone may be a bad place of a disk.
    static let most = 4
    /// Threads that may be left with such calls.
    static let mostStuck = 64
    /// Between one try and the next, in multiples of the patience: it doubles up to this.
    static let longestPause = 32

    private struct Call {
        let begun: Instant
        /// Whether it tries if a silent folder answers again.
        let isTrial: Bool
        var isOnThread: Bool
        let giveUp: @Sendable () -> Void
    }

    private let patience: Duration
    private var calls: [ID: Call] = [:]
    private var lastID: ID = 0
    /// By these the folder is judged.
    private var overdue: Set<ID> = []
    /// Overdue, while a later call has come back: of a file system that is not mounted there any more.
    private var writtenOff: Set<ID> = []
    private var nextTrial: Instant?
    private var pause = 1

    /// - Parameter patience: how long a call may take.
    init(patience: Duration) {
        self.patience = patience
    }

    var isEmpty: Bool { calls.isEmpty }
    var isSilent: Bool { overdue.count >= Self.most }
    /// How many threads are with calls that are overdue.
    var stuck: Int { overdue.count + writtenOff.count }

    /// - Parameters:
    ///   - tries: whether it may be the one that tries a silent folder.
    ///   - giveUp: told once where it is overdue; it may still come back.
    /// - Returns: `nil` where the folder is silent: the call is not to be made.
    mutating func begin(
        at now: Instant, tries: Bool, isOnThread: Bool, giveUp: @escaping @Sendable () -> Void
    ) -> ID? {
        if isSilent {
            guard tries, stuck < Self.mostStuck, nextTrial.map({ now >= $0 }) ?? true else { return nil }
            nextTrial = now + patience * (pause + 1)
            pause = min(pause * 2, Self.longestPause)
        }
        lastID += 1
        calls[lastID] = Call(begun: now, isTrial: isSilent, isOnThread: isOnThread, giveUp: giveUp)
        return lastID
    }

    /// A thread begins with it. `false` where it waited for one for so long that it was given up.
    mutating func start(_ id: ID) -> Bool {
        guard calls[id] != nil else { return false }
        calls[id]?.isOnThread = true
        return true
    }

    mutating func end(_ id: ID) {
        let call = calls.removeValue(forKey: id)
        let isLate = overdue.remove(id) != nil || writtenOff.remove(id) != nil
        if let call, call.isTrial, !isLate {
            writtenOff.formUnion(overdue)
            overdue = []
        }
        if !isSilent { (nextTrial, pause) = (nil, 1) }
    }

    /// - Returns: whom to tell that their call does not come back in time.
    mutating func late(at now: Instant) -> [@Sendable () -> Void] {
        var told: [@Sendable () -> Void] = []
        for (id, call) in calls where now - call.begun >= patience && !overdue.contains(id) && !writtenOff.contains(id)
        {
            told.append(call.giveUp)
            if call.isOnThread { overdue.insert(id) } else { calls[id] = nil }
        }
        return told
    }
}
