/// When the next request may go to the API, so that no 429 comes and a fifth of the limit is left to others who use
/// the same token. A value: the time comes in, as a duration since any fixed instant.
///
/// In the first half of what the server allows nothing waits. From there on the rest of the window is shared out
/// evenly; at the last fifth requests wait for the window to end. How long it is nobody tells (60 s on one page of
/// the API, 100 s on another), so after 60 s one request goes to see, and after that one in each quarter of that time.
/// A server that tells no limit, or an impossible one, is not waited for.
public struct Pacing: Hashable, Sendable {
    public enum Turn: Hashable, Sendable {
        case go
        /// Ask again after that time.
        case wait(Duration)
    }

    fileprivate enum Rule: Hashable, Sendable {
        case auto(Window?)
        /// The next request may go at `next`.
        case every(Duration, next: Duration?)
    }

    /// The server's window, as far as it can be told from here.
    fileprivate struct Window: Hashable, Sendable {
        var limit: Int
        /// As last told, less what went out since.
        var remaining: Int
        var told: Int
        var ends: Duration
        var last: Duration
        /// Answers in a row that say that nothing is left, to requests that were carried out all the same.
        var contradictions = 0

        /// The fifth that is left to others; at least one request is always ours.
        var reserve: Int { min((limit + 4) / 5, limit - 1) }
    }

    /// Of a window whose length is not told.
    static let period: Duration = .seconds(60)
    /// The most that a request waits under `auto`: what is left to others is a courtesy, and a part of the program that
    /// waits for long looks frozen. Longer than a window, so that what is learned at its end comes first.
    public static let longestWait: Duration = .seconds(75)
    /// So many contradictions, and what the server tells is not believed any more.
    static let patience = 3

    private var rule: Rule
    /// Requests without an answer yet: what the server tells may not count them.
    private var underWay = 0

    public init(_ rate: RequestRate = .auto) {
        rule = Self.rule(rate)
    }

    /// Another rate from now on. What was learned of the server is kept where it still matters.
    public mutating func follow(_ rate: RequestRate) {
        switch (rate, rule) {
        case (.auto, .auto): break
        case (.every(let interval), .every(let old, let next)):
            rule = .every(Self.bounded(interval), next: interval == old ? next : nil)
        case (.auto, .every), (.every, .auto): rule = Self.rule(rate)
        }
    }

    private static func rule(_ rate: RequestRate) -> Rule {
        switch rate {
        case .auto: .auto(nil)
        case .every(let interval): .every(bounded(interval), next: nil)
        }
    }

    private static func bounded(_ interval: Duration) -> Duration {
        min(max(interval, RequestRate.fastest), RequestRate.slowest)
    }

    /// Asked before each request goes out. `go` counts it; each such is followed by `answered` or `unanswered`.
    ///
    /// - Parameter waited: how long this request has waited already.
    public mutating func turn(at now: Duration, waited: Duration) -> Turn {
        switch rule {
        case .every(let interval, let next):
            if let next, next > now, next <= now + interval { return .wait(next - now) }
            rule = .every(interval, next: now + interval)
        case .auto(nil): break
        case .auto(var window?):
            if waited < Self.longestWait, let left = window.delay(at: now), left > .zero {
                rule = .auto(window)
                return .wait(min(left, Self.longestWait - waited))
            }
            window.remaining = max(window.remaining - 1, 0)
            window.last = now
            rule = .auto(window)
        }
        underWay += 1
        return .go
    }

    /// The request has been answered, with what was told of the limit; `nil` where nothing was.
    public mutating func answered(_ report: RateLimitReport?, at now: Duration) {
        underWay = max(underWay - 1, 0)
        guard case .auto(let known) = rule, let report, report.isSensible else { return }
        let told = min(max(report.remaining, 0), report.limit)
        var window =
            known ?? Window(limit: report.limit, remaining: told, told: told, ends: now + Self.period, last: now)
        let isNew =
            known == nil || window.limit != report.limit || told > window.told + max(window.limit / 10, underWay)
        let reset = report.reset.flatMap { $0 > .zero ? min($0, Self.period * 2) : nil }
        if let reset {
            window.ends = now + reset
        } else if isNew {
            window.ends = now + Self.period
        }
        window.limit = report.limit
        window.contradictions = told == 0 && window.told == 0 && !report.isRefusal ? window.contradictions + 1 : 0
        window.told = told
        window.remaining = max(told - underWay, 0)
        // A count that stands still is of no use; the limit itself then answers 429.
        if window.contradictions >= Self.patience {
            (window.remaining, window.contradictions) = (window.limit, Self.patience)
        }
        rule = .auto(window)
    }

    /// The request has ended without an answer, or was not sent after all.
    public mutating func unanswered() {
        underWay = max(underWay - 1, 0)
    }
}

extension Pacing.Window {
    /// How long a request that wants to go now is to wait; `nil` where it need not.
    fileprivate mutating func delay(at now: Duration) -> Duration? {
        if now >= ends {
            // The window should have ended: one request goes to see whether it has.
            ends = now + Pacing.period / 4
            remaining = max(remaining, reserve)
            return nil
        }
        if remaining > limit / 2 { return nil }
        guard remaining > reserve else { return ends - now }
        let next = last + (ends - now) / (remaining - reserve)
        return next > now ? next - now : nil
    }
}
