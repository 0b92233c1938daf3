import Glibc
import SyncCore

/// Threads for calls that block: opening, `fstat` and `pread` on a slow disk or a network file system would
/// otherwise hold up Swift's few cooperative threads.
///
/// Threads are started as jobs need them, up to a limit, and end when this value is let go. A job must not wait for
/// another job.
final class WorkerThreads: Sendable {
    typealias Job = @Sendable () -> Void

    private let queue: JobQueue

    init(limit: Int) {
        queue = JobQueue(limit: limit)
    }

    deinit {
        queue.stop()
    }

    func submit(_ job: @escaping Job) {
        queue.submit(job)
    }

    /// Runs `body` on one of the threads.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            queue.submit { continuation.resume(returning: Result(catching: body)) }
        }
        return try result.get()
    }
}

/// `@unchecked Sendable`: everything mutable is touched only between `lock` and `unlock` of the mutex. A POSIX mutex
/// and condition, since threads must sleep here and Swift's `Mutex` has no condition; both live at fixed addresses.
private final class JobQueue: @unchecked Sendable {
    private let limit: Int
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
        if idle < jobs.count - head, threads < limit, startThread() {
            threads += 1
        }
        let isStranded = threads == 0
        pthread_mutex_unlock(mutex)
        // Behind the unlock, so that the thread that wakes does not find the mutex taken.
        pthread_cond_signal(filled)
        // No thread can be had at all: the caller does the work itself, slowly but surely.
        if isStranded, let job = takeWithoutWaiting() { job() }
    }

    func stop() {
        pthread_mutex_lock(mutex)
        isStopped = true
        pthread_cond_broadcast(filled)
        pthread_mutex_unlock(mutex)
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
