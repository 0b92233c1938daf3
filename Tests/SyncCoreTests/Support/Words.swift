import SyncCore

// States and effects in the few words that tables and scenario files are written in.

extension DeliveryState {
    var words: String {
        switch self {
        case .working(let stage): stage.words
        case .waiting(let stage, _): "waiting \(stage.words)"
        case .delivered(let receipt): receipt.isAdopted ? "delivered adopted" : "delivered"
        case .held(.changed): "held changed"
        case .held(.tableHasOtherUploads): "held tableHasOtherUploads"
        case .held(.equalsUpload): "held equalsUpload"
        case .held(.existing): "held existing"
        case .parked(let reason): "parked \(reason.label)"
        case .abandoned(.gone): "abandoned gone"
        case .abandoned(.superseded): "abandoned superseded"
        case .abandoned(.ignored): "abandoned ignored"
        case .abandoned(.forgotten): "abandoned forgotten"
        }
    }
}

extension ParkReason {
    var label: String {
        switch self {
        case .importFailed: "importFailed"
        case .contentDiffers: "contentDiffers"
        case .rejected: "rejected"
        case .sessionRefused: "sessionRefused"
        case .sessionsLost: "sessionsLost"
        case .unreadable: "unreadable"
        case .nameTaken: "nameTaken"
        case .removedFromTable: "removedFromTable"
        case .stateDamaged: "stateDamaged"
        case .withdrawalRefused: "withdrawalRefused"
        }
    }
}

extension Stage {
    var words: String {
        switch self {
        case .pending(let admission): "pending \(admission.rawValue)"
        case .opening: "opening"
        case .transferring(_, let progress): "transferring \(progress.confirmed)"
        case .probing(_, let progress): "probing \(progress.confirmed)"
        case .concluding: "concluding"
        case .reading: "reading"
        case .lookingUp(let source, .beforePost): "lookingUp beforePost" + source.words
        case .lookingUp(let source, .inDoubt(let attempt, _)): "lookingUp inDoubt \(attempt.number)" + source.words
        case .posting(let source, let attempt): "posting \(attempt.number)" + source.words
        case .importing: "importing"
        case .withdrawing(_, .importFailed): "withdrawing importFailed"
        case .withdrawing(_, .contentDiffers): "withdrawing contentDiffers"
        case .withdrawing(_, .sizeNeverTold): "withdrawing sizeNeverTold"
        case .withdrawing(_, .renamed): "withdrawing renamed"
        }
    }
}

extension RegistrationSource {
    fileprivate var words: String {
        switch self {
        case .session: ""
        case .inline: " inline"
        }
    }
}

extension DeliveryEffect {
    var words: String {
        switch self {
        case .examine(let admission): "examine \(admission.rawValue)"
        case .compare(let admission): "compare \(admission.rawValue)"
        case .openSession(.preferred): "open preferred"
        case .openSession(.other): "open other"
        case .sendChunk(_, let range, let proof):
            "send \(range.lowerBound)-\(range.upperBound)" + (proof == nil ? "" : " proving \(proof?.offset ?? 0)")
        case .queryStatus: "query"
        case .conclude: "conclude"
        case .lookUp(_, .beforePost): "lookUp beforePost"
        case .lookUp(_, .inDoubt(let attempt, _)): "lookUp inDoubt \(attempt.number)"
        case .post(_, _, let attempt): "post \(attempt.number)"
        case .followImport: "follow"
        case .withdraw: "withdraw"
        case .resettle: "resettle"
        }
    }
}

extension Decision {
    /// `state -> effect`
    var words: String { "\(delivery.state.words) -> \(effect?.words ?? "none")" }
}
