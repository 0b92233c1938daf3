import NIOCore
import NIOHTTP1

/// What no HTTP server means to send: no answer, one that never ends, or one that comes byte by byte. Written to the
/// connection past the server's own encoder.
enum StrangeAnswer: Sendable, Equatable {
    /// Nothing, until the client goes away, or for so many milliseconds.
    case silence(Int?, reads: Bool)
    case endlessBody
    case endlessHeaders
    /// One byte of the true answer each so many milliseconds.
    case trickle(Int)

    /// Goes on until the client has closed the connection, or this is over; the connection is closed then.
    func give(_ answer: Answer?, isHead: Bool, on channel: any Channel) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // Cancelled when the sandbox stops; a day is for ever.
                try? await Task.sleep(for: .milliseconds(patience ?? 86_400_000))
                channel.close(promise: nil)
            }
            group.addTask {
                try? await pour(answer, isHead: isHead, on: channel)
            }
            try? await channel.closeFuture.get()
            group.cancelAll()
        }
    }

    private var patience: Int? {
        switch self {
        case .silence(let milliseconds, _): milliseconds
        case .endlessBody, .endlessHeaders, .trickle: nil
        }
    }

    private func pour(_ answer: Answer?, isHead: Bool, on channel: any Channel) async throws {
        switch self {
        case .silence: return
        case .endlessBody:
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            try await Self.write(Array((head + "c\r\n{\"results\":[\r\n").utf8), to: channel)
            let blanks = Array("10000\r\n".utf8) + [UInt8](repeating: 0x20, count: 0x10000) + Array("\r\n".utf8)
            while !Task.isCancelled { try await Self.write(blanks, to: channel) }
        case .endlessHeaders:
            try await Self.write(Array("HTTP/1.1 200 OK\r\n".utf8), to: channel)
            let filling = String(repeating: "x", count: 1000)
            for number in 0... {
                try Task.checkCancellation()
                try await Self.write(Array("X-Filling-\(number): \(filling)\r\n".utf8), to: channel)
            }
        case .trickle(let milliseconds):
            for byte in Self.wire(answer ?? Answer(status: 200), isHead: isHead) {
                try await Task.sleep(for: .milliseconds(milliseconds))
                try await Self.write([byte], to: channel)
            }
            channel.close(promise: nil)
        }
    }

    private static func wire(_ answer: Answer, isHead: Bool) -> [UInt8] {
        var head = "HTTP/1.1 \(answer.status) Slow\r\nConnection: close\r\nContent-Length: \(answer.body.count)\r\n"
        for header in answer.headers { head += "\(header.name): \(header.value)\r\n" }
        return Array((head + "\r\n").utf8) + (isHead ? [] : answer.body)
    }

    /// Returns when the kernel has taken the bytes; throws once the connection is closed.
    private static func write(_ bytes: [UInt8], to channel: any Channel) async throws {
        try await channel.eventLoop.flatSubmit {
            let written = channel.eventLoop.makePromise(of: Void.self)
            do {
                // From the encoder's own place on, so that it never sees these bytes.
                let place = try channel.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
                place.writeAndFlush(NIOAny(ByteBuffer(bytes: bytes)), promise: written)
            } catch {
                written.fail(error)
            }
            return written.futureResult
        }.get()
    }
}
