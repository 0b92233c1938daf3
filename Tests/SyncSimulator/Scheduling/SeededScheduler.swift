import CSimulator
import Glibc
import SyncTestSupport

/// Runs every task of a world on one thread, in virtual time, in an order drawn from a seed.
///
/// The Swift runtime hands each job that has no executor of its own to `swift_task_enqueueGlobal_hook`
/// (`libswift_Concurrency.so`); here it waits in a list until it is drawn. Time stands still while jobs are ready, and
/// then goes to the next timer.
///
/// Not caught, and so not to be used by what is simulated: `Task.yield` and `Task.sleep`, threads, dispatch queues.
package final class SeededScheduler: TaskExecutor, @unchecked Sendable {
    // Unchecked: used by the one thread that runs the world.

    /// Whose job or timer it is: a simulated process, or the world itself.
    package typealias Owner = Int
    package static let world: Owner = 0

    private struct Job {
        let job: UnownedJob
        let owner: Owner
    }

    private var ready: [Job] = []
    private var timers = TimerHeap()
    private var random: SeededRandom
    private var dead: Set<Owner> = []
    /// Whose job runs now: what it enqueues is of the same process.
    package private(set) var current = SeededScheduler.world
    /// Nanoseconds since the world began.
    package private(set) var elapsed: Int64 = 0
    package private(set) var steps = 0

    package init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        Self.installHook
    }

    // MARK: Jobs

    package func enqueue(_ job: consuming ExecutorJob) {
        ready.append(Job(job: UnownedJob(job), owner: current))
    }

    fileprivate func enqueue(unowned job: UnownedJob) {
        ready.append(Job(job: job, owner: current))
    }

    /// Starts a task of a process.
    package func start(_ owner: Owner, _ body: @escaping @Sendable () async -> Void) {
        asOwner(owner) { _ = Task.detached { await body() } }
    }

    /// Does something outside of any job, such as resuming a continuation, on behalf of a process.
    package func asOwner(_ owner: Owner, _ body: () -> Void) {
        let (before, thread) = (current, simulator_current())
        current = owner
        simulator_set_current(Unmanaged.passUnretained(self).toOpaque())
        body()
        simulator_set_current(thread)
        current = before
    }

    /// Nothing of this process runs any more, as after SIGKILL: its jobs and timers are dropped where they stand.
    package func kill(_ owner: Owner) {
        dead.insert(owner)
        ready.removeAll { $0.owner == owner }
    }

    package func isDead(_ owner: Owner) -> Bool { dead.contains(owner) }

    // MARK: Timers

    /// Calls `body` once `delay` nanoseconds have passed.
    package func after(_ delay: Int64, of owner: Owner, _ body: @escaping () -> Void) {
        timers.insert(at: elapsed + max(delay, 0), owner: owner, body)
    }

    // MARK: Running

    /// Runs until nothing is left to do before `end` (nanoseconds since the beginning), or until `isOver` says so after a
    /// step. Time then stands at `end`, or where it was over.
    ///
    /// - Returns: false where `isOver` ended it.
    @discardableResult
    package func run(until end: Int64, isOver: () -> Bool) -> Bool {
        let executor = asUnownedTaskExecutor()
        simulator_set_current(Unmanaged.passUnretained(self).toOpaque())
        defer { simulator_set_current(nil) }
        while true {
            while !ready.isEmpty {
                let index = Int(random.next(upperBound: UInt(ready.count)))
                let next = ready[index]
                ready[index] = ready[ready.count - 1]
                ready.removeLast()
                current = next.owner
                next.job.runSynchronously(on: executor)
                current = Self.world
                steps += 1
                if isOver() { return false }
            }
            guard let due = timers.nextDue, due <= end else { break }
            elapsed = max(elapsed, due)
            guard let timer = timers.removeFirst(), !dead.contains(timer.owner) else { continue }
            current = timer.owner
            timer.body()
            current = Self.world
            steps += 1
            if isOver() { return false }
        }
        elapsed = max(elapsed, end)
        return true
    }

    /// Drops all that is left, which refers to the world that this belongs to.
    package func clear() {
        timers = TimerHeap()
        ready = []
    }

    // MARK: The hook

    private typealias Original = @convention(thin) (UnownedJob) -> Void
    private typealias Hook = @convention(thin) (UnownedJob, Original) -> Void

    /// Once for the process. Jobs of other threads, such as the test runner's, go on to where they would have gone.
    private static let installHook: Void = {
        guard let symbol = dlsym(dlopen(nil, RTLD_LAZY), "swift_task_enqueueGlobal_hook") else {
            fatalError("this Swift runtime has no swift_task_enqueueGlobal_hook: tasks cannot be put in order")
        }
        symbol.assumingMemoryBound(to: Hook?.self).pointee = { job, original in
            guard let scheduler = simulator_current() else { return original(job) }
            Unmanaged<SeededScheduler>.fromOpaque(scheduler).takeUnretainedValue().enqueue(unowned: job)
        }
    }()
}

/// Timers by their time, those of one moment in the order in which they were set.
private struct TimerHeap {
    struct Timer {
        let due: Int64
        let serial: Int
        let owner: SeededScheduler.Owner
        let body: () -> Void

        func isBefore(_ other: Timer) -> Bool { (due, serial) < (other.due, other.serial) }
    }

    private var heap: [Timer] = []
    private var serial = 0

    var nextDue: Int64? { heap.first?.due }

    mutating func insert(at due: Int64, owner: SeededScheduler.Owner, _ body: @escaping () -> Void) {
        serial += 1
        heap.append(Timer(due: due, serial: serial, owner: owner, body: body))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].isBefore(heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeFirst() -> Timer? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].isBefore(heap[least])
            {
                least = child
            }
            guard least != parent else { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
