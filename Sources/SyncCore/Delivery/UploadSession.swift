/// A resumable upload as Redivis opened it. The URL is a bearer secret.
public struct UploadSession: Hashable, Codable, Sendable {
    public enum Transport: String, Codable, Sendable {
        /// Chunks with `Content-Range`; the server tells its offset.
        case resumable
        /// One `PUT` of the whole file; nothing to ask, a repeated PUT overwrites (api.md 5.3).
        case whole
    }

    public let endpoint: Endpoint
    public let transport: Transport
    /// What a registration names: `resumableUploadId` or `tempUploadId`.
    public let uploadID: String
    public let url: Secret
    /// Our wall clock when it was opened.
    public let openedAt: Timestamp
    /// The server's `Date` when it was opened, where it told one.
    public let openedAtServer: Timestamp?

    public init(
        endpoint: Endpoint, transport: Transport, uploadID: String, url: Secret, openedAt: Timestamp,
        openedAtServer: Timestamp?
    ) {
        self.endpoint = endpoint
        self.transport = transport
        self.uploadID = uploadID
        self.url = url
        self.openedAt = openedAt
        self.openedAtServer = openedAtServer
    }

    /// "Resumable uploads expire after 24 hours" (the documentation page of the resumable upload).
    public static let lifetime: Duration = .seconds(24 * 3600)

    /// Whether either clock says that 24 hours have passed. A clock that has stepped back past the opening also
    /// counts: how old the session is cannot be known then, and a needless new one costs bytes, never rows.
    public func isExpired(at now: Timestamp, serverTime: Timestamp?) -> Bool {
        let ours = now.since(openedAt)
        if ours >= Self.lifetime || ours < .seconds(-300) { return true }
        guard let openedAtServer, let serverTime else { return false }
        return serverTime.since(openedAtServer) >= Self.lifetime
    }
}

/// How far a transfer has come, by the server's word.
public struct TransferProgress: Hashable, Codable, Sendable {
    /// The bytes that the server says it has.
    public let confirmed: Int64
    /// What those bytes hash to, where we hashed them while sending. `nil` or shorter than `confirmed` where a
    /// crash lost the proof of the tail; then only the digest that Redivis reports can prove the whole.
    public let prefix: PrefixDigest?
    /// Whether some confirmed byte was never covered by our running hash at the moment it was sent.
    public let hasUnprovenBytes: Bool
    /// The MD5 of the finished object, where the storage host told it.
    public let storedMD5: Digest?

    public init(confirmed: Int64, prefix: PrefixDigest?, hasUnprovenBytes: Bool, storedMD5: Digest? = nil) {
        self.confirmed = confirmed
        self.prefix = prefix
        self.hasUnprovenBytes = hasUnprovenBytes
        self.storedMD5 = storedMD5
    }

    public static let none = TransferProgress(confirmed: 0, prefix: nil, hasUnprovenBytes: false)
}

/// What the storage host said to a chunk or to a status query (api.md 6.3).
public enum TransferReply: Hashable, Codable, Sendable {
    /// 308, or 200 with `X-HTTP-Status-Code-Override: 308`: bytes 0 ..< n are kept. `nil`: no `Range` header.
    case stored(Int64?)
    /// 200 or 201 without override: finished. With the size and MD5 that the reply told, where it did.
    case finished(size: Int64?, md5: Digest?)
}

/// A finished session: bytes that wait to be registered.
public struct TransferredObject: Hashable, Codable, Sendable {
    public let session: UploadSession
    /// Whether Redivis must report a matching MD5 before this counts as delivered, whatever the mapping says:
    /// some byte was sent by a run of the program that did not live to record its hash.
    public let needsReportedDigest: Bool

    public init(session: UploadSession, needsReportedDigest: Bool) {
        self.session = session
        self.needsReportedDigest = needsReportedDigest
    }
}
