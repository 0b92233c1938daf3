import FoundationEssentials
import NIOCore
import NIOHTTP1
import SyncCore

/// What is answered to one request: a POST to `ControlWire.requestPath`, JSON both ways. Every answer, also a refusal
/// of the request itself, is a `ControlAnswer`.
struct ControlResponder: Sendable {
    let control: any AgentControl
    let limits: ControlServer.Limits

    struct Response: Sendable {
        let status: HTTPResponseStatus
        let answer: ControlAnswer

        var json: ByteBuffer {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return ByteBuffer(bytes: (try? encoder.encode(answer)) ?? Data())
        }

        fileprivate static func refusal(
            _ status: HTTPResponseStatus, _ words: String, remedy: String? = nil
        ) -> Response {
            Response(status: status, answer: .refused(ControlRefusal(.wrongRequest, words, remedy: remedy)))
        }
    }

    /// - Parameter body: `nil` where it was longer than `limits.body`.
    func response(to head: HTTPRequestHead, body: ByteBuffer?) async -> Response {
        guard head.uri == ControlWire.requestPath else {
            return .refusal(.notFound, "there is nothing at \(RelativePath.printable(Array(head.uri.utf8)))")
        }
        guard head.method == .POST else {
            return .refusal(.methodNotAllowed, "only POST is answered at \(head.uri)")
        }
        guard let body else {
            return .refusal(
                .payloadTooLarge, "the request has more than \(limits.body) bytes",
                remedy: "name fewer files at once")
        }
        guard let asked = try? JSONDecoder().decode(ControlRequest.self, from: Data(body.readableBytesView)) else {
            return .refusal(
                .badRequest, "the running agent does not understand the request",
                remedy: "it is of another version than this command: restart it")
        }
        let control = control
        let answer = await Deadline.run(limits.patience ?? asked.patience) { await control.answer(to: asked) }
        return Response(status: .ok, answer: answer ?? Self.stillAtIt)
    }

    private static let stillAtIt = ControlAnswer.refused(
        ControlRefusal(
            .unavailable, "the agent is still at it", remedy: "what was asked for goes on; look again in a while"))
}

/// Waits for something no longer than so long.
enum Deadline {
    /// - Returns: what `body` gives; `nil` where it takes longer. `body` is cancelled then and not waited for.
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
