import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// A request that got no answer. What matters is whether anything of it can have reached the server: an upload that is
/// registered twice doubles the rows of somebody's data, so "nothing was sent" is said only of errors that come
/// before a connection is there to send on. The words never hold values of the request.
struct TransportTrouble: Error, Hashable, Sendable {
    enum Reach: Hashable, Sendable {
        /// Not one byte of the request can have left.
        case nothingSent
        /// Some, or all, may have.
        case unclear
    }

    let reach: Reach
    let words: String
    let hint: String?
    /// The connection was closed under the request: with a pooled one, that may have been before it.
    let isClosedConnection: Bool
    /// The server's certificate was not believed.
    let isDistrust: Bool

    init(
        _ reach: Reach, _ words: String, hint: String? = nil, isClosedConnection: Bool = false, isDistrust: Bool = false
    ) {
        self.reach = reach
        self.words = words
        self.hint = hint
        self.isClosedConnection = isClosedConnection
        self.isDistrust = isDistrust
    }

    /// - Parameter proxy: the one by way of which `host` was to be reached.
    init(_ error: any Error, host: String, proxy: ProxySettings.Proxy? = nil) {
        // Who did not accept a connection is the one that was connected to.
        let next = proxy.map { "the proxy \($0.place)" } ?? host
        switch error {
        case let error as TransportTrouble: self = error
        case let error as HTTPClientError: self.init(client: error, host: host, next: next, proxy: proxy)
        case let error as NIOConnectionError: self.init(connecting: error, host: proxy?.host ?? host, next: next)
        case let error as IOError: self.init(system: error, host: next)
        case let error as NIOSSLError: self.init(tls: error, host: host)
        case is NIOSSLExtraError:
            self.init(.nothingSent, "the certificate of \(host) is for another host", hint: Self.certificateHint)
        case is HTTPParserError:
            self.init(.unclear, "the answer of \(host) is not HTTP")
        case is CancellationError:
            self.init(.unclear, "the request was interrupted")
        case ChannelError.connectTimeout:
            self.init(.nothingSent, "\(next) does not accept connections (time-out)")
        case ChannelError.ioOnClosedChannel, ChannelError.alreadyClosed, ChannelError.eof, ChannelError.inputClosed,
            ChannelError.outputClosed:
            self.init(.unclear, "the connection to \(host) was closed", isClosedConnection: true)
        default:
            self.init(.unclear, "the connection to \(host) failed (\(type(of: error)))")
        }
    }

    private init(client error: HTTPClientError, host: String, next: String, proxy: ProxySettings.Proxy?) {
        switch error {
        case .connectTimeout, .getConnectionFromPoolTimeout:
            self.init(.nothingSent, "\(next) does not accept connections (time-out)")
        // These three come while the proxy is asked for a way, before a byte of the request has gone out.
        case .proxyAuthenticationRequired:
            self.init(.nothingSent, proxy?.refusal ?? "\(next) asks for a password", hint: proxy?.remedy)
        case .invalidProxyResponse:
            self.init(
                .nothingSent, "\(next) does not connect to \(host)",
                hint: "ask who runs it whether \(host) may be reached through it; if it can be reached without, "
                    + "name it in NO_PROXY")
        case .httpProxyHandshakeTimeout:
            self.init(.nothingSent, "\(next) does not answer when asked to connect to \(host) (time-out)")
        case .tlsHandshakeTimeout:
            self.init(.nothingSent, "\(host) does not finish the TLS handshake (time-out)")
        case .invalidURL, .emptyHost, .emptyScheme, .alreadyShutdown:
            self.init(.nothingSent, "the request to \(host) could not be made (\(error.shortDescription))")
        case .remoteConnectionClosed:
            self.init(.unclear, "\(host) closed the connection without an answer", isClosedConnection: true)
        case .readTimeout, .writeTimeout, .deadlineExceeded:
            self.init(.unclear, "\(host) did not answer in time")
        default:
            self.init(.unclear, "the request to \(host) broke off (\(error.shortDescription))")
        }
    }

    /// Every address of a host name was tried, or the name has none.
    private init(connecting error: NIOConnectionError, host: String, next: String) {
        if error.connectionErrors.isEmpty {
            self.init(
                .nothingSent, "the name \(host) cannot be resolved",
                hint: "check the network and its DNS servers; `redivis-sync doctor` looks at both")
        } else {
            self.init(.nothingSent, "no connection to \(next)", hint: "check the network; the agent goes on trying")
        }
    }

    private init(system error: IOError, host: String) {
        switch error.errnoCode {
        case ECONNREFUSED: self.init(.nothingSent, "\(host) refuses connections")
        case ECONNRESET, EPIPE: self.init(.unclear, "\(host) broke the connection", isClosedConnection: true)
        // These also end a connection that was there: an answer of the network, not of connect().
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN: self.init(.unclear, "no way to \(host)")
        case ETIMEDOUT: self.init(.unclear, "the connection to \(host) went silent")
        default: self.init(.unclear, "the connection to \(host) failed (errno \(error.errnoCode))")
        }
    }

    private static let certificateHint = "check the clock, a proxy that rewrites TLS, and `ca_file`"

    private init(tls error: NIOSSLError, host: String) {
        switch error {
        case .handshakeFailed(let cause):
            let isCertificate = String(describing: cause).contains("CERTIFICATE_VERIFY_FAILED")
            self.init(
                .nothingSent,
                isCertificate ? "the certificate of \(host) is not trusted" : "the TLS handshake with \(host) failed",
                hint: Self.certificateHint, isDistrust: isCertificate)
        case .unableToValidateCertificate, .noCertificateToValidate, .cannotFindPeerIP:
            self.init(.nothingSent, "the certificate of \(host) cannot be checked", hint: Self.certificateHint)
        case .uncleanShutdown:
            self.init(.unclear, "\(host) cut the connection off", isClosedConnection: true)
        default:
            self.init(.unclear, "TLS with \(host) failed")
        }
    }
}
