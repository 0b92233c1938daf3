/// A failure sorted by its remedy. Adapters classify at their own edge, so nobody above looks at a status code or
/// an errno.
public struct Failure: Error, Hashable, Codable, Sendable {
    public enum Kind: String, Codable, Sendable {
        /// Passes by itself: the network, a 5xx to a request that may be repeated.
        case transient
        /// The server asks for patience (429, or 503 with `Retry-After`).
        case throttled
        /// The session is dead: 404, 410, 499 (api.md 6.3 rule 5).
        case sessionLost
        /// The storage host refuses the session's URL or token: 401 or 403 (rule 6).
        case sessionRefused
        /// 401, or `insufficient_scope`: the token itself.
        case unauthorized
        /// Another 403, or 404 of table or dataset: this table is refused.
        case forbidden
        /// The server refuses this request for good (400, 413, 422 …); `summary` has its words.
        case rejected
        /// The server, or something on the way, takes no request of this size (413); a smaller one may get through.
        case tooLarge
        /// The name or version is taken (409, or a registration that came back under another name).
        case conflict
        /// One byte of the request may have left, and no clear answer came.
        case ambiguous
        /// This way of opening a session is not to be had: 404, 405 or 410 of the endpoint while the table answers.
        case endpointMissing
        /// The source cannot be read.
        case unreadable
        /// The source is not there any more.
        case sourceGone
        /// The source is there and is not what it was: shorter than the part that was to be read.
        case sourceChanged
        /// The state directory cannot be written.
        case stateUnavailable
    }

    /// How far it reaches: one file, one table, everything.
    public enum Scope: String, Codable, Sendable { case delivery, destination, agent }

    public let kind: Kind
    public let scope: Scope
    /// What happened, for people; without secrets, on one line.
    public let summary: String
    /// What to do now.
    public let hint: String?
    /// What the server asked for (`Retry-After`).
    public let retryAfter: Duration?

    public init(
        _ kind: Kind, scope: Scope = .delivery, _ summary: String, hint: String? = nil, retryAfter: Duration? = nil
    ) {
        self.kind = kind
        self.scope = scope
        self.summary = summary
        self.hint = hint
        self.retryAfter = retryAfter
    }
}

extension Failure: CustomStringConvertible {
    public var description: String { hint.map { "\(summary); \($0)" } ?? summary }
}
