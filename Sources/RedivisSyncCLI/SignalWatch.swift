import Dispatch
import Glibc

/// Waits for SIGINT or SIGTERM. A second one ends the program at once.
final class SignalWatch: Sendable {
    private let sources: [any DispatchSourceSignal]
    private let arrivals: AsyncStream<Void>

    init() {
        let (arrivals, arrive) = AsyncStream.makeStream(of: Void.self)
        self.arrivals = arrivals
        let count = ArrivalCount()
        sources = [SIGINT, SIGTERM].map { number in
            // The default action would end the process before the source is told.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: count.queue)
            source.setEventHandler {
                count.value += 1
                if count.value > 1 { _exit(128 + number) }
                arrive.yield()
            }
            source.resume()
            return source
        }
    }

    /// Returns at the first signal, or when the task is cancelled.
    func wait() async {
        for await _ in arrivals { return }
    }

    // Only touched on its own serial queue, which is where the handlers run.
    private final class ArrivalCount: @unchecked Sendable {
        let queue = DispatchQueue(label: "redivis-sync.signals")
        var value = 0
    }
}
