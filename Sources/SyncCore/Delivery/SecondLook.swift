/// A delivery that was posted again because its first request was lost. That request may be carried out after all,
/// later than `registration_doubt` allows for, and then the table has the file twice: so the table is looked through
/// again, until nothing of that session can be registered any more.
public struct SecondLook: Hashable, Sendable {
    public let delivery: Delivery
    /// When it was posted again: the draft and every later version are looked through.
    public let newestReleased: VersionTag?
    /// From then on the upload id is dead, so that no late request can register it.
    public let until: Timestamp
    /// How many looks there were.
    public let looks: Int

    public init(delivery: Delivery, newestReleased: VersionTag?, until: Timestamp, looks: Int) {
        self.delivery = delivery
        self.newestReleased = newestReleased
        self.until = until
        self.looks = looks
    }
}

/// A second upload of one file version, and what became of it.
public struct Twin: Hashable, Sendable {
    public enum Fate: Hashable, Sendable {
        case removed
        /// Its rows are in the table twice, and only a person can change that.
        case stands(String)
    }

    public let upload: RemoteUpload
    public let version: TableVersion
    public let fate: Fate

    public init(upload: RemoteUpload, version: TableVersion, fate: Fate) {
        self.upload = upload
        self.version = version
        self.fate = fate
    }
}

extension Delivery {
    /// The session and the attempt of a registration that is posted though an earlier one of this file was lost, and may
    /// yet be carried out: it is to be looked for again.
    public var secondPost: (object: TransferredObject, attempt: PostAttempt)? {
        guard case .working(.posting(.session(let object), let attempt)) = state,
            attempt.number > 1 || tally.leftInline == .lost
        else { return nil }
        return (object, attempt)
    }
}

extension SecondLook {
    static let longestPause: Duration = .seconds(24 * 3600)

    /// How long after this look the next one comes: a request that is late by minutes is found within as many.
    public func pause(doubt: Duration) -> Duration {
        min(max(doubt, .seconds(1)) * (1 << min(looks, 20)), Self.longestPause)
    }

    /// When to look again after a look that began at `now`; `nil` where that was the last one.
    ///
    /// - Parameter standing: the twins that stay. One in the draft may be let go of the next time; what is released is
    ///   looked for every day, until a person has removed it.
    public func next(after now: Timestamp, doubt: Duration, standing: [Twin] = []) -> Timestamp? {
        if standing.contains(where: { $0.version == .draft }) { return now.advanced(by: pause(doubt: doubt)) }
        guard standing.isEmpty else { return now.advanced(by: Self.longestPause) }
        guard now < until else { return nil }
        let next = now.advanced(by: pause(doubt: doubt))
        return next < until ? next : until
    }

    /// What a look has found: which upload is this delivery's from now on.
    public enum Binding: Hashable, Sendable {
        case stays
        /// To the one that every agent keeps.
        case moves(to: MetUpload)
        /// None of its uploads is left.
        case lost
    }

    /// Nothing is decided before the delivery has a registration of its own: until then the look-up that goes before
    /// every post decides.
    ///
    /// - Parameter met: all that bears this delivery's name or tag, in any order.
    public func verdict(on met: [MetUpload]) -> DuplicateVerdict {
        ownURI == nil ? DuplicateVerdict() : Duplicates.keep(met)
    }

    public func binding(_ verdict: DuplicateVerdict) -> Binding {
        guard let uri = ownURI else { return .stays }
        let isThere = ([verdict.kept].compactMap { $0 } + verdict.superfluous + verdict.released)
            .contains { $0.upload.uri == uri }
        guard let kept = verdict.kept, !kept.upload.hasFailed else { return isThere ? .stays : .lost }
        return kept.upload.uri == uri ? .stays : .moves(to: kept)
    }

    public var ownURI: String? { delivery.ownURI }

    /// Uploads that bear its tag and do not count. They may be a person's, so they stay and are told.
    public func strangers(among listed: [MetUpload]) -> [Twin] {
        listed.filter { !isOurs($0.upload) }.map { met in
            Twin(
                upload: met.upload, version: met.version,
                fate: .stands("it bears this file's tag and holds another content, so it may be somebody else's"))
        }
    }

    /// Whether an upload with the name's tag counts: not one whose import has ended with another content. Whoever
    /// registered that takes it off, or it is somebody else's.
    public func isOurs(_ upload: RemoteUpload) -> Bool {
        upload.status != .completed || upload.uri == ownURI || delivery.content == nil || delivery.fits(upload)
    }
}

extension Delivery {
    /// The upload that it follows, or has a receipt for.
    public var ownURI: String? {
        switch state {
        case .working(.importing(let registration)), .waiting(.importing(let registration), _): registration.uri
        case .delivered(let receipt): receipt.uri
        case .working, .waiting, .held, .parked, .abandoned: nil
        }
    }
}
