import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOSSL
import SyncCore
import Synchronization

/// One HTTP client and what is never to happen with it: it follows no redirect (308 is an answer here), it never sends
/// a request a second time (async-http-client has no such thing, and a failed connect is not tried again by its pool
/// either), and no answer can make it hold more than the caller asked for.
struct WebTransport: Sendable {
    let wholeAnswer: Duration
    private let watch: SilenceWatch
    private let direct: HTTPClient
    /// Where a proxy is named. One client has one way, so there are two.
    private let proxied: HTTPClient?
    private let proxies: ProxySettings
    private let trust: LiveTrust
    private let loop: any EventLoop
    private let lastEncryption = LastEncryption()

    /// Of the connection that was opened last; `nil` where it has none.
    var encryption: RedivisRemote.Encryption? { lastEncryption.value }

    /// - Parameters:
    ///   - loop: all connections live on it.
    ///   - silence: so long not one byte may move.
    ///   - trust: whose certificates are believed.
    ///   - proxies: which addresses are reached by way of a proxy.
    ///   - connections: to one host at once.
    ///   - dropsUnsentBytes: whether closing a connection throws away what the kernel has not sent yet, so that a
    ///     request that was given up cannot still arrive later.
    init(
        loop: any EventLoop, connections: Int, silence: Duration, patience: Patience, trust: LiveTrust,
        proxies: ProxySettings, dropsUnsentBytes: Bool
    ) {
        self.loop = loop
        watch = SilenceWatch(longest: silence)
        self.trust = trust
        self.proxies = proxies
        wholeAnswer = patience.wholeAnswer
        var configuration = HTTPClient.Configuration(tlsConfiguration: trust.atStart)
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        configuration.decompression = .disabled
        // The client's own time-outs do not cover a server that accepts and never reads: its write timer stands
        // still while the connection takes nothing. `SilenceWatch` covers all phases.
        configuration.timeout = .init(connect: .nanoseconds(patience.connect.saturatingNanoseconds))
        // Below 5 s, the shortest keep-alive that is common among servers: a connection that the server closes
        // just as a registration sets out on it is a doubt of two minutes.
        configuration.connectionPool.idleTimeout = .seconds(4)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(connections, 1)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.http1_1ConnectionDebugInitializer = { [lastEncryption] channel in
            // After the handshake.
            lastEncryption.note(channel)
            return Self.setOptions(of: channel, dropsUnsentBytes: dropsUnsentBytes)
        }
        direct = HTTPClient(eventLoopGroupProvider: .shared(loop), configuration: configuration)
        proxied = proxies.proxy.map { proxy in
            configuration.proxy = proxy.clientProxy
            return HTTPClient(eventLoopGroupProvider: .shared(loop), configuration: configuration)
        }
    }

    /// `man 7 tcp`, TCP_NOTSENT_LOWAT: the kernel asks for more before megabytes have piled up in it, so that a slow
    /// connection is seen to move. `man 7 socket`, SO_LINGER with 0.
    private static func setOptions(of channel: any Channel, dropsUnsentBytes: Bool) -> EventLoopFuture<Void> {
        guard let options = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        let lowWater = ChannelOptions.Types.SocketOption(
            level: .tcp, name: NIOBSDSocket.Option(rawValue: CInt(TCP_NOTSENT_LOWAT)))
        let abortive: EventLoopFuture<Void> =
            dropsUnsentBytes
            ? options.setSoLinger(linger(l_onoff: 1, l_linger: 0)) : channel.eventLoop.makeSucceededVoidFuture()
        // An option that the kernel lacks costs speed of judgement, not correctness.
        return abortive.and(channel.setOption(lowWater, value: BodyMeter.pieceSize)).map { _ in }
            .flatMapError { _ in channel.eventLoop.makeSucceededVoidFuture() }
    }

    func shutdown() async {
        // It can only fail by having been done before.
        try? await direct.shutdown()
        try? await proxied?.shutdown()
    }

    /// Sends once, and reads the answer whole.
    ///
    /// - Throws: `SendTrouble.failure` with what the source threw, where that ended it.
    func perform(_ request: WebRequest) async throws(SendTrouble) -> WebAnswer {
        let host = request.address.origin.host
        if Task.isCancelled { throw .transport(TransportTrouble(.nothingSent, "the request was interrupted")) }
        let meter = BodyMeter(length: request.length)
        let (result, wentSilent) = await watch.over(meter) { await self.exchange(request, meter) }
        await meter.close()
        switch result {
        case .answered(let answer):
            if case .slices = request.body, (200...299).contains(answer.status), !meter.isComplete,
                request.needsWholeBody
            {
                throw .transport(TransportTrouble(.unclear, "\(host) answered before it had the whole body"))
            }
            return answer
        case .broken where wentSilent:
            throw .transport(TransportTrouble(.unclear, "\(host) went silent"))
        case .broken(let trouble):
            if let failure = meter.sourceFailure { throw .failure(failure) }
            throw .transport(trouble)
        }
    }

    private enum Exchange: Sendable {
        case answered(WebAnswer)
        case broken(TransportTrouble)
    }

    private func exchange(_ request: WebRequest, _ meter: BodyMeter) async -> Exchange {
        let proxy = proxies.proxy(for: request.address)
        do {
            var message = request.clientRequest(meter, loop)
            if request.address.origin.scheme == .https { message.tlsConfiguration = trust.sinceStart }
            let client = proxy == nil ? direct : proxied ?? direct
            let response = try await client.execute(message, deadline: .distantFuture)
            meter.noteProgress()
            let end = ContinuousClock.now + wholeAnswer
            var body: [UInt8] = []
            var isCut = false
            for try await part in response.body {
                meter.noteProgress()
                let room = request.bodyLimit - body.count
                body += part.readableBytesView.prefix(room)
                if part.readableBytes > room {
                    isCut = true
                    break
                }
                if ContinuousClock.now > end {
                    return .broken(TransportTrouble(.unclear, "\(request.address.origin.host) never ends its answer"))
                }
            }
            let fields = WebFields(response.headers.map { ($0.name, $0.value) })
            return .answered(
                WebAnswer(status: Int(response.status.code), fields: fields, body: body, isCut: isCut))
        } catch {
            let trouble = TransportTrouble(error, host: request.address.origin.host, proxy: proxy)
            guard trouble.isDistrust, proxy == nil, !Task.isCancelled else { return .broken(trouble) }
            // The handshake's own error does not say why.
            let look = CertificateLook(request.address.origin, on: loop)
            return .broken(await look.flaw().map { trouble.because($0, of: request.address.origin.host) } ?? trouble)
        }
    }
}

/// A request without an answer.
enum SendTrouble: Error, Hashable, Sendable {
    case transport(TransportTrouble)
    /// Classified where it arose, and before a byte was sent or by ending the request: a source that cannot be read,
    /// a token that is none.
    case failure(Failure)
}

extension WebRequest {
    var length: Int64 {
        switch body {
        case .empty: 0
        case .json(let bytes), .form(let bytes, _): Int64(bytes.count)
        case .slices(_, let length): length
        }
    }

    fileprivate func clientRequest(_ meter: BodyMeter, _ loop: any EventLoop) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: address.text)
        request.method = method
        for (name, value) in fields { request.headers.add(name: name, value: value) }
        switch body {
        case .empty: break
        case .json(let bytes):
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: bytes))
        case .form(let bytes, let boundary):
            request.headers.add(name: "Content-Type", value: "multipart/form-data; boundary=\(boundary)")
            // More than one piece is to be seen moving, however slow the connection.
            request.body =
                bytes.count <= BodyMeter.pieceSize
                ? .bytes(ByteBuffer(bytes: bytes))
                : .stream(
                    MeteredBody(slices: .once(bytes), meter: meter, loop: loop), length: .known(Int64(bytes.count)))
        case .slices(let slices, let length):
            request.body = .stream(MeteredBody(slices: slices, meter: meter, loop: loop), length: .known(length))
        }
        return request
    }
}
