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

    /// What goes wrong, by the part of the sandbox that does it.
    public enum Action: Sendable, Equatable {
        case request(RequestFault)
        case session(SessionFault)
        case registration(RegistrationFault)
        /// A list leaves out what was registered in the last so many milliseconds.
        case lag(Int)
        case draft(DraftFault)
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
