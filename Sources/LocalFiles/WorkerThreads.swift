import Glibc
import SyncCore
import Synchronization

/// Threads for calls into one folder that block: opening, `fstat` and `pread` on a slow disk or a network file system
/// would otherwise hold up Swift's few cooperative threads.
///
/// Threads are started as jobs need them, up to a limit, and end when this value is let go. A job must not wait for
/// another job. Nobody waits for a call for longer than `patience`, and where a few have not come back in that time
/// no more are made (`OverdueCalls`): a folder that is silent takes no other's time.
final class WorkerThreads: Sendable {
    typealias Job = @Sendable () -> Void

    private let queue: JobQueue
    private let patience: Duration
    /// What is said of a call that does not come back in time.
    let silence: Failure
    private let clock = SuspendingClock()
    // Calls begin and end on any thread.
    private let state: Mutex<State>

    private struct State {
        var calls: OverdueCalls
        var isWatched = false
    }

    init(limit: Int, patience: Duration = LocalSourceReader.patience, silence: Failure) {
        queue = JobQueue(limit: limit)
        self.patience = patience
        self.silence = silence
        state = Mutex(State(calls: OverdueCalls(patience: patience)))
    }

    deinit {
        queue.stop()
    }

    /// Nobody is told how this ends; what may wait in it for a file system goes by `call`, where somebody waits for it.
    func submit(_ job: @escaping Job) {
        queue.submit(job)
    }

    /// Runs `body` on one of the threads.
    ///
    /// - Parameter tries: whether it may try a folder that is silent, and so take all of the patience.
    /// - Throws: `silence`; what `body` may still come to is let go then.
    func run<Value: Sendable>(
        tries: Bool = false, _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            let reply = Reply(continuation)
            guard
                let call = begin(
                    tries: tries, isOnThread: false, giveUp: { [silence] in reply.give(.failure(silence)) })
            else { return reply.give(.failure(silence)) }
            queue.submit {
                guard self.state.withLock({ $0.calls.start(call) }) else { return }
                let result = Result(catching: body)
                self.end(call)
                reply.give(result)
            }
        }
        return try result.get()
    }

    /// Runs `body` on the calling thread, which is one of these.
    ///
    /// - Parameter giveUp: told where it does not come back in time.
    /// - Throws: `silence`, without running it, where the folder is silent.
    func call<Value>(
        givingUp giveUp: @escaping @Sendable () -> Void, _ body: () -> Value
    ) throws(Failure) -> Value {
        guard let call = begin(tries: false, isOnThread: true, giveUp: giveUp) else { throw silence }
        defer { end(call) }
        return body()
    }

    private func begin(tries: Bool, isOnThread: Bool, giveUp: @escaping @Sendable () -> Void) -> OverdueCalls.ID? {
        let (call, isFirst) = state.withLock { state in
            let call = state.calls.begin(at: clock.now, tries: tries, isOnThread: isOnThread, giveUp: giveUp)
            defer { if call != nil { state.isWatched = true } }
            return (call, call != nil && !state.isWatched)
        }
        if isFirst { watch() }
        return call
    }

    private func end(_ call: OverdueCalls.ID) {
        state.withLock { state in
            let stuck = state.calls.stuck
            state.calls.end(call)
            if state.calls.stuck != stuck { queue.setSpare(state.calls.stuck) }
        }
    }

    /// Until there is no call to watch.
    private func watch() {
        let pause = patience / 6
        Task.detached { [weak self] in
            repeat { try? await Task.sleep(for: pause) } while self?.giveUpLate() ?? false
        }
    }

    private func giveUpLate() -> Bool {
        let (late, goesOn) = state.withLock { state in
            let late = state.calls.late(at: clock.now)
            // Those that are stuck count no more: what waits gets threads in their place.
            if !late.isEmpty { queue.setSpare(state.calls.stuck) }
            state.isWatched = !state.calls.isEmpty
            return (late, state.isWatched)
        }
        for giveUp in late { giveUp() }
        return goesOn
    }
}

/// Where an answer is waited for: the first one counts.
private final class Reply<Value: Sendable>: Sendable {
    // Given by a thread that is back, or by whoever watches it.
    private let continuation: Mutex<CheckedContinuation<Result<Value, Failure>, Never>?>

    init(_ continuation: CheckedContinuation<Result<Value, Failure>, Never>) {
        self.continuation = Mutex(continuation)
    }

    func give(_ result: Result<Value, Failure>) {
        let continuation = continuation.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        continuation?.resume(returning: result)
    }
}

/// `@unchecked Sendable`: everything mutable is touched only between `lock` and `unlock` of the mutex. A POSIX mutex
/// and condition, since threads must sleep here and Swift's `Mutex` has no condition; both live at fixed addresses.
private final class JobQueue: @unchecked Sendable {
    private let limit: Int
    /// Threads beyond the limit, for those that do not come back.
    private var spare = 0
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let filled = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var jobs: [WorkerThreads.Job] = []
    private var head = 0
    private var threads = 0
    private var idle = 0
    private var isStopped = false

    init(limit: Int) {
        self.limit = max(limit, 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(filled, nil)
    }

    deinit {
        pthread_cond_destroy(filled)
        pthread_mutex_destroy(mutex)
        filled.deallocate()
        mutex.deallocate()
    }

    func submit(_ job: @escaping WorkerThreads.Job) {
        pthread_mutex_lock(mutex)
        jobs.append(job)
        startThreadWhereNeeded()
        let isStranded = threads == 0
        pthread_mutex_unlock(mutex)
        // Behind the unlock, so that the thread that wakes does not find the mutex taken.
        pthread_cond_signal(filled)
        // No thread can be had at all: the caller does the work itself, slowly but surely.
        if isStranded, let job = takeWithoutWaiting() { job() }
    }

    func setSpare(_ count: Int) {
        pthread_mutex_lock(mutex)
        spare = count
        for _ in 0..<max(jobs.count - head - idle, 0) where !startThreadWhereNeeded() { break }
        pthread_mutex_unlock(mutex)
        pthread_cond_broadcast(filled)
    }

    func stop() {
        pthread_mutex_lock(mutex)
        isStopped = true
        pthread_cond_broadcast(filled)
        pthread_mutex_unlock(mutex)
    }

    /// The mutex must be held.
    @discardableResult
    private func startThreadWhereNeeded() -> Bool {
        guard idle < jobs.count - head, threads < limit + spare, startThread() else { return false }
        threads += 1
        return true
    }

    private func startThread() -> Bool {
        var thread = pthread_t()
        let this = Unmanaged.passRetained(self)
        let code = pthread_create(&thread, nil, jobThread, this.toOpaque())
        guard code == 0 else {
            this.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    fileprivate func work() {
        while let job = take() { job() }
    }

    /// The next job; sleeps until there is one. `nil` once stopped and empty.
    private func take() -> WorkerThreads.Job? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        idle += 1
        defer { idle -= 1 }
        while head == jobs.count, !isStopped {
            pthread_cond_wait(filled, mutex)
        }
        return removeFirst()
    }

    private func takeWithoutWaiting() -> WorkerThreads.Job? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return removeFirst()
    }

    private func removeFirst() -> WorkerThreads.Job? {
        guard head < jobs.count else { return nil }
        let job = jobs[head]
        head += 1
        // The jobs taken are dropped in one go: all at once where nothing is left, else by half of the array.
        if head == jobs.count || head >= 256, head * 2 >= jobs.count {
            jobs.removeFirst(head)
            head = 0
        }
        return job
    }
}

private func jobThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<JobQueue>.fromOpaque(argument).takeRetainedValue().work()
    return nil
}
