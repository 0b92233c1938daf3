import Hummingbird
import NIOCore
import NIOPosix

/// A PUT to a session URL: a chunk, the whole object, or the question how much is stored.
struct SessionPut {
    typealias Ending = SandboxResponder.Ending

    let core: SandboxCore
    let session: ResumableSession

    func run(_ ranges: [ContentRange?], _ request: Request, _ entry: inout LogEntry) async throws -> Ending {
        guard ranges.count <= 1, ranges.first != .some(nil) else {
            throw StorageFailure(400, "InvalidArgument", "Content-Range cannot be read.")
        }
        let range = ranges.first ?? nil
        let fault = entry.fault?.action
        var action: SessionFault?
        if case .session(let kind) = fault { action = kind }
        if action == .gap { throw Self.gap }
        let length = try BodyLength.announced(request)
        let standing: ResumableSession.Standing
        switch try session.open(range, bodyLength: length, now: core.clock.now()) {
        case .answer(let found):
            standing = found
        case .receive(let reception):
            var isWhole = true
            if case .request(.resetAt(let limit)) = fault { isWhole = reception.length <= limit }
            standing = try await receive(reception, range, request, &entry)
            if !isWhole {
                try core.transfers.note(session)
                return .reset
            }
        }
        let told = try spoil(standing, action)
        try core.transfers.note(session)
        return .answer(answer(told, action, range, request))
    }

    /// What Google says to a chunk behind a gap, where there is none.
    private static let gap = StorageFailure(
        503, "ServiceUnavailable",
        "Invalid request. According to the Content-Range header, the upload offset exceeds already uploaded size.",
        isPlainText: true)

    // MARK: Receiving

    private func receive(
        _ reception: ResumableSession.Reception, _ range: ContentRange?, _ request: Request, _ entry: inout LogEntry
    ) async throws -> ResumableSession.Standing {
        var limit = reception.length
        var breaksOff = false
        // What a fault makes of the last chunk must leave the session open, or there would be nothing to see.
        var closes = range.map { $0.closesAtTotal } ?? true
        switch entry.fault?.action {
        case .session(.keep(let count)): limit = min(limit, count)
        case .request(.resetAt(let count)):
            limit = min(limit, count)
            breaksOff = limit < reception.length
        case .session(.noRange), .session(.loseStored): closes = false
        case .session, .request, .registration, .lag, .draft, nil: break
        }
        let seen: Int64
        do {
            seen = try await take(request.body, reception, limit: limit, stopsAtLimit: breaksOff, &entry)
        } catch {
            _ = try session.end(reception, isComplete: false, closesAtTotal: false)
            try core.transfers.note(session)
            entry.note("offset", .integer(session.stored))
            throw error
        }
        if !breaksOff, seen != reception.length {
            _ = try session.end(reception, isComplete: false, closesAtTotal: false)
            if request.headers[.contentLength] != nil { throw DroppedBody() }
            throw StorageFailure(
                400, "InvalidArgument", "The body has \(seen) bytes, Content-Range speaks of \(reception.length).")
        }
        return try await end(reception, isComplete: !breaksOff, closesAtTotal: closes)
    }

    /// Streams the body into the session, behind the bytes it repeats and up to the limit. Returns the body's length.
    private func take(
        _ body: RequestBody, _ reception: ResumableSession.Reception, limit: Int64, stopsAtLimit: Bool,
        _ entry: inout LogEntry
    ) async throws -> Int64 {
        var seen: Int64 = 0
        for try await piece in body {
            let start = seen
            seen += Int64(piece.readableBytes)
            entry.bytes = seen
            let from = Int(max(reception.repeated - start, 0))
            let to = Int(min(limit - start, Int64(piece.readableBytes)))
            if from < to {
                let isTaken = try piece.withUnsafeReadableBytes {
                    try session.append(UnsafeRawBufferPointer(rebasing: $0[from..<to]), to: reception)
                }
                if !isTaken { break }
            }
            if stopsAtLimit, seen >= limit { break }
        }
        return seen
    }

    private func end(
        _ reception: ResumableSession.Reception, isComplete: Bool, closesAtTotal: Bool
    ) async throws -> ResumableSession.Standing {
        // Reading many bytes back for the MD5 takes seconds, which belong on a thread that may block.
        guard closesAtTotal, session.undigested > 64 << 20 else {
            return try session.end(reception, isComplete: isComplete, closesAtTotal: closesAtTotal)
        }
        return try await NIOThreadPool.singleton.runIfActive {
            try session.end(reception, isComplete: isComplete, closesAtTotal: closesAtTotal)
        }
    }

    // MARK: Answering

    /// Lets a fault change what the session holds.
    private func spoil(
        _ standing: ResumableSession.Standing, _ action: SessionFault?
    ) throws -> ResumableSession.Standing {
        guard case .incomplete = standing else { return standing }
        switch action {
        case .finishEarly: return try session.finishEarly()
        case .loseStored(let count): return .incomplete(stored: try session.lose(count))
        case .acknowledgeMore(let count):
            guard case .incomplete(let stored) = standing else { return standing }
            return .incomplete(stored: stored &+ count)
        case .noRange, .overrideOK, .plainOK, .finishMore, .gap, .keep, nil:
            return standing
        }
    }

    private func answer(
        _ standing: ResumableSession.Standing, _ action: SessionFault?, _ range: ContentRange?,
        _ request: Request
    ) -> Answer {
        if case .finishMore(let count) = action {
            return Answer(status: 200).with("x-goog-stored-content-length", String(session.size &+ count))
        }
        switch standing {
        case .superseded:
            return StorageFailure(503, "ServiceUnavailable", "Another request took this upload over.").answer
        case .finished(let size, let md5):
            let answer = Answer(status: 200).with("x-goog-stored-content-length", String(size))
            let hash = md5.flatMap(Hexadecimal.decode).map(Base64.encode)
            return hash.map { answer.with("x-goog-hash", "md5=\($0)") } ?? answer
        case .incomplete(let stored):
            return incomplete(stored, action, range, request)
        }
    }

    private func incomplete(
        _ stored: Int64, _ action: SessionFault?, _ range: ContentRange?, _ request: Request
    ) -> Answer {
        let asksForOverride = HTTPFields.Element.Name("X-GUploader-No-308").flatMap { request.headers[$0] } == "yes"
        let isChunk = range.map { !$0.isQuery } ?? true
        if action == .plainOK || (core.switches.chunkAnswer == .ok && isChunk) { return Answer(status: 200) }
        let overrides = action == .overrideOK || core.switches.chunkAnswer == .override || asksForOverride
        var answer = overrides ? Answer(status: 200).with("X-HTTP-Status-Code-Override", "308") : Answer(status: 308)
        if stored > 0, action != .noRange { answer = answer.with("Range", "bytes=0-\(stored - 1)") }
        return answer
    }
}

extension ContentRange {
    /// Whether the request names the total, so that its last byte can be the object's last.
    var closesAtTotal: Bool {
        switch self {
        case .bytes(_, let last, let total): total == last + 1
        case .query(let total): total != nil
        }
    }

    var isQuery: Bool {
        switch self {
        case .query: true
        case .bytes: false
        }
    }
}
