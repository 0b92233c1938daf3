import NIOHTTP1
import SyncCore

extension RedivisRemote {
    public func register(_ request: RegistrationRequest) async throws(Failure) -> RemoteUpload {
        let answers = RegistrationAnswers(
            name: request.name, now: wallClock(),
            secrets: Secrets.spellings(token: token(), session: WebAddress(request.session.url.revealed)),
            tokenScope: tokenScope)
        let address = apiAddress("\(Self.tablePath(request.table.draftText))/uploads")
        let body = try WebRequest.Body.json(encoding: RegistrationBody(request))
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
        let (session, format) = (request.session, request.format)
        name = request.name
        switch session.endpoint {
        case .resumableUpload: (resumableUploadId, tempUploadId) = (session.uploadID, nil)
        case .tempUploads: (resumableUploadId, tempUploadId) = (nil, session.uploadID)
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
