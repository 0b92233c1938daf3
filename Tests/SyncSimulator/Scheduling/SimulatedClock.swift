import SyncCore

/// The clocks of one host, in virtual time. A process that was killed sleeps for ever.
package final class SimulatedClock: SyncClock, @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.

    private final class Sleeper: @unchecked Sendable {
        // Unchecked: see the clock.
        var continuation: UnsafeContinuation<Void, any Error>?
        var isOver = false
    }

    private let scheduler: SeededScheduler
    private let owner: SeededScheduler.Owner
    private let host: HostTime

    /// The run that its instants belong to.
    package let run: UInt64

    package init(_ scheduler: SeededScheduler, owner: SeededScheduler.Owner, run: UInt64, host: HostTime) {
        self.scheduler = scheduler
        self.owner = owner
        self.run = run
        self.host = host
    }

    package func now() -> Moment {
        Moment(
            wall: host.wall(at: scheduler.elapsed),
            monotonic: MonotonicInstant(run: run, nanoseconds: HostTime.boot + scheduler.elapsed))
    }

    package func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        guard duration > .zero else { return }
        let sleeper = Sleeper()
        try await withTaskCancellationHandler {
            // Unsafe: one of a process that is killed is never resumed.
            try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Void, any Error>) in
                guard !sleeper.isOver else { return continuation.resume(throwing: CancellationError()) }
                sleeper.continuation = continuation
                scheduler.after(duration.saturatingNanoseconds, of: owner) {
                    sleeper.continuation?.resume()
                    sleeper.continuation = nil
                }
            }
        } onCancel: {
            sleeper.isOver = true
            sleeper.continuation?.resume(throwing: CancellationError())
            sleeper.continuation = nil
        }
    }
}

/// The wall clock of a machine: it can be wrong, and step. All programs of the machine share it.
package final class HostTime: @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.

    /// When the world begins: nanoseconds since the boot of its machines, and milliseconds since 1970.
    package static let boot: Int64 = 1_000_000_000
    package static let epoch: Int64 = 1_700_000_000_337

    /// By how much it is ahead, in milliseconds.
    package var offset: Int64 = 0

    package init() {}

    package func wall(at elapsed: Int64) -> Timestamp {
        Timestamp(milliseconds: Self.epoch + offset + elapsed / 1_000_000)
    }

    /// For time stamps of files.
    package func nanoseconds(at elapsed: Int64) -> Int64 {
        (Self.epoch + offset) * 1_000_000 + elapsed
    }
}
