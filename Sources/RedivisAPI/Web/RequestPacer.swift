import SyncCore
import Synchronization

/// Lets requests to the API go one by one as `Pacing` says, in the order in which they came.
final class RequestPacer: Sendable {
    fileprivate struct Place {
        let ticket: UInt64
        var isCancelled = false
        /// Resumed when it is the first of the line, or cancelled.
        var continuation: CheckedContinuation<Void, Never>?
    }

    private struct State {
        var pacing: Pacing
        /// Those who want to go, in the order of their coming. Only the first looks at the clock.
        var line: [Place] = []
        var lastTicket: UInt64 = 0
    }

    // Calls of several deliveries come in at once.
    private let state: Mutex<State>
    private let origin = ContinuousClock.now
    /// Longer waits are asked about again: the rate may be another by then.
    private static let longestSleep: Duration = .seconds(2)

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
            state.line.append(Place(ticket: state.lastTicket))
            return state.lastTicket
        }
        defer { leave(ticket) }
        await becomeFirst(ticket)
        while !Task.isCancelled {
            let now = ContinuousClock.now
            let turn = state.withLock { state in
                state.pacing.turn(at: origin.duration(to: now), waited: began.duration(to: now))
            }
            switch turn {
            case .go: return
            case .wait(let time): try? await Task.sleep(for: min(time, Self.longestSleep))
            }
        }
        throw CancellationError()
    }

    private func becomeFirst(_ ticket: UInt64) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    guard let index = state.line.firstIndex(where: { $0.ticket == ticket }), index > 0,
                        !state.line[index].isCancelled
                    else { return true }
                    state.line[index].continuation = continuation
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            let continuation = state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard let index = state.line.firstIndex(where: { $0.ticket == ticket }) else { return nil }
                state.line[index].isCancelled = true
                return state.line[index].takeContinuation()
            }
            continuation?.resume()
        }
    }

    /// The next one is the first now.
    private func leave(_ ticket: UInt64) {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.line.removeAll { $0.ticket == ticket }
            guard !state.line.isEmpty else { return nil }
            return state.line[0].takeContinuation()
        }
        next?.resume()
    }

    func answered(_ report: RateLimitReport?) {
        state.withLock { $0.pacing.answered(report, at: origin.duration(to: .now)) }
    }

    func unanswered() {
        state.withLock { $0.pacing.unanswered() }
    }
}

extension RequestPacer.Place {
    fileprivate mutating func takeContinuation() -> CheckedContinuation<Void, Never>? {
        defer { continuation = nil }
        return continuation
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
