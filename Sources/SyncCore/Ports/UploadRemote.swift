/// Redivis and its storage host. Every answer is classified here, at the edge; nobody above sees a status code.
///
/// All methods throw `Failure` only; every kind of trouble that api.md knows has its place in `Failure.Kind`.
/// No method repeats a request by itself, except for a GET whose pooled connection was already closed.
public protocol UploadRemote: Sendable {
    /// `GET` of dataset and table: what Redivis calls the table, whether a version is open, which were released.
    func table(_ reference: TableReference) async throws(Failure) -> RemoteTable

    /// Opens the next version where none is; that another agent was faster is no failure (api.md 3).
    func openVersion(of reference: TableReference) async throws(Failure)

    /// One page of a table's uploads in one version, in the server's order. A version in which the table does not
    /// exist has none.
    func uploads(
        of reference: TableReference, in version: TableVersion, page: String?
    ) async throws(Failure) -> UploadPage

    /// One upload by the uri that the server gave; `nil` where there is none (404). It may stand elsewhere by now: a
    /// release moves uploads, and what their uri is then is not documented.
    func upload(uri: String) async throws(Failure) -> RemoteUpload?

    /// The upload that the address made of `name` leads to in one version (api.md 7.5); `nil` where there is none
    /// (404). Of several uploads of one name the server chooses one, and names that it folds together share an address,
    /// so the caller compares the name. A copy that the server renamed is not found this way.
    func upload(
        named name: String, of reference: TableReference, in version: TableVersion
    ) async throws(Failure) -> RemoteUpload?

    /// Opens a session by the given endpoint. An orphan that a lost answer leaves behind expires by itself.
    ///
    /// - Throws: `endpointMissing` where the endpoint answers 404, 405 or 410 while the table answers 200.
    func openSession(_ request: SessionRequest) async throws(Failure) -> UploadSession

    /// `PUT` of `range` with `Content-Range: bytes a-b/total` (or the whole file for `transport: .whole`).
    func send(
        _ body: SourceSlices, range: Range<Int64>, total: Int64, to session: UploadSession
    ) async throws(Failure) -> TransferAnswer

    /// Empty `PUT` with `Content-Range: bytes */total`; for a file of 0 bytes this also finishes it.
    func status(of session: UploadSession, total: Int64) async throws(Failure) -> TransferAnswer

    /// `POST …/uploads` with the id of a finished session, or with the file itself.
    ///
    /// - Throws: `ambiguous` where a byte may have left and no clear answer came (5xx, 408 and answers that cannot be
    ///   read included); `transient` only where nothing was sent; `conflict` where the name is taken.
    func register(_ request: RegistrationRequest) async throws(Failure) -> RemoteUpload

    /// `DELETE` of an upload by the uri that the server gave. 404 counts as done.
    func withdraw(uri: String) async throws(Failure)
}

public struct RemoteTable: Hashable, Sendable {
    public let key: TableKey
    /// Whether an unreleased version is open, so that uploads can be registered.
    public let hasDraft: Bool
    /// Ascending.
    public let released: [VersionTag]
    /// `append` or `replace`, where told.
    public let mergeStrategy: String?

    public init(key: TableKey, hasDraft: Bool, released: [VersionTag], mergeStrategy: String?) {
        self.key = key
        self.hasDraft = hasDraft
        self.released = released
        self.mergeStrategy = mergeStrategy
    }
}

public struct UploadPage: Hashable, Sendable {
    public let uploads: [RemoteUpload]
    /// `nil` at the end.
    public let nextPage: String?

    public init(uploads: [RemoteUpload], nextPage: String?) {
        self.uploads = uploads
        self.nextPage = nextPage
    }
}

public struct SessionRequest: Hashable, Sendable {
    public let table: TableReference
    public let endpoint: Endpoint
    /// In bytes.
    public let size: Int64
    /// What the upload is to be called, as far as it is known before the content is (temp_uploads asks for one).
    public let name: String
    public let now: Timestamp

    public init(table: TableReference, endpoint: Endpoint, size: Int64, name: String, now: Timestamp) {
        self.table = table
        self.endpoint = endpoint
        self.size = size
        self.name = name
        self.now = now
    }
}

public struct TransferAnswer: Hashable, Sendable {
    public let reply: TransferReply
    /// The answer's `Date`.
    public let serverTime: Timestamp?

    public init(reply: TransferReply, serverTime: Timestamp?) {
        self.reply = reply
        self.serverTime = serverTime
    }
}

public struct RegistrationRequest: Hashable, Sendable {
    public enum Content: Hashable, Sendable {
        /// What a finished session holds.
        case session(UploadSession)
        /// The bytes themselves.
        case inline([UInt8])
    }

    public let table: TableReference
    public let name: String
    public let content: Content
    public let format: UploadFormat

    public init(table: TableReference, name: String, content: Content, format: UploadFormat) {
        self.table = table
        self.name = name
        self.content = content
        self.format = format
    }
}
