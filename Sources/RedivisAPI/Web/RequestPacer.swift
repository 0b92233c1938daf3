import SyncCore
import Synchronization

/// Lets requests to the API go one by one as `Pacing` says, in the order in which they came.
final class RequestPacer: Sendable {
    private struct State {
        var pacing: Pacing
        /// Tickets of those who wait, in the order of their coming.
        var waiting: [UInt64] = []
        var lastTicket: UInt64 = 0
    }

    // Calls of several deliveries come in at once.
    private let state: Mutex<State>
    private let origin = ContinuousClock.now
    /// Longer waits are asked about again: the rate may be another by then.
    private static let longestSleep: Duration = .seconds(2)
    /// How often those look who are not the first in the line.
    private static let lineSleep: Duration = .milliseconds(20)

    init(_ rate: RequestRate) {
        state = Mutex(State(pacing: Pacing(rate)))
    }

    func follow(_ rate: RequestRate) {
        state.withLock { $0.pacing.follow(rate) }
    }

    /// Returns when a request may go. Each return is followed by `answered` or `unanswered`.
    ///
    /// - Throws: where the task was cancelled meanwhile; the request then does not count.
    func turn() async throws(CancellationError) {
        let began = ContinuousClock.now
        let ticket = state.withLock { state in
            state.lastTicket &+= 1
            state.waiting.append(state.lastTicket)
            return state.lastTicket
        }
        defer { state.withLock { $0.waiting.removeAll { $0 == ticket } } }
        while true {
            let now = ContinuousClock.now
            let wait: Duration? = state.withLock { state in
                guard state.waiting.first == ticket else { return Self.lineSleep }
                switch state.pacing.turn(at: origin.duration(to: now), waited: began.duration(to: now)) {
                case .go:
                    // At once, so that the next in the line need not wait for this task to go on.
                    state.waiting.removeFirst()
                    return nil
                case .wait(let time): return min(time, Self.longestSleep)
                }
            }
            guard let wait else { return }
            do {
                try await Task.sleep(for: wait)
            } catch {
                throw CancellationError()
            }
        }
    }

    func answered(_ report: RateLimitReport?) {
        state.withLock { $0.pacing.answered(report, at: origin.duration(to: .now)) }
    }

    func unanswered() {
        state.withLock { $0.pacing.unanswered() }
    }
}

extension RateLimitReport {
    /// As an answer's fields tell it; `nil` where they do not, or tell no numbers.
    init?(_ answer: WebAnswer, now: Timestamp) {
        guard let limit = answer.fields.one("x-ratelimit-limit").flatMap({ Int($0) }),
            let remaining = answer.fields.one("x-ratelimit-remaining").flatMap({ Int($0) })
        else { return nil }
        // Seconds from now or a point in time: servers differ in it as they do in `Retry-After`.
        let reset = answer.fields.one("x-ratelimit-reset").flatMap {
            RetryAfter.parse($0, serverTime: answer.serverTime, now: now)
        }
        self.init(
            limit: limit, remaining: remaining,
            reset: answer.status == 429 ? RetryAfter.asked(by: answer, now: now) ?? reset : reset,
            isRefusal: answer.status == 429)
    }
}
