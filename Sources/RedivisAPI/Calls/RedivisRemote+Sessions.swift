import FoundationEssentials
import NIOHTTP1
import SyncCore

extension RedivisRemote {
    public func openSession(_ request: SessionRequest) async throws(Failure) -> UploadSession {
        switch request.endpoint {
        case .resumableUpload: try await openResumableUpload(request)
        case .tempUploads: try await openTempUpload(request)
        }
    }

    /// `POST …/resumableUpload?size=N` without a body: the documented way.
    private func openResumableUpload(_ request: SessionRequest) async throws(Failure) -> UploadSession {
        let path = "\(Self.tablePath(request.table.draftText))/resumableUpload"
        let address = apiAddress(path, query: [("size", String(request.size))])
        let (answer, opened) = try await open(ResumableUploadResource.self, at: address, body: .empty, request)
        return UploadSession(
            endpoint: .resumableUpload, transport: .resumable, uploadID: opened.id.value,
            url: try sessionSecret(opened.url), openedAt: request.now, openedAtServer: answer.serverTime)
    }

    /// `POST …/tempUploads`, and where that says `resumable`, `POST url`, whose `Location` is the session: what the
    /// vendor's clients do.
    private func openTempUpload(_ request: SessionRequest) async throws(Failure) -> UploadSession {
        struct Body: Encodable {
            struct Entry: Encodable { let name: String, resumable: Bool, size: Int64 }
            let tempUploads: [Entry]
        }
        let entry = Body.Entry(name: request.name, resumable: request.size > 0, size: request.size)
        let address = apiAddress("\(Self.tablePath(request.table.draftText))/tempUploads")
        let (answer, opened) = try await open(
            Page<TempUploadResource>.self, at: address, body: try .json(encoding: Body(tempUploads: [entry])), request)
        guard let first = opened.results.first else {
            throw Failure(.rejected, "\(Self.asked(request)): Redivis answered with no upload")
        }
        let url = try sessionSecret(first.url)
        // What it answers counts, not what was asked for.
        let isResumable = first.resumable ?? (request.size > 0)
        return UploadSession(
            endpoint: .tempUploads, transport: isResumable ? .resumable : .whole, uploadID: first.id.value,
            url: isResumable ? try await start(url, request) : url, openedAt: request.now,
            openedAtServer: answer.serverTime)
    }

    private static func asked(_ request: SessionRequest) -> String { "opening an upload to \(request.table.text)" }

    /// - Throws: `endpointMissing` where the endpoint is not there though the table is.
    private func open<Value: Decodable>(
        _ type: Value.Type, at address: WebAddress, body: WebRequest.Body, _ request: SessionRequest
    ) async throws(Failure) -> (WebAnswer, Value) {
        let answers = answers(Self.asked(request))
        let answer = try await repeatable(.POST, address, body: body, answers)
        if [404, 405, 410].contains(answer.status) {
            _ = try await tableResource(request.table, as: request.table.draftText)
            throw Failure(
                .endpointMissing, scope: .agent,
                "\(answers.asked): Redivis has no \(request.endpoint.rawValue) (\(answer.status)), though the table is there",
                hint: "leave `endpoint: auto`, or set the other one")
        }
        do throws(Failure) {
            return (answer, try answers.read(type, from: answer))
        } catch  where error.kind == .transient && (200...299).contains(answer.status) && !answer.isWebPage {
            // Something in between may have spoilt this one; where every answer is like it, the gate of the host closes.
            throw Failure(
                .transient, "\(answers.asked): the answer (\(answer.status)) tells no upload id and address",
                hint: "if that lasts, this program may be too old for this Redivis")
        }
    }

    /// Begins the resumable session of a temp upload.
    private func start(_ url: Secret, _ request: SessionRequest) async throws(Failure) -> Secret {
        let address = try sessionAddress(url)
        let fields = [("x-upload-content-length", String(request.size)), ("x-goog-resumable", "start")]
        let web = WebRequest(method: .POST, address: address, fields: try self.fields(for: address) + fields)
        let answer = try await toStorage(web)
        guard answer.status == 200 || answer.status == 201, !answer.isWebPage,
            let location = answer.fields.one("location"), let session = address.resolving(location)
        else {
            // Any other answer is read as one to a chunk; a success without an address is none.
            _ = try storageAnswers(.resumable, address).read(answer)
            throw Failure(.transient, "\(Self.asked(request)): the storage host told no session address")
        }
        return try sessionSecret(session.text)
    }

    // MARK: Session addresses

    /// - Throws: `rejected` for an address that bytes may not go to.
    private func sessionSecret(_ text: String) throws(Failure) -> Secret {
        guard let address = text.hasPrefix("/") ? base.resolving(text) : WebAddress(text),
            address.isPrivate(namedBy: base)
        else {
            throw Failure(
                .rejected, scope: .destination, "Redivis gave an upload address that is not https, or of this machine",
                hint: "nothing was sent there; tell Redivis's support")
        }
        return Secret(address.text)
    }

    func sessionAddress(_ url: Secret) throws(Failure) -> WebAddress {
        guard let address = WebAddress(url.revealed), address.isPrivate(namedBy: base) else {
            throw Failure(.sessionLost, "the stored address of the upload session cannot be used")
        }
        return address
    }
}
