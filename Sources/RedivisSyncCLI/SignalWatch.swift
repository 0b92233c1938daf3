import Glibc
import UnixSignals

/// Waits for SIGINT or SIGTERM.
struct SignalWatch {
    /// Returns at the first signal, or when the task is cancelled. A second signal ends the program at once: whoever
    /// sends it does not want to wait for an orderly end, and every state is saved before it is acted on anyway.
    static func wait() async {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        for await signal in signals {
            Task.detached {
                for await second in signals { _exit(128 + second.rawValue) }
                _ = signal
            }
            return
        }
    }
}
