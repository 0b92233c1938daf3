import Glibc
import Hummingbird
import NIOCore
import NIOHTTP1

/// Gives the responder the connection, which faults reset.
struct SandboxContext: InitializableFromSource, Sendable {
    let channel: any Channel

    init(source: ApplicationRequestContextSource) { channel = source.channel }
}

/// Answers everything that arrives at one origin: takes the request apart, lets a fault have its way, writes the log.
struct SandboxResponder: HTTPResponder {
    enum Origin: String, Sendable { case api, storage }

    let origin: Origin
    let core: SandboxCore

    /// How a request ends.
    enum Ending: Sendable {
        case answer(Answer)
        /// The connection is closed without the answer that is ready.
        case silence(Answer)
        /// The connection is reset.
        case reset
        /// The connection is closed; the request is carried out, and logged, later.
        case handedOver
        /// Something that is no answer; `Answer` is the true one where the request was carried out.
        case strange(StrangeAnswer, Answer?)
    }

    func respond(to request: Request, context: SandboxContext) async throws -> Response {
        var entry = begin(request)
        let isStorage = entry.path.hasPrefix("/upload/") || entry.path.hasPrefix("/temp/")
        let ending: Ending
        do {
            if core.origins == nil {
                ending = .answer(Answer(status: 503).with("Retry-After", "1"))
            } else if isStorage {
                ending = try await StorageExchange(core: core).run(request, &entry)
            } else if origin == .api {
                ending = try await APIExchange(core: core).run(request, &entry)
            } else {
                ending = .answer(StorageFailure(404, "NoSuchKey", "The specified key does not exist.").answer)
            }
        } catch {
            // The connection ended inside the body: there is nobody left to answer.
            entry.note("dropped", true)
            core.log.write(entry)
            throw error
        }
        return await end(ending, entry, request, context.channel)
    }

    private func begin(_ request: Request) -> LogEntry {
        let target = request.head.path ?? "/"
        let path = target.prefix { $0 != "?" }
        let query = target.dropFirst(path.count + 1)
        var entry = LogEntry(
            sequence: core.log.nextSequence(), time: core.clock.now(), origin: origin.rawValue,
            method: request.method.rawValue, path: String(path))
        entry.query = query.isEmpty ? nil : Self.redacted(query)
        entry.contentRange = request.headers[.contentRange]
        if let authorization = request.headers[.authorization] {
            entry.token = Bearer(authorization, core.configuration).logged
        }
        return entry
    }

    /// The query without the secrets of upload URLs.
    private static func redacted(_ query: Substring) -> String {
        query.split(separator: "&").map { pair in
            let name = pair.prefix { $0 != "=" }
            return name == "upload_id" || name == "signature" ? "\(name)=-" : String(pair)
        }.joined(separator: "&")
    }

    private func end(
        _ ending: Ending, _ entry: LogEntry, _ request: Request, _ channel: any Channel
    ) async -> Response {
        let isHead = request.method == .head
        var entry = entry
        switch ending {
        case .answer(let answer):
            entry.status = answer.status
            entry.notes += answer.notes
            core.log.write(entry)
            return Self.response(answer, isHead: isHead)
        case .silence(let answer):
            entry.notes += answer.notes
            entry.note("carriedOut", .integer(Int64(answer.status)))
            core.log.write(entry)
            try? await channel.close()
        case .handedOver:
            try? await channel.close()
        case .strange(let manner, let answer):
            if let answer {
                entry.notes += answer.notes
                entry.note("carriedOut", .integer(Int64(answer.status)))
            } else if case .silence(_, reads: true) = manner {
                entry.bytes += await Self.drain(request.body)
            }
            core.log.write(entry)
            await manner.give(answer, isHead: isHead, on: channel)
        case .reset:
            core.log.write(entry)
            // Without lingering, closing sends RST and not FIN.
            if let options = channel as? any SocketOptionProvider {
                try? await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
            }
            try? await channel.close()
        }
        // Goes nowhere: the connection is closed.
        return Response(status: .internalServerError)
    }

    /// Reads a body that nobody wants; as far as it comes.
    private static func drain(_ body: RequestBody) async -> Int64 {
        var count: Int64 = 0
        do {
            for try await piece in body { count += Int64(piece.readableBytes) }
        } catch {
            // The client has gone: there is no more.
        }
        return count
    }

    private static func response(_ answer: Answer, isHead: Bool) -> Response {
        var response = Response(status: .init(code: answer.status))
        for header in answer.headers {
            if let name = HTTPFields.Element.Name(header.name) {
                response.headers.append(.init(name: name, value: header.value))
            }
        }
        if !isHead, !answer.body.isEmpty { response.body = .init(byteBuffer: ByteBuffer(bytes: answer.body)) }
        return response
    }
}

/// What an Authorization header amounts to.
enum Bearer: Sendable {
    case full, readOnly, other

    init(_ header: String, _ configuration: SandboxConfiguration) {
        switch header {
        case "Bearer \(configuration.token)": self = .full
        case "Bearer \(configuration.readOnlyToken)": self = .readOnly
        default: self = .other
        }
    }

    /// The word for the log, which is not the token itself.
    var logged: String {
        switch self {
        case .full: "sandbox"
        case .readOnly: "sandbox-readonly"
        case .other: "other"
        }
    }
}
