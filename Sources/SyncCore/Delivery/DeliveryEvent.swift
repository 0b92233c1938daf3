/// What has happened to a delivery: facts, in the past.
public enum DeliveryEvent: Hashable, Sendable {
    /// A runner took it up: it is due, or the program was started again.
    case resumed
    /// Its content is known, and the queue said how that stands to everything else.
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
    /// Its ctime alone has moved since it settled: its mode, its owner or its names have changed, or somebody has put
    /// its mtime back. The observation is the present one. Found out before anything that was read under it was used.
    ///
    /// - Parameter hasSettled: whether a look found it with this observation and nobody writing, or the queue has
    ///   accepted it since.
    case sourceTouched(FileObservation, hasSettled: Bool)
    /// The file has fewer or more bytes than its size says, and does not change. In words for people.
    case sourceMisreported(String)
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
