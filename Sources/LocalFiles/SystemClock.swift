import Glibc
import SyncCore

/// The machine's clocks: CLOCK_REALTIME, and CLOCK_BOOTTIME, which nobody can set and which goes on during suspend
/// (`man 2 clock_gettime`).
public struct SystemClock: SyncClock {
    private let run: UInt64

    /// - Parameter run: drawn at random once at each start of the program (`MonotonicInstant.run`).
    public init(run: UInt64) {
        self.run = run
    }

    public init(drawingRunFrom generator: inout some RandomNumberGenerator) {
        run = generator.next()
    }

    public func now() -> Moment {
        Moment(
            wall: Timestamp(milliseconds: Self.read(CLOCK_REALTIME) / 1_000_000),
            monotonic: MonotonicInstant(run: run, nanoseconds: Self.read(CLOCK_BOOTTIME)))
    }

    public func sleep(for duration: Duration) async throws {
        let end = now().monotonic.advanced(by: duration)
        try Task.checkCancellation()
        // In parts of at most an hour: a wait of years overflows the runtime's timer, and after each part our own
        // clock decides whether it is over.
        while let rest = end.since(now().monotonic), rest > .zero {
            try await Task.sleep(for: min(rest, Duration.seconds(3600)), clock: .continuous)
        }
    }

    /// Nanoseconds; 0 for a clock that the kernel does not have, which none of these can be.
    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        guard clock_gettime(clock, &time) == 0 else { return 0 }
        let (product, overflow) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : product &+ Int64(time.tv_nsec)
    }
}
