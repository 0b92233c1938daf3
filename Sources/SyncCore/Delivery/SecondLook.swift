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

/// An upload that was met where it may be ours.
public struct MetUpload: Hashable, Sendable {
    public let version: TableVersion
    public let upload: RemoteUpload

    public init(_ upload: RemoteUpload, in version: TableVersion) {
        self.upload = upload
        self.version = version
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

/// What a second look asks for.
public struct TwinVerdict: Hashable, Sendable {
    /// To be taken off the draft.
    public var superfluous: [MetUpload] = []
    /// In a released version, so that they cannot be.
    public var released: [MetUpload] = []

    public init() {}
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
    /// A twin that stands is looked for every day, until a person has removed it.
    public func next(after now: Timestamp, doubt: Duration, standing: Bool) -> Timestamp? {
        if standing { return now.advanced(by: Self.longestPause) }
        guard now < until else { return nil }
        let next = now.advanced(by: pause(doubt: doubt))
        return next < until ? next : until
    }

    /// Of all that bears this delivery's name or tag one stays: what is released, since that stays anyway; else the
    /// upload that we follow or have a receipt for.
    ///
    /// - Parameter met: in any order. Nothing is decided before the delivery has a registration of its own: until then
    ///   the look-up that goes before every post decides.
    public func verdict(on met: [MetUpload]) -> TwinVerdict {
        guard let uri = ownURI, met.count > 1 else { return TwinVerdict() }
        let kept = met.min { Self.rank($0, uri) < Self.rank($1, uri) }
        var verdict = TwinVerdict()
        for other in met where other != kept {
            switch other.version {
            case .draft: verdict.superfluous.append(other)
            case .released: verdict.released.append(other)
            }
        }
        return verdict
    }

    private static func rank(_ met: MetUpload, _ uri: String) -> (Int, Int, String) {
        let isReleased = if case .released = met.version { true } else { false }
        let hasFailed = if case .failed = met.upload.status { true } else { false }
        return (hasFailed ? 2 : isReleased ? 0 : 1, met.upload.uri == uri ? 0 : 1, met.upload.uri)
    }

    private var ownURI: String? {
        switch delivery.state {
        case .working(.importing(let registration)), .waiting(.importing(let registration), _): registration.uri
        case .delivered(let receipt): receipt.uri
        case .working, .waiting, .held, .parked, .abandoned: nil
        }
    }
}
