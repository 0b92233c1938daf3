import NIOCore
import NIOHTTP1

/// Prepares a fresh connection: reads in large pieces, since bodies of gigabytes come, and lets `Expect: 100-continue`
/// be answered, without which curl waits a second before it sends a body.
final class ChannelTuning: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    func handlerAdded(context: ChannelHandlerContext) {
        let allocator = AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 16_384, maximum: 1 << 18)
        try? context.channel.syncOptions?.setOption(.recvAllocator, value: allocator)
        let pipeline = context.pipeline.syncOperations
        if let decoder = try? pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self) {
            try? pipeline.addHandler(ExpectContinue(), position: .after(decoder))
        }
    }
}

/// Answers `Expect: 100-continue` with an informational 100 before the request goes on.
final class ExpectContinue: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data), head.version == .http1_1,
            head.headers.first(name: "Expect")?.lowercased() == "100-continue"
        {
            let answer = HTTPResponseHead(version: head.version, status: .continue)
            context.writeAndFlush(wrapOutboundOut(.head(answer)), promise: nil)
        }
        context.fireChannelRead(data)
    }
}
