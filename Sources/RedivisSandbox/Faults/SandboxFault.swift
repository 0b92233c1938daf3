/// One thing that goes wrong at chosen requests of one class.
///
/// Text form `CLASS:WHEN:ACTION[,MODIFIER…]`, such as `post-uploads:2:lose-reply` or `put-chunk:3:keep=262144`; see
/// ``init(_:)`` and docs/sandbox.md.
public struct SandboxFault: Sendable, Equatable {
    /// The requests of a class that it hits, counted from 1 since the fault was set.
    public enum Occurrences: Sendable, Equatable {
        case range(ClosedRange<Int>)
        case from(Int)

        func contains(_ count: Int) -> Bool {
            switch self {
            case .range(let range): range.contains(count)
            case .from(let first): count >= first
            }
        }
    }

    /// Which requests a fault waits for.
    public enum Target: Sendable, Equatable {
        case one(RequestClass)
        case anyAPI
        case anyStorage
        case any

        func matches(_ request: RequestClass) -> Bool {
            switch self {
            case .one(let wanted): wanted == request
            case .anyAPI: !request.isStorage
            case .anyStorage: request.isStorage
            case .any: true
            }
        }
    }

    public enum Action: Sendable, Equatable {
        /// Answers with an error status. `afterwards`: only after the request was carried out. On a session, 404, 410
        /// and 499 end it for good unless `once`. `retryAfter` is sent as it stands.
        case status(Int, afterwards: Bool, once: Bool, retryAfter: String?)
        /// 200 with a page of HTML, as a captive portal answers. Nothing is carried out.
        case portal
        /// Resets the connection before anything is carried out.
        case reset
        /// Takes this many bytes of the body, then resets the connection.
        case resetAt(Int64)
        /// Carries the request out, then closes the connection without an answer.
        case loseReply
        /// Closes the connection without an answer, and carries the request out this many milliseconds later.
        case late(Int)
        /// Carries out at once, answers this many milliseconds later.
        case delay(Int)
        /// Waits this many milliseconds before carrying out.
        case wait(Int)
        /// 308 without `Range`, although bytes are stored.
        case noRange
        /// A 308 becomes 200 with `X-HTTP-Status-Code-Override: 308`.
        case overrideOK
        /// A 308 becomes a plain 200 while the session stays open.
        case plainOK
        /// The session is finished with what is stored, fewer bytes than announced, and 200 is answered.
        case finishEarly
        /// Keeps only the first bytes of the chunk.
        case keep(Int64)
        /// Acknowledges this many bytes more than are stored.
        case acknowledgeMore(Int64)
        /// Loses this many of the last stored bytes, which may have been acknowledged before.
        case loseStored(Int64)
        /// Refuses the upload id of a registration.
        case refuseID
        /// The import of this registration fails with this message.
        case importFailed(String)
        /// The import completes and reports a size one byte too large.
        case wrongSize
        /// The import completes and reports another MD5.
        case wrongMD5
        /// The import completes and never reports size and MD5.
        case noSize
        /// The import never ends.
        case importStuck
    }

    public var target: Target
    public var occurrences: Occurrences
    public var action: Action

    public init(target: Target, occurrences: Occurrences, action: Action) {
        self.target = target
        self.occurrences = occurrences
        self.action = action
    }
}
