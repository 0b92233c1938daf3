import Synchronization
import SystemPackage

/// Tells what happens in folders.
public protocol FolderWatcher: Sendable {
    /// Watches `folder` and returns when every directory in it is watched that can be: whatever comes from then on
    /// is told, so **scan after this**, not before, and nothing falls between.
    ///
    /// Symbolic links below the folder are not followed; names are bytes. That the folder is on a file system
    /// without events, or that the kernel's limits are used up, is no error: `modeChanged`, the first event, says so.
    ///
    /// - Parameter skipsDirectory: whether a directory is left out with all that is below it. Asked on a thread of
    ///   the watcher's own.
    /// - Throws: `Failure` of kind `sourceGone` or `unreadable` where the folder cannot be opened.
    func watch(
        _ folder: FilePath, recursive: Bool, skipsDirectory: @escaping @Sendable (RelativePath) -> Bool
    ) async throws(Failure) -> FolderWatch

    /// Tries again what could not be watched or opened: to be called now and then (every 30 s). It costs next to
    /// nothing where there is nothing to try. What comes of it is told to the watches: `modeChanged` and `mustRescan`
    /// for directories that are watched now, and the files in directories that can be opened now (`appeared`).
    func retryUnwatched()

    func statistics() -> WatchStatistics
}

/// For `status`: how sure the watching is.
public struct WatchStatistics: Hashable, Sendable {
    /// Directories watched, over all folders; one that belongs to two folders counts once.
    public var watches = 0
    /// The limit that watches are counted against, and its value; shared by all programs of the user.
    public var limit: WatchLimit?
    /// How often the kernel's queue was full since the start.
    public var overflows = 0
    /// Events read from the kernel since the start.
    public var eventsRead = 0
    /// When the last of them was read.
    public var lastEvent: Moment?

    public init() {}
}

/// What is watched of one folder now.
public struct FolderWatchStatus: Hashable, Sendable {
    public var mode: WatchMode
    /// Directories watched.
    public var watched: Int
    /// Directories that should be and are not; what is in them has to be polled.
    public var unwatched: Int
    /// Some of those, by name; the empty list stands for the folder itself.
    public var someUnwatched: [RelativePath]
    /// Directories that cannot be opened, with the reason; some of them. Polling does not see into them either.
    public var unreadable: [ScanReport.Problem]

    public init(
        mode: WatchMode, watched: Int, unwatched: Int, someUnwatched: [RelativePath] = [],
        unreadable: [ScanReport.Problem] = []
    ) {
        self.mode = mode
        self.watched = watched
        self.unwatched = unwatched
        self.someUnwatched = someUnwatched
        self.unreadable = unreadable
    }
}

/// One folder being watched: its events, in order, for one listener.
///
/// Ends after `folderGone`, after `stop`, and when the listening task is cancelled. Nobody listening costs a bounded
/// amount of memory (`FolderEventBacklog`).
public struct FolderWatch: AsyncSequence, Sendable {
    public typealias Element = FolderEvent
    public typealias Failure = Never

    private let queue: FolderEventQueue
    private let onStop: @Sendable () -> Void
    private let onStatus: @Sendable () -> FolderWatchStatus

    public init(
        events: FolderEventQueue, status: @escaping @Sendable () -> FolderWatchStatus,
        stop: @escaping @Sendable () -> Void
    ) {
        queue = events
        onStatus = status
        onStop = stop
    }

    /// All events that wait, at most `limit`; suspends while there are none. `nil` at the end.
    public func nextBatch(atMost limit: Int = 512) async -> [FolderEvent]? {
        await queue.next(atMost: limit)
    }

    public var status: FolderWatchStatus { onStatus() }

    /// Gives the watches back. What waits can still be taken; nothing is added.
    public func stop() {
        queue.finish()
        onStop()
    }

    public func makeAsyncIterator() -> Iterator { Iterator(queue: queue) }

    public struct Iterator: AsyncIteratorProtocol {
        let queue: FolderEventQueue
        var batch: ArraySlice<FolderEvent> = []

        public mutating func next(isolation actor: isolated (any Actor)?) async -> FolderEvent? {
            if batch.isEmpty {
                let queue = queue
                batch = await queue.next(atMost: 64)?[...] ?? []
            }
            return batch.popFirst()
        }
    }
}

/// Between the thread that reads from the kernel, which never waits, and the task that listens.
public final class FolderEventQueue: Sendable {
    private struct State {
        var backlog: FolderEventBacklog
        var isFinished = false
        var waiting: [(id: UInt64, limit: Int, listener: Listener)] = []
        var nextID: UInt64 = 0
        /// Waits that were cancelled before they began.
        var cancelled: Set<UInt64> = []
    }

    private typealias Listener = CheckedContinuation<[FolderEvent]?, Never>

    private let state: Mutex<State>

    public init(backlog: FolderEventBacklog = FolderEventBacklog()) {
        state = Mutex(State(backlog: backlog))
    }

    public var count: Int { state.withLock { $0.backlog.count } }

    public func post(_ event: FolderEvent) { post(CollectionOfOne(event)) }

    public func post(_ events: some Sequence<FolderEvent>) {
        let handed = state.withLock { state -> (Listener, [FolderEvent])? in
            guard !state.isFinished else { return nil }
            for event in events { state.backlog.append(event) }
            return Self.handOver(&state)
        }
        if let (listener, events) = handed { listener.resume(returning: events) }
    }

    private static func handOver(_ state: inout State) -> (Listener, [FolderEvent])? {
        guard !state.backlog.isEmpty, !state.waiting.isEmpty else { return nil }
        let first = state.waiting.removeFirst()
        return (first.listener, state.backlog.take(atMost: first.limit))
    }

    /// Nothing is added any more; what waits can still be taken.
    public func finish() {
        let listeners = state.withLock { state in
            state.isFinished = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiting in listeners { waiting.listener.resume(returning: nil) }
    }

    func next(atMost limit: Int) async -> [FolderEvent]? {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        defer { state.withLock { _ = $0.cancelled.remove(id) } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { listener in
                let answer = state.withLock { state -> [FolderEvent]?? in
                    if state.cancelled.remove(id) != nil { return .some(nil) }
                    if !state.backlog.isEmpty { return state.backlog.take(atMost: limit) }
                    if state.isFinished { return .some(nil) }
                    state.waiting.append((id, limit, listener))
                    return nil
                }
                if let answer { listener.resume(returning: answer) }
            }
        } onCancel: {
            cancel(id)
        }
    }

    private func cancel(_ id: UInt64) {
        let listener = state.withLock { state -> Listener? in
            if let index = state.waiting.firstIndex(where: { $0.id == id }) {
                return state.waiting.remove(at: index).listener
            }
            state.cancelled.insert(id)
            return nil
        }
        listener?.resume(returning: nil)
    }
}
