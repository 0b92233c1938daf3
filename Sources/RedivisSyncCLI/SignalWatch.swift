import Glibc
import UnixSignals

/// Waits for SIGINT or SIGTERM.
enum SignalWatch {
    /// Returns at the first signal, or when the task is cancelled. A second signal ends the program at once: whoever
    /// sends it does not want to wait for an orderly end, and every state is saved before it is acted on anyway.
    static func wait() async {
        let (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        Task.detached {
            var count = 0
            for await signal in signals {
                count += 1
                if count > 1 { _exit(128 + signal.rawValue) }
                arrived.yield()
            }
        }
        for await _ in arrivals { return }
    }
}
