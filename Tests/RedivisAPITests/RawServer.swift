import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A server that says nothing of HTTP by itself: each connection is given to a script, which reads and writes bytes,
/// goes silent, or tears the connection. For what a well-behaved server cannot be made to do.
final class RawServer: Sendable {
    struct Request: Hashable, Sendable {
        let method: String
        let target: String
        /// Names in lower case.
        let fields: [String: String]
        var bodyLength: Int { Int(fields["content-length"] ?? "") ?? 0 }
    }

    /// One connection. Not to be used by two tasks at once.
    struct Connection {
        fileprivate let channel: any Channel
        fileprivate var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
        fileprivate let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
        fileprivate var rest = ByteBuffer()
        fileprivate let note: @Sendable (Request) -> Void

        struct Ended: Error {}

        /// The head of the next request, up to the empty line.
        mutating func head() async throws -> Request {
            while true {
                let text = String(buffer: rest)
                if let end = text.firstRange(of: "\r\n\r\n") {
                    let lines = text[..<end.lowerBound].split(separator: "\r\n").map(String.init)
                    rest.moveReaderIndex(forwardBy: text[..<end.upperBound].utf8.count)
                    let request = Self.request(lines)
                    note(request)
                    return request
                }
                try await more()
            }
        }

        private static func request(_ lines: [String]) -> Request {
            let words = (lines.first ?? "").split(separator: " ").map(String.init)
            var fields: [String: String] = [:]
            for line in lines.dropFirst() {
                let halves = line.split(separator: ":", maxSplits: 1).map(String.init)
                fields[halves[0].lowercased()] = halves.count > 1 ? String(halves[1].drop { $0 == " " }) : ""
            }
            return Request(method: words.first ?? "", target: words.count > 1 ? words[1] : "", fields: fields)
        }

        mutating func body(_ count: Int) async throws -> [UInt8] {
            var bytes: [UInt8] = []
            while bytes.count < count {
                if rest.readableBytes == 0 { try await more() }
                bytes += rest.readBytes(length: Swift.min(rest.readableBytes, count - bytes.count)) ?? []
            }
            return bytes
        }

        private mutating func more() async throws {
            guard var next = try await inbound.next() else { throw Ended() }
            rest.discardReadBytes()
            rest.writeBuffer(&next)
        }

        func write(_ text: String) async throws {
            try await outbound.write(ByteBuffer(string: text))
        }

        func answer(_ status: String, _ fields: [String] = [], _ body: String = "") async throws {
            let head = ["HTTP/1.1 \(status)"] + fields + ["Content-Length: \(body.utf8.count)", "", ""]
            try await write(head.joined(separator: "\r\n") + body)
        }

        /// With a TCP reset.
        func reset() async throws {
            if let options = channel as? any SocketOptionProvider {
                try await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
            }
            try await channel.close().get()
        }

        /// Until the other side gives up, or the test ends.
        func silence() async throws { try await Task.sleep(for: .seconds(30)) }
    }

    private let seen = Mutex<[Request]>([])

    /// Every request whose head was read, in the order of arrival.
    var requests: [Request] { seen.withLock { $0 } }

    /// Serves on `host` for the length of `body`. A connection is closed when its script ends.
    ///
    /// - Parameters:
    ///   - tls: a certificate and its key, as PEM.
    ///   - host: a loopback address.
    @discardableResult
    static func serve<Result: Sendable>(
        tls: String? = nil, host: String = "127.0.0.1", port: Int = 0,
        _ script: @escaping @Sendable (inout Connection) async throws -> Void,
        _ body: @escaping @Sendable (RawServer, Int) async throws -> Result
    ) async throws -> Result {
        let server = RawServer()
        let context = try tls.map { pem in
            try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: NIOSSLCertificate.fromPEMBytes(Array(pem.utf8)).map { .certificate($0) },
                    privateKey: .privateKey(NIOSSLPrivateKey(bytes: Array(pem.utf8), format: .pem))))
        }
        let listening = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Small, so that a script that does not read is felt at the other end; large beside the loopback's
            // segments of 64 KiB.
            .serverChannelOption(.socketOption(.so_rcvbuf), value: 512 << 10)
            .bind(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    }
                    return (
                        channel,
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                            wrappingChannelSynchronously: channel,
                            // Nothing is read ahead of the script.
                            configuration: .init(backPressureStrategy: .init(lowWatermark: 1, highWatermark: 1)))
                    )
                }
            }
        let port = listening.channel.localAddress?.port ?? 0
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withThrowingDiscardingTaskGroup { connections in
                    try await listening.executeThenClose { inbound in
                        for try await (channel, connection) in inbound {
                            connections.addTask {
                                try? await connection.executeThenClose { inbound, outbound in
                                    var connection = Connection(
                                        channel: channel, inbound: inbound.makeAsyncIterator(), outbound: outbound,
                                        note: { request in server.seen.withLock { $0.append(request) } })
                                    try await script(&connection)
                                }
                            }
                        }
                    }
                }
            }
            defer { group.cancelAll() }
            return try await body(server, port)
        }
    }
}
