import Hummingbird
import NIOCore
import NIOPosix

/// One request at an upload URL.
struct StorageExchange {
    typealias Ending = SandboxResponder.Ending

    let core: SandboxCore

    /// What an upload URL names: `/upload/<session>` or `/temp/<transfer>`.
    enum Target {
        case session(ResumableSession?)
        case transfer(Transfer?)
    }

    func run(_ request: Request, _ entry: inout LogEntry) async throws -> Ending {
        let target = find(entry.path, request, &entry)
        let range = request.headers[values: .contentRange].map { ContentRange($0) }
        guard let kind = Self.kind(target, request, range) else {
            return .answer(
                StorageFailure(405, "MethodNotAllowed", "The method is not allowed against this resource.").answer)
        }
        entry.kind = kind
        entry.fault = core.fault(at: kind)
        let stage = FaultStage(entry.fault, now: core.clock.now(), refusal: Self.refusal)
        killSession(target, entry.fault?.action)
        if let ending = try await stage.before() { return ending }
        let draft = DraftStage(entry.fault, at: table(of: target).map { .key($0) }, core)
        await draft?.before(&entry)
        let ending: Ending
        do {
            try authorize(request)
            ending = try await carryOut(kind, target, range, request, &entry)
        } catch let failure as StorageFailure {
            ending = .answer(failure.answer)
        } catch let failure as FileFailure {
            ending = .answer(
                StorageFailure(500, "InternalError", "The sandbox cannot keep the bytes: \(failure)").answer)
        }
        if case .session(let session?) = target {
            entry.note("offset", .integer(session.stored))
        }
        await draft?.after(&entry)
        guard case .answer(let answer) = ending else { return ending }
        return try await stage.after(answer)
    }

    private static func refusal(_ failure: APIFailure) -> Answer {
        StorageFailure(failure.status, "InjectedFault", failure.message).answer
    }

    // MARK: Whom a request speaks to

    private func find(_ path: String, _ request: Request, _ entry: inout LogEntry) -> Target {
        let isSession = path.hasPrefix("/upload/")
        let id = String(path.dropFirst(isSession ? "/upload/".count : "/temp/".count))
        let query = APIRoute.query((request.head.path ?? "").drop { $0 != "?" }.dropFirst()) ?? []
        let secret = query.first { $0.name == (isSession ? "upload_id" : "signature") }?.value ?? ""
        let isRight = core.transfers.secrets.matches(secret, id: id)
        if isSession {
            let session = isRight ? core.transfers.session(id) : nil
            entry.note("session", .optional(session?.id))
            entry.note("upload", .optional(session?.uploadID))
            return .session(session)
        }
        let transfer = isRight ? core.transfers.transfer(id) : nil
        entry.note("upload", .optional(transfer?.id))
        return .transfer(transfer)
    }

    private static func kind(_ target: Target, _ request: Request, _ ranges: [ContentRange?]) -> RequestClass? {
        switch (target, request.method) {
        case (.session, .put):
            if case .query = ranges.first ?? nil { return .queryStatus }
            return .putChunk
        case (.session, .delete): return .deleteSession
        case (.transfer, .post): return .startSession
        case (.transfer, .put): return .putWhole
        default: return nil
        }
    }

    private func authorize(_ request: Request) throws {
        let hasToken = request.headers[.authorization] != nil
        switch core.switches.storageToken {
        case .record: return
        case .refuse:
            if hasToken {
                throw StorageFailure(400, "InvalidArgument", "An upload URL needs no Authorization, and got one.")
            }
        case .require:
            guard let header = request.headers[.authorization], case .full = Bearer(header, core.configuration) else {
                throw StorageFailure(401, "AuthenticationRequired", "Authentication required.")
            }
        }
    }

    /// The table that the bytes are for, as `datasetID.tableID`.
    private func table(of target: Target) -> String? {
        switch target {
        case .session(let session): session.flatMap { core.transfers.transfer($0.uploadID) }?.table
        case .transfer(let transfer): transfer?.table
        }
    }

    /// The statuses that mean the end of a session do end it.
    private func killSession(_ target: Target, _ action: SandboxFault.Action?) {
        guard case .session(let session?) = target, case .request(.status(let status, _, once: false, _)) = action,
            [404, 410, 499].contains(status)
        else { return }
        session.kill(status: status)
        try? core.transfers.note(session)
    }

    private func carryOut(
        _ kind: RequestClass, _ target: Target, _ ranges: [ContentRange?], _ request: Request, _ entry: inout LogEntry
    ) async throws -> Ending {
        switch target {
        case .session(nil): throw StorageFailure(404, "NoSuchUpload", "The requested upload was not found.")
        case .transfer(nil): throw StorageFailure(403, "SignatureDoesNotMatch", "The URL's signature is not valid.")
        case .session(let session?):
            if kind == .deleteSession {
                try session.cancel()
                try core.transfers.note(session)
                return .answer(Answer(status: 499))
            }
            return try await SessionPut(core: core, session: session).run(ranges, request, &entry)
        case .transfer(let transfer?):
            let put = TransferPut(core: core, transfer: transfer)
            return kind == .startSession
                ? try await put.start(request, &entry) : try await put.whole(ranges.isEmpty, request, &entry)
        }
    }
}

/// The length of a body as the headers announce it.
enum BodyLength {
    /// Nil for a chunked body. Throws 411 where nothing is announced, 400 where it cannot be read.
    static func announced(_ request: Request) throws(StorageFailure) -> Int64? {
        if let text = request.headers[.contentLength] {
            guard let length = ContentRange.digits(text) else {
                throw StorageFailure(400, "InvalidArgument", "Content-Length is not a number.")
            }
            return length
        }
        guard request.headers[.transferEncoding] != nil else {
            throw StorageFailure(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        }
        return nil
    }
}
