import Glibc
import Hummingbird
import NIOCore

/// A request at the URL that `tempUploads` gave: a session's start, or the whole file in one PUT.
struct TransferPut {
    typealias Ending = SandboxResponder.Ending

    let core: SandboxCore
    let transfer: Transfer

    /// `POST url` with `x-goog-resumable: start` and an empty body; the session is in `Location`.
    func start(_ request: Request, _ entry: inout LogEntry) async throws -> Ending {
        try requireLive()
        guard transfer.kind == .resumable else {
            throw StorageFailure(400, "InvalidArgument", "This URL is for one PUT of the whole file.")
        }
        guard try BodyLength.announced(request) == 0 else {
            throw StorageFailure(400, "InvalidArgument", "The request that starts a session has no body.")
        }
        guard header("x-goog-resumable", request) == "start" else {
            throw StorageFailure(400, "InvalidArgument", "x-goog-resumable: start is missing.")
        }
        guard header("x-upload-content-length", request).flatMap({ ContentRange.digits($0) }) == transfer.size else {
            throw StorageFailure(
                400, "InvalidArgument", "x-upload-content-length is not the announced size of \(transfer.size) bytes.")
        }
        let session = try core.transfers.startSession(for: transfer, now: core.clock.now())
        entry.note("session", .string(session.id))
        return .answer(Answer(status: 201).with("Location", await core.catalog.sessionURL(session.id)))
    }

    /// One PUT with all bytes. What breaks off leaves nothing behind; a second one replaces the first.
    func whole(_ hasNoRange: Bool, _ request: Request, _ entry: inout LogEntry) async throws -> Ending {
        try requireLive()
        guard transfer.kind == .whole else {
            throw StorageFailure(400, "InvalidArgument", "This URL is for starting a resumable session by POST.")
        }
        guard hasNoRange else {
            throw StorageFailure(400, "InvalidArgument", "Content-Range has no place in a plain PUT.")
        }
        let length = try BodyLength.announced(request)
        if let length, length != transfer.size { throw wrongSize(length) }
        var (id, writer) = core.transfers.makeObject("p")
        var isKept = false
        defer {
            writer.close()
            if !isKept, let path = writer.path { unlink(path) }
        }
        var limit = Int64.max
        if case .request(.resetAt(let count)) = entry.fault?.action { limit = count }
        for try await piece in request.body {
            entry.bytes += Int64(piece.readableBytes)
            if entry.bytes > transfer.size { break }
            try piece.withUnsafeReadableBytes { try writer.append($0) }
            if entry.bytes >= limit { return .reset }
        }
        guard entry.bytes == transfer.size else {
            if length != nil { throw DroppedBody() }
            throw wrongSize(entry.bytes)
        }
        try writer.settle(at: transfer.size)
        let object = StoredObject(id: id, size: transfer.size, md5: try writer.finish())
        isKept = true
        try core.transfers.noteWhole(object, transfer: transfer.id)
        entry.note("object", .string(id))
        let answer = Answer(status: 200).with("x-goog-stored-content-length", String(object.size))
        let hash = object.md5.flatMap(Hexadecimal.decode).map(Base64.encode)
        return .answer(hash.map { answer.with("x-goog-hash", "md5=\($0)") } ?? answer)
    }

    private func wrongSize(_ size: Int64) -> StorageFailure {
        StorageFailure(400, "InvalidArgument", "The body has \(size) bytes, \(transfer.size) were announced.")
    }

    private func requireLive() throws(StorageFailure) {
        guard core.clock.now() - transfer.created <= ResumableSession.lifetimeMilliseconds else {
            throw StorageFailure(400, "ExpiredToken", "The URL has expired.")
        }
    }

    private func header(_ name: String, _ request: Request) -> String? {
        HTTPFields.Element.Name(name).flatMap { request.headers[$0] }
    }
}
