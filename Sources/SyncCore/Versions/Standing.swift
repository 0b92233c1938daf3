/// How a content that has just become known stands to what the queue and the table know. Decided by
/// `Versions.reconcile`; what it changes is written in the transaction that found it.
public enum Standing: Hashable, Codable, Sendable {
    /// New here: to be sent.
    case alone
    /// This path now belongs to that delivery (a touch, a move, a hard link, a content that returned); this row ends.
    case joined(DeliveryID)
    /// Another row has to end, or to be read, before it can be told: wait for it.
    case behind(DeliveryID)
    /// An older content of this path is delivered: `on_change` decides.
    case successor(DeliveryID)
    /// The table has this content under our name, or `existing: auto` says so: this upload is this file.
    case adopts(RemoteUpload)
    /// Judged under `existing: auto`: a person chooses.
    case strange(HoldReason)
}

/// What `Versions.reconcile` says of one content.
public struct Reconciliation: Hashable, Sendable {
    public let standing: Standing
    /// In the order in which they are applied.
    public let moves: [VersionMove]

    init(_ standing: Standing, _ moves: [VersionMove] = []) {
        self.standing = standing
        self.moves = moves
    }
}

/// A change of the queue's rows that follows from what has become known of one of them, the subject.
public enum VersionMove: Hashable, Sendable {
    /// Writes a state over a row from outside of its runner, whose copy is stale from then on.
    case set(DeliveryID, DeliveryState, resetsTally: Bool, note: String)
    /// Gives a version the path of the subject, and the subject's observation where the file is yet to be read there.
    case move(DeliveryID, takesObservation: Bool)
    /// The subject's path belongs to this version from now on.
    case assignPath(to: DeliveryID)
    /// The path of this version belongs to the subject from now on.
    case takePath(of: DeliveryID)
    /// The subject had no content of its own yet: its journal goes on in that of `into`, and its row is deleted.
    case absorb(into: DeliveryID, note: String)
    /// The content, its upload name and its table become the subject's own.
    case writeContent
    /// Notes that the upload belongs to the subject, and to no other file.
    case adopt(RemoteUpload)
}
