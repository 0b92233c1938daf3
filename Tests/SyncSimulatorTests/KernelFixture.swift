import Dispatch
import FolderWatch
import SyncCore
import SyncTestSupport
import SystemPackage

@testable import SyncSimulator

/// A kernel whose clock moves only when a test says so.
struct KernelFixture {
    private final class Clock { var now: Int64 = 1_700_000_000_000_000_000 }

    let kernel: VirtualKernel
    private let clock = Clock()

    init(_ options: VirtualKernel.Options = VirtualKernel.Options(granularity: 1)) {
        kernel = VirtualKernel(options: options) { [clock] in clock.now }
    }

    /// Nanoseconds since 1970.
    var now: Int64 { clock.now }

    func wait(_ nanoseconds: Int64 = 1_000_000_000) { clock.now += nanoseconds }
}

/// Runs tasks one job at a time, as the simulator does.
final class OneAtATime: TaskExecutor {
    /// The one that runs the current task.
    @TaskLocal static var current: OneAtATime?

    private let queue = DispatchQueue(label: "one at a time")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    static func run<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let executor = OneAtATime()
        return try await $current.withValue(executor) {
            try await Task(executorPreference: executor) { try await body() }.value
        }
    }
}

/// Sleeps for a moment, however long it is asked to.
struct HastyClock: SyncClock {
    func now() -> Moment {
        Moment(wall: Timestamp(milliseconds: 1_000_000), monotonic: MonotonicInstant(run: 7, nanoseconds: 42))
    }

    func sleep(for duration: Duration) async throws { try await Task.sleep(for: .milliseconds(1)) }
}

extension RelativePath {
    static func of(_ text: String) throws -> RelativePath {
        guard let path = RelativePath(text) else { throw Errno.invalidArgument }
        return path
    }
}
