import Glibc
import Synchronization
import UnixSignals

/// Waits for SIGINT or SIGTERM, which end nothing by themselves from the moment on that this is made.
///
/// A second signal ends the program at once: whoever sends it does not want to wait for an orderly end, and every state
/// is saved before it is acted on anyway.
struct SignalWatch: Sendable {
    private let arrivals: AsyncStream<Void>
    private let flag = Flag()

    private final class Flag: Sendable {
        // Raised by the task that listens, read by whoever asks.
        let isRaised = Mutex(false)
    }

    /// Whether a signal has come.
    var hasArrived: Bool { flag.isRaised.withLock { $0 } }

    /// - Parameters:
    ///   - withHangUp: whether SIGHUP, from a terminal that is closed, counts too.
    ///   - last: what is done before a second signal ends the program.
    init(withHangUp: Bool = false, atSecond last: @escaping @Sendable () -> Void = {}) async {
        let (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
        self.arrivals = arrivals
        let signals =
            withHangUp
            ? await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
            : await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let flag = flag
        Task.detached {
            var count = 0
            for await signal in signals {
                count += 1
                if count > 1 {
                    last()
                    _exit(128 + signal.rawValue)
                }
                flag.isRaised.withLock { $0 = true }
                arrived.yield()
            }
        }
    }

    /// Returns at the first signal, also one that came before, or when the task is cancelled. To be called once.
    func wait() async {
        for await _ in arrivals { return }
    }
}
