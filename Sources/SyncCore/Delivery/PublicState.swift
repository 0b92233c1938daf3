/// The states that a user reads (`status`, `list`, `why`, `--json`).
public enum PublicState: String, CaseIterable, Codable, Sendable {
    case settling, queued, uploading, registering, importing, waiting
    case delivered, held, parked, gone, superseded, ignored
}

extension DeliveryState {
    public var publicState: PublicState {
        switch self {
        case .working(let stage): stage.publicState
        case .waiting: .waiting
        case .delivered: .delivered
        case .held: .held
        case .parked: .parked
        case .abandoned(.gone): .gone
        case .abandoned(.superseded): .superseded
        case .abandoned(.ignored), .abandoned(.forgotten): .ignored
        }
    }

    /// Whether no upload of it can be on the table, and none was: it lives, is held or is parked, and was not posted.
    var isUnposted: Bool {
        switch self {
        case .working(let stage), .waiting(let stage, _): !stage.mayBeRegistered
        case .parked(let reason): !reason.mayBeRegistered
        case .held: true
        case .delivered, .abandoned: false
        }
    }

    /// What is done next, where something is.
    public var stage: Stage? {
        switch self {
        case .working(let stage), .waiting(let stage, _): stage
        case .delivered, .held, .parked, .abandoned: nil
        }
    }
}
