import Glibc
import NIOHTTP1
import NIOPosix
import SyncCore

// For `doctor`: how far this machine gets towards Redivis.
extension RedivisRemote {
    /// Whom the API's address names.
    public struct Server: Hashable, Sendable {
        /// Without the brackets of an IPv6 address.
        public let host: String
        public let port: Int
        public let usesTLS: Bool
    }

    public var server: Server {
        let origin = base.origin
        return Server(
            host: origin.host.filter { $0 != "[" && $0 != "]" }, port: origin.port, usesTLS: origin.scheme == .https)
    }

    /// By way of which the server is reached; `nil` for the direct way.
    public var serverProxy: ProxySettings.Proxy? { proxies.proxy(for: base) }

    /// Whose name this machine looks up: the proxy's where there is one, which then looks up the server's.
    public var firstHost: String { serverProxy?.host ?? server.host }

    /// The addresses of `firstHost`, as every connection looks them up (`man 3 getaddrinfo`). That cannot be
    /// interrupted: a caller who does not want to wait for it must leave it behind.
    ///
    /// - Throws: `Failure` of kind `transient`.
    public func addresses() async throws(Failure) -> [String] {
        let host = firstHost
        do {
            return try await NIOThreadPool.singleton.runIfActive { try Self.addresses(of: host) }
        } catch {
            throw error as? Failure ?? Failure(.transient, scope: .agent, "\(host) cannot be looked up: \(error)")
        }
    }

    private static func addresses(of host: String) throws -> [String] {
        var wanted = addrinfo()
        wanted.ai_family = AF_UNSPEC
        wanted.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &wanted, &first)
        guard code == 0 else {
            throw Failure(
                .transient, scope: .agent, "the name \(host) cannot be resolved: \(String(cString: gai_strerror(code)))"
            )
        }
        defer { freeaddrinfo(first) }
        var found: [String] = []
        var entry = first
        while let info = entry?.pointee {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(
                info.ai_addr, info.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
            {
                let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                if !found.contains(address) { found.append(address) }
            }
            entry = info.ai_next
        }
        return found
    }

    /// What the server answers to somebody who asks for nothing in particular.
    public struct Greeting: Hashable, Sendable {
        public let status: Int
        /// A page for people: something in between may have spoken.
        public let isWebPage: Bool
        /// The answer's `Date`, in whole seconds.
        public let serverTime: Timestamp?
        /// `nil` without TLS.
        public let encryption: Encryption?
    }

    /// A TLS connection that was opened, its certificate found good.
    public struct Encryption: Hashable, Sendable {
        /// As in "TLS 1.3".
        public let version: String
        /// Until when the server's certificate is valid.
        public let certificateEnds: Timestamp?
    }

    /// `GET` of the API's base, without the token. Whatever it answers shows that it can be reached.
    ///
    /// - Throws: `Failure` of kind `transient`.
    public func greet() async throws(Failure) -> Greeting {
        let answers = APIAnswers(asked: "reaching Redivis", now: wallClock(), secrets: [])
        do throws(SendTrouble) {
            let answer = try await api.perform(
                WebRequest(
                    method: .GET, address: apiAddress("/"), fields: [("User-Agent", userAgent), ("Accept", "*/*")],
                    bodyLimit: Self.resourceLimit))
            return Greeting(
                status: answer.status, isWebPage: answer.isWebPage, serverTime: answer.serverTime,
                encryption: api.encryption)
        } catch {
            throw answers.failure(error)
        }
    }
}
