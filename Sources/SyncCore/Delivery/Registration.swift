/// Where a registration takes its bytes from.
public enum RegistrationSource: Hashable, Sendable {
    /// They are on the storage host.
    case session(TransferredObject)
    /// They travel inside the request itself (api.md 7.3): there is no session, and nothing to expire.
    case inline
}

extension RegistrationSource: Codable {
    private enum CodingKeys: String, CodingKey { case isInline }

    /// A finished session stands there bare, as it did before there was another source.
    public init(from decoder: any Decoder) throws {
        let isInline = try decoder.container(keyedBy: CodingKeys.self).decodeIfPresent(Bool.self, forKey: .isInline)
        self = isInline == true ? .inline : .session(try TransferredObject(from: decoder))
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .session(let object):
            try object.encode(to: encoder)
        case .inline:
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(true, forKey: .isInline)
        }
    }
}

/// One try to register: saved before its request leaves.
public struct PostAttempt: Hashable, Codable, Sendable {
    /// From 1.
    public let number: Int
    /// The newest released version when the attempt began. After a doubt, the draft and every later version are
    /// looked through.
    public let newestReleased: VersionTag?
    public let begunAt: Timestamp

    public init(number: Int, newestReleased: VersionTag?, begunAt: Timestamp) {
        self.number = number
        self.newestReleased = newestReleased
        self.begunAt = begunAt
    }
}

extension PostAttempt {
    /// Several attempts as one: what either of them may have left is found where this one is looked for.
    func and(_ older: PostAttempt?) -> PostAttempt {
        guard let older else { return self }
        let oldest = newestReleased.flatMap { newest in older.newestReleased.map { min($0, newest) } }
        return PostAttempt(
            number: max(number, older.number), newestReleased: oldest, begunAt: min(begunAt, older.begunAt))
    }
}

/// Why the table's uploads are looked through.
public enum LookUp: Hashable, Codable, Sendable {
    /// Nothing was posted yet: the local index of the table's uploads is enough.
    case beforePost
    /// The answer to `attempt` was lost: the server is asked, until a look-up that begun after
    /// `connectionEnded` + `registration_doubt` has found nothing.
    case inDoubt(PostAttempt, connectionEnded: MonotonicInstant)
}

/// What a look-up that found nothing is worth.
public struct LookUpReport: Hashable, Codable, Sendable {
    /// When its first request was sent.
    public let begun: MonotonicInstant
    public let newestReleased: VersionTag?

    public init(begun: MonotonicInstant, newestReleased: VersionTag?) {
        self.begun = begun
        self.newestReleased = newestReleased
    }
}

/// An upload on the table that is ours.
public struct Registration: Hashable, Codable, Sendable {
    /// As the server wrote it; not to be encoded again.
    public var uri: String
    public let name: String
    /// The draft's newest released predecessor when it was registered: where to look if the draft gets released.
    public let newestReleased: VersionTag?
    public let registeredAt: Timestamp
    /// Whether it was found on the table and not posted by this state database.
    public let isAdopted: Bool
    /// By which endpoint its bytes went; `nil` for an adopted one, and for one whose bytes went inside the request.
    public let endpoint: Endpoint?
    /// See `TransferredObject.needsReportedDigest`.
    public let needsReportedDigest: Bool
    /// Reports of a completed import that did not tell what is needed to verify it, so far.
    public var incompleteReports: Int
    /// Whether it was looked for after an answer was lost, and found: another agent may have posted it. `nil`: no.
    public let isFound: Bool?

    public init(
        uri: String, name: String, newestReleased: VersionTag?, registeredAt: Timestamp, isAdopted: Bool,
        endpoint: Endpoint? = nil, needsReportedDigest: Bool = false, incompleteReports: Int = 0, isFound: Bool? = nil
    ) {
        self.uri = uri
        self.name = name
        self.newestReleased = newestReleased
        self.registeredAt = registeredAt
        self.isAdopted = isAdopted
        self.endpoint = endpoint
        self.needsReportedDigest = needsReportedDigest
        self.incompleteReports = incompleteReports
        self.isFound = isFound
    }
}

/// An upload as a table lists it.
public struct RemoteUpload: Hashable, Codable, Sendable {
    public enum Status: Hashable, Codable, Sendable {
        case inProgress
        case completed
        /// With Redivis's words.
        case failed(String)
    }

    public let uri: String
    public let name: String
    public let status: Status
    /// In bytes; `nil` until Redivis tells.
    public let size: Int64?
    public let md5: Digest?

    public init(uri: String, name: String, status: Status, size: Int64?, md5: Digest?) {
        self.uri = uri
        self.name = name
        self.status = status
        self.size = size
        self.md5 = md5
    }
}

/// Where an upload was found.
public enum TableVersion: Hashable, Codable, Sendable {
    case draft
    case released(VersionTag)
}

/// Why one of our own uploads is taken off the table again.
public enum Withdrawal: Hashable, Codable, Sendable {
    /// Its import failed, with Redivis's words.
    case importFailed(String)
    /// What Redivis has is not what we sent.
    case contentDiffers(String)
    /// The import ended and Redivis still tells no size: the upload id came to nothing.
    case sizeNeverTold
    /// It came back under another name, because ours was taken.
    case renamed(String)
}
