import Hummingbird
import NIOCore

/// One request at the API's origin.
struct APIExchange {
    typealias Ending = SandboxResponder.Ending

    let core: SandboxCore

    func run(_ request: Request, _ entry: inout LogEntry) async throws -> Ending {
        let isHead = request.method == .head
        let match: APIRoute.Match
        switch APIRoute.find(method: request.method.rawValue, path: entry.path) {
        case .match(let found): match = found
        case .notFound: return refuse(.notFound(entry.path), isHead)
        case .methodNotAllowed:
            return refuse(APIFailure(405, "method_not_allowed", "\(entry.method) is not allowed here."), isHead)
        case .malformed: return refuse(.invalid("The path has a broken escape."), isHead)
        }
        entry.kind = match.kind
        entry.fault = core.fault(at: match.kind)
        let stage = FaultStage(entry.fault, now: core.clock.now()) { refusal($0, isHead) }
        if let ending = try await stage.before() { return ending }
        let draft = DraftStage(entry.fault, at: .reference(match.reference), core)
        await draft?.before(&entry)
        let limit = core.rate.take(now: core.clock.now())
        var answer: Answer
        do {
            if let seconds = limit.retryAfter {
                answer = refusal(APIFailure(429, "rate_limited", "Too many requests."), isHead)
                    .with("Retry-After", String(seconds))
            } else {
                try authorize(request, match.kind)
                guard let call = try await call(request, match, &entry) else { return .reset }
                if case .request(.late(let milliseconds)) = entry.fault?.action {
                    carryOut(call, after: milliseconds, entry)
                    return .handedOver
                }
                answer = try await core.catalog.answer(call)
                if !answer.showsFault { entry.fault = nil }
            }
        } catch let failure as APIFailure {
            answer = refusal(failure, isHead)
        }
        answer = answer.with("X-RateLimit-Limit", String(limit.limit))
            .with("X-RateLimit-Remaining", String(limit.remaining))
        if let reset = limit.reset { answer = answer.with("X-RateLimit-Reset", String(reset)) }
        if core.configuration.requestsPerMinute != nil { entry.note("remaining", .integer(Int64(limit.remaining))) }
        await draft?.after(&entry)
        return try await stage.after(answer)
    }

    private func refusal(_ failure: APIFailure, _ isHead: Bool) -> Answer {
        failure.answer(core.switches.errorFormat, isHead: isHead)
    }

    private func refuse(_ failure: APIFailure, _ isHead: Bool) -> Ending { .answer(refusal(failure, isHead)) }

    private func authorize(_ request: Request, _ kind: RequestClass) throws(APIFailure) {
        guard let header = request.headers[.authorization] else {
            throw APIFailure(401, "unauthorized", "No credentials were provided.")
        }
        switch Bearer(header, core.configuration) {
        case .full: return
        case .readOnly:
            guard !kind.isWrite else {
                throw APIFailure(
                    403, "insufficient_scope", "The access token lacks the scope data.edit.",
                    extra: [.init(key: "scope", value: "data.edit")])
            }
        case .other: throw APIFailure(401, "invalid_token", "The access token is not valid.")
        }
    }

    /// - Returns: `nil` where a fault breaks the connection off in the midst of the body.
    private func call(
        _ request: Request, _ match: APIRoute.Match, _ entry: inout LogEntry
    ) async throws -> APICall? {
        guard let query = APIRoute.query((request.head.path ?? "").drop { $0 != "?" }.dropFirst()) else {
            throw APIFailure.invalid("The query has a broken escape.")
        }
        // Multipart framing comes on top of the documented limit for inline files.
        let largest = match.kind == .postUploads ? RegistrationRequest.largestInline + (1 << 20) : 4 << 20
        var limit = Int64.max
        if case .request(.resetAt(let count)) = entry.fault?.action { limit = count }
        var body = ByteBuffer()
        for try await var piece in request.body {
            entry.bytes += Int64(piece.readableBytes)
            guard body.readableBytes + piece.readableBytes <= largest else {
                throw APIFailure(413, "too_large", "The request body is larger than \(largest) bytes.")
            }
            body.writeBuffer(&piece)
            if entry.bytes >= limit { return nil }
        }
        if let announced = request.headers[.contentLength], ContentRange.digits(announced) != entry.bytes {
            throw DroppedBody()
        }
        return APICall(
            kind: match.kind, reference: match.reference, item: match.item, query: query,
            isHead: request.method == .head, contentType: request.headers[.contentType],
            body: body.readBytes(length: body.readableBytes) ?? [], fault: entry.fault?.action)
    }

    /// What makes a lost reply dangerous: the request is carried out after its connection has died.
    private func carryOut(_ call: APICall, after milliseconds: Int, _ entry: LogEntry) {
        let core = core
        core.jobs.add {
            guard (try? await Task.sleep(for: .milliseconds(milliseconds))) != nil else { return }
            var entry = entry
            entry.note("carriedOutAfter", .integer(Int64(milliseconds)))
            do throws(APIFailure) {
                entry.notes += try await core.catalog.answer(call).notes
            } catch {
                entry.note("refused", .integer(Int64(error.status)))
            }
            core.log.write(entry)
        }
    }
}

/// The connection ended before the announced length had come.
struct DroppedBody: Error {}

extension RequestClass {
    /// Whether it needs the scope `data.edit`.
    var isWrite: Bool {
        switch self {
        case .postVersions, .deleteVersion, .release, .postTables, .patchTable, .deleteTable, .postUploads,
            .deleteUpload, .openSession, .tempUploads:
            true
        case .getDataset, .headDataset, .listVersions, .getVersion, .headVersion, .listTables, .getTable, .headTable,
            .listUploads, .getUpload, .headUpload, .startSession, .putChunk, .queryStatus, .putWhole, .deleteSession,
            .unknown:
            false
        }
    }
}
