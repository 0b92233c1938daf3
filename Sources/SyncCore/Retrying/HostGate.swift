/// Lets requests to one host through: all of them while it answers, one at a time while it does not.
///
/// A host that is down would else be asked by every file that waits for it. What a single request meets says little, so
/// a few in a row have to fail before the gate closes; where the host asks for patience, one is enough. The times
/// between two probes are those of ``RetryPolicy``, and the first answer of any kind opens the gate.
public struct HostGate: Hashable, Sendable {
    /// What a request was let through as, or until when none is.
    public enum Pass: Hashable, Sendable {
        case free
        case probe
        case closed(until: MonotonicInstant)
    }

    private enum State: Hashable {
        case open(missed: Int)
        case closed(failures: Int, until: MonotonicInstant, isProbing: Bool)
    }

    /// So many requests in a row without an answer of the host's close the gate.
    public static let missesToClose = 3
    /// The least time between two probes: full jitter may draw nothing at all.
    public static let shortestRest: Duration = .milliseconds(200)

    private var state = State.open(missed: 0)
    private let policy: RetryPolicy

    public init(policy: RetryPolicy = RetryPolicy()) {
        self.policy = policy
    }

    /// - Returns: `nil` while it is open, else when a probe is let through next; that is `now` or earlier where one is
    ///   due, and nobody is asking.
    public var nextProbe: MonotonicInstant? {
        switch state {
        case .open: nil
        case .closed(_, let until, _): until
        }
    }

    public var isProbing: Bool {
        switch state {
        case .open: false
        case .closed(_, _, let isProbing): isProbing
        }
    }

    /// Who is let through says afterwards what came of it: `answered`, `failed` or `gaveUp`.
    public mutating func pass(at now: MonotonicInstant) -> Pass {
        switch state {
        case .open:
            return .free
        case .closed(let failures, let until, let isProbing):
            guard !isProbing, now.reached(until) ?? true else { return .closed(until: until) }
            state = .closed(failures: failures, until: until, isProbing: true)
            return .probe
        }
    }

    /// The host answered, whatever it said.
    ///
    /// - Returns: whether that opened the gate.
    public mutating func answered() -> Bool {
        defer { state = .open(missed: 0) }
        return nextProbe != nil
    }

    /// - Parameter jitter: drawn evenly from 0..<1.
    /// - Returns: whether that closed the gate.
    public mutating func failed(_ failure: Failure, as pass: Pass, at now: MonotonicInstant, jitter: Double) -> Bool {
        let asksForPatience = failure.kind == .throttled
        func rest(_ failures: Int) -> MonotonicInstant {
            let delay = policy.delay(afterFailures: failures, jitter: jitter, retryAfter: failure.retryAfter)
            return now.advanced(by: max(delay, Self.shortestRest))
        }
        switch (state, pass) {
        case (.open(let missed), _):
            guard asksForPatience || missed + 1 >= Self.missesToClose else {
                state = .open(missed: missed + 1)
                return false
            }
            state = .closed(failures: 1, until: rest(1), isProbing: false)
            return true
        case (.closed(let failures, _, _), .probe):
            state = .closed(failures: failures.incremented, until: rest(failures.incremented), isProbing: false)
            return false
        case (.closed(let failures, let until, let isProbing), .free),
            (.closed(let failures, let until, let isProbing), .closed):
            // Begun before the gate closed. What the host asks for holds for all.
            guard asksForPatience else { return false }
            let asked = rest(failures)
            let later = (asked.since(until) ?? .zero) > .zero ? asked : until
            state = .closed(failures: failures, until: later, isProbing: isProbing)
            return false
        }
    }

    /// The request came to nothing for a reason of ours, such as a file that changed.
    public mutating func gaveUp(as pass: Pass) {
        guard pass == .probe, case .closed(let failures, let until, _) = state else { return }
        state = .closed(failures: failures, until: until, isProbing: false)
    }
}
