// What is true of each kind of failure, so that a new kind cannot be forgotten.

extension Failure.Kind {
    /// Whether trying again later is the remedy, and not a person.
    public var passesByItself: Bool {
        switch self {
        case .transient, .throttled, .ambiguous, .conflict, .stateUnavailable: true
        case .sessionLost, .sessionRefused, .unauthorized, .forbidden, .rejected, .tooLarge, .endpointMissing,
            .unreadable,
            .sourceGone, .sourceChanged:
            false
        }
    }

    /// What a failure says about the host that was asked.
    public var verdictOnHost: VerdictOnHost {
        switch self {
        case .transient, .throttled, .ambiguous: .isAway
        case .sessionLost, .sessionRefused, .unauthorized, .forbidden, .rejected, .tooLarge, .conflict,
            .endpointMissing:
            .answers
        case .unreadable, .sourceGone, .sourceChanged, .stateUnavailable: .unknown
        }
    }

    public enum VerdictOnHost: Hashable, Sendable { case answers, isAway, unknown }

    /// How long to leave a refusal alone that only a person can lift.
    var patience: Duration? {
        switch self {
        case .unauthorized: .seconds(60)
        case .forbidden: .seconds(300)
        case .transient, .throttled, .sessionLost, .sessionRefused, .rejected, .tooLarge, .conflict, .ambiguous,
            .endpointMissing, .unreadable, .sourceGone, .sourceChanged, .stateUnavailable:
            nil
        }
    }
}
