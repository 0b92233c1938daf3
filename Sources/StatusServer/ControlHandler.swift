import NIOCore
import NIOHTTP1
import SyncCore

/// One connection, which carries one request: collects it, bounded in size and time, and closes after the answer.
final class ControlHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    private let responder: ControlResponder
    private var head: HTTPRequestHead?
    /// `nil` once it is longer than allowed: the rest is read past, since closing a socket on what was not read takes
    /// the answer away too.
    private var body: ByteBuffer? = ByteBuffer()
    private var isOver = false
    /// Closes the connection of somebody who sends too slowly.
    private var timer: Scheduled<Void>?

    init(_ responder: ControlResponder) {
        self.responder = responder
    }

    func channelActive(context: ChannelHandlerContext) {
        timer = Self.close(context.channel, after: responder.limits.time)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // What comes after the one request is nobody's.
        guard !isOver else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
        case .body(let part):
            if let size = body?.readableBytes, size + part.readableBytes <= responder.limits.body {
                body?.writeImmutableBuffer(part)
            } else {
                body = nil
            }
        case .end:
            isOver = true
            timer?.cancel()
            if let head { Self.answer(head, body, by: responder, on: context.channel) }
        }
    }

    /// Not waited for by a shutdown, which closes the connection.
    private static func answer(
        _ head: HTTPRequestHead, _ body: ByteBuffer?, by responder: ControlResponder, on channel: any Channel
    ) {
        Task {
            let response = await responder.response(to: head, body: body)
            Self.send(response, on: channel, responder.limits.time)
        }
    }

    private static func send(_ response: ControlResponder.Response, on channel: any Channel, _ limit: Duration) {
        let body = response.json
        let fields: HTTPHeaders = [
            "Content-Type": "application/json", "Content-Length": "\(body.readableBytes)", "Connection": "close",
        ]
        let head = HTTPResponseHead(version: .http1_1, status: response.status, headers: fields)
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(body)), promise: nil)
        let sent = channel.writeAndFlush(HTTPServerResponsePart.end(nil))
        let timer = close(channel, after: limit)
        sent.whenComplete { _ in
            timer.cancel()
            channel.close(promise: nil)
        }
    }

    private static func close(_ channel: any Channel, after limit: Duration) -> Scheduled<Void> {
        channel.eventLoop.scheduleTask(in: .nanoseconds(limit.saturatingNanoseconds)) { channel.close(promise: nil) }
    }
}
