import FoundationEssentials
import Hummingbird
import NIOCore
import SyncCore

/// One request on the control socket: a POST to `ControlWire.requestPath`, JSON both ways. Every answer, also a refusal of the request
/// itself, is a `ControlAnswer`.
struct ControlResponder: HTTPResponder {
    struct Context: InitializableFromSource, Sendable {
        let channel: any Channel

        init(source: ApplicationRequestContextSource) { channel = source.channel }
    }

    let control: any AgentControl
    let limits: ControlServer.Limits

    func respond(to request: Request, context: Context) async throws -> Response {
        guard request.uri.path == ControlWire.requestPath else {
            return Self.response(.notFound, .refused(.init(.wrongRequest, "there is nothing at \(request.uri.path)")))
        }
        guard request.method == .post else {
            return Self.response(
                .methodNotAllowed, .refused(.init(.wrongRequest, "only POST is answered at \(ControlWire.requestPath)"))
            )
        }
        guard let body = try await body(of: request, context.channel) else {
            return Self.response(
                .contentTooLarge,
                .refused(.init(.wrongRequest, "the request has more than \(limits.body) bytes", remedy: Self.fewer)))
        }
        guard let asked = try? JSONDecoder().decode(ControlRequest.self, from: Data(body.readableBytesView)) else {
            return Self.response(
                .badRequest,
                .refused(
                    .init(
                        .wrongRequest, "the running agent does not understand the request",
                        remedy: "it is of another version than this command: restart it")))
        }
        let control = control
        let answer = await Deadline.run(limits.patience ?? asked.patience) { await control.answer(to: asked) }
        return Self.response(.ok, answer ?? Self.stillAtIt)
    }

    private static let fewer = "name fewer files at once"
    private static let stillAtIt = ControlAnswer.refused(
        .init(.unavailable, "the agent is still at it", remedy: "what was asked for goes on; look again in a while"))

    /// - Returns: `nil` where it is longer than allowed.
    private func body(of request: Request, _ channel: any Channel) async throws -> ByteBuffer? {
        // Whoever sends slowly is cut off: a timer that closes the connection ends the reading of it too, and it is
        // left running where the body is too long, since its rest is still to be read past.
        let limit = limits.time
        let timer = Task {
            try await Task.sleep(for: limit)
            try? await channel.close()
        }
        do {
            let body = try await request.body.collect(upTo: limits.body)
            timer.cancel()
            return body
        } catch is NIOTooManyBytesError {
            return nil
        }
    }

    private static func response(_ status: HTTPResponse.Status, _ answer: ControlAnswer) -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var response = Response(status: status)
        response.headers[.contentType] = "application/json"
        if let data = try? encoder.encode(answer) {
            response.body = .init(byteBuffer: ByteBuffer(bytes: data))
        }
        return response
    }
}

/// Waits for something no longer than so long.
enum Deadline {
    /// - Returns: what `body` gives; `nil` where it takes longer, or this task is cancelled. `body` is cancelled then
    ///   and not waited for: a shutdown does not wait for a database.
    static func run<Value: Sendable>(
        _ limit: Duration, _ body: @escaping @Sendable () async -> Value
    ) async -> Value? {
        let (values, value) = AsyncStream.makeStream(of: Value.self)
        let work = Task {
            value.yield(await body())
            value.finish()
        }
        let timer = Task {
            try? await Task.sleep(for: limit)
            value.finish()
        }
        defer {
            work.cancel()
            timer.cancel()
        }
        for await value in values { return value }
        return nil
    }
}
