/// How fast requests may go to the API: the mapping file's `api_rate`.
public enum RequestRate: Hashable, Sendable {
    /// By what the server tells of its limit, leaving a fifth to others.
    case auto
    /// One request in each `interval` at most.
    case every(Duration)

    /// Requests that wait for each other must not look like an agent that is frozen.
    public static let slowest: Duration = .seconds(6)
    /// Faster than any server's limit; below it there is nothing to wait for.
    public static let fastest: Duration = .milliseconds(1)
}

/// What an answer says of the server's limit (api.md 1.5): `X-RateLimit-Limit`, `-Remaining`, and `-Reset`, which no
/// page of Redivis mentions and other servers send.
public struct RateLimitReport: Hashable, Sendable {
    /// Requests in a window.
    public var limit: Int
    /// Those that are left of them.
    public var remaining: Int
    /// Until the window ends, where told.
    public var reset: Duration?
    /// The request was refused for its limit: 429.
    public var isRefusal: Bool

    public init(limit: Int, remaining: Int, reset: Duration? = nil, isRefusal: Bool = false) {
        self.limit = limit
        self.remaining = remaining
        self.reset = reset
        self.isRefusal = isRefusal
    }

    /// Beyond this a number is no limit that anybody keeps.
    public static let largest = 1_000_000_000

    var isSensible: Bool { (1...Self.largest).contains(limit) }
}
