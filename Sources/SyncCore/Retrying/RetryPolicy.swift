/// Full-jitter exponential back-off without an end: the n-th wait is drawn evenly from 0 to `base · 2ⁿ⁻¹`, and never
/// more than `cap`.
///
/// | failures in a row | 1 | 2 | 3 | 5 | 7 and more |
/// | --- | --- | --- | --- | --- | --- |
/// | longest wait | 1 s | 2 s | 4 s | 16 s | 60 s |
public struct RetryPolicy: Hashable, Sendable {
    public let base: Duration
    public let cap: Duration

    public init(base: Duration = .seconds(1), cap: Duration = .seconds(60)) {
        self.base = base
        self.cap = cap
    }

    /// - Parameters:
    ///   - failures: how many in a row, this one included; below 1 counts as 1.
    ///   - jitter: drawn evenly from 0..<1.
    ///   - retryAfter: what the server asked for; held to at most an hour, since some ask for the absurd.
    public func delay(afterFailures failures: Int, jitter: Double, retryAfter: Duration?) -> Duration {
        let exponent = min(max(failures, 1) - 1, 20)
        let longest = min(base * (1 << exponent), cap)
        // Written so that a NaN draws nothing: a duration of NaN would trap.
        let drawn = longest * (jitter >= 0 ? min(jitter, 1) : 0)
        guard let retryAfter, retryAfter > .zero else { return drawn }
        return min(retryAfter, .seconds(3600)) + drawn
    }
}
