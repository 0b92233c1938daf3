import NIOHTTP1
import SyncCore

extension RedivisRemote {
    public func register(_ request: RegistrationRequest) async throws(Failure) -> RemoteUpload {
        let answers = RegistrationAnswers(
            name: request.name, now: wallClock(),
            secrets: Secrets.spellings(token: token(), session: request.sessionAddress),
            tokenScope: tokenScope)
        let address = apiAddress("\(Self.tablePath(request.table.draftText))/uploads")
        let body = try request.body()
        let answer: WebAnswer
        do throws(SendTrouble) {
            answer = try await call(.POST, address, body: body)
        } catch {
            switch error {
            case .transport(let trouble): throw answers.failure(trouble)
            case .failure(let failure): throw failure
            }
        }
        return try answers.read(answer)
    }
}

extension RegistrationRequest {
    fileprivate var sessionAddress: WebAddress? {
        switch content {
        case .session(let session): WebAddress(session.url.revealed)
        case .inline: nil
        }
    }

    fileprivate func body() throws(Failure) -> WebRequest.Body {
        let metadata = RegistrationBody(self)
        switch content {
        case .session: return try .json(encoding: metadata)
        case .inline(let bytes): return try .form(metadata: metadata, file: bytes)
        }
    }
}

/// The upload as it is posted (api.md 7.1). Keys that the mapping does not set are left out, so that Redivis's own
/// defaults hold; the vendor's client writes `null` for most of them.
private struct RegistrationBody: Encodable {
    let name: String
    let resumableUploadId: String?
    let tempUploadId: String?
    let type: String?
    let delimiter: String?
    let hasHeaderRow: Bool?
    let quoteCharacter: String?
    let escapeCharacter: String?
    let hasQuotedNewlines: Bool?
    let allowJaggedRows: Bool?
    let skipBadRecords: Bool?
    let nullMarkers: [String]?

    init(_ request: RegistrationRequest) {
        let format = request.format
        name = request.name
        switch request.content {
        case .session(let session):
            switch session.endpoint {
            case .resumableUpload: (resumableUploadId, tempUploadId) = (session.uploadID, nil)
            case .tempUploads: (resumableUploadId, tempUploadId) = (nil, session.uploadID)
            }
        case .inline:
            (resumableUploadId, tempUploadId) = (nil, nil)
        }
        type = format.type
        delimiter = format.delimiter
        hasHeaderRow = format.hasHeaderRow
        quoteCharacter = format.quoteCharacter
        escapeCharacter = format.escapeCharacter
        hasQuotedNewlines = format.hasQuotedNewlines
        allowJaggedRows = format.allowJaggedRows
        skipBadRecords = format.skipBadRecords
        nullMarkers = format.nullMarkers
    }
}
