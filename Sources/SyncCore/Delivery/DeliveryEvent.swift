/// What has happened to a delivery: facts, in the past.
public enum DeliveryEvent: Hashable, Sendable {
    /// A runner took it up: it is due, or the program was started again.
    case resumed
    /// The whole file was read, and the queue said how its content stands to what it knows.
    case examined(Content, Standing)
    case sessionOpened(UploadSession)
    /// `sent` is the range that the reply answers; `prefix` the running hash at the reply's offset, where known.
    case chunkAnswered(TransferReply, sent: Range<Int64>, prefix: PrefixDigest?, serverTime: Timestamp?)
    case statusAnswered(TransferReply, prefix: PrefixDigest?, serverTime: Timestamp?)
    /// The bytes were settled: all sent, source unchanged. `isProven`: our hash covers each byte as it was sent.
    case concluded(Content, isProven: Bool)
    case registrationFound(RemoteUpload, newestReleased: VersionTag?)
    case registrationAbsent(LookUpReport)
    /// The state database does not remember the table's past: nothing may be posted before that instant.
    case postingGated(until: MonotonicInstant)
    case registered(RemoteUpload)
    case importReported(RemoteUpload)
    /// The upload is on no version of the table any more.
    case importVanished
    case registrationWithdrawn
    /// It was registered more than once, and this is the upload that every agent keeps.
    case keptInstead(RemoteUpload, newestReleased: VersionTag?)
    /// None of its uploads is on the table any more, and its doubt is over.
    case uploadLost
    case effectFailed(Failure)
    /// The file is not what settled any more, or its sent prefix is not what was sent.
    case sourceChanged
    case sourceGone
    case byHand(HandDecision)
}

/// What a person asked for.
public enum HandDecision: Hashable, Codable, Sendable {
    case retryRequested
    case forgotten
    case resolved(Resolution)
}

/// How a person decides about a held file.
public enum Resolution: String, CaseIterable, Codable, Sendable { case add, ignore }

/// How a content that has just become known stands to what the queue and the table know. Found, and where it needs
/// writing written, in one transaction of the queue.
public enum Standing: Hashable, Codable, Sendable {
    /// New here: to be sent.
    case alone
    /// This path now belongs to that delivery (a touch, a move, a hard link, a content that returned); this row ends.
    case joined(DeliveryID)
    /// An older content of this path is between post and end of import: wait for it.
    case behind(DeliveryID)
    /// An older content of this path is delivered: `on_change` decides.
    case successor(DeliveryID)
    /// Judged under `existing: auto`: this upload is this file.
    case adopts(RemoteUpload)
    /// Judged under `existing: auto`: a person chooses.
    case strange(HoldReason)
}
