import AsyncHTTPClient
import SyncCore

/// By which way an address is reached, as the environment says it: the variables that curl reads (`man 1 curl`,
/// ENVIRONMENT), lower case before upper case.
///
/// Plain http goes to loopback addresses only, and these are never reached by way of a proxy: what it would connect to
/// is its own machine. So `http_proxy` has no say here.
public struct ProxySettings: Hashable, Sendable {
    /// An HTTP proxy that is asked to `CONNECT` (RFC 9110 section 9.3.6): TLS goes through it from end to end.
    public struct Proxy: Hashable, Sendable {
        /// The variable that names it.
        public let variable: String
        /// Without the brackets of an IPv6 address.
        public let host: String
        public let port: Int
        /// `user:password`.
        let credentials: Secret?

        /// For people; without the password.
        public var place: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    /// The one that is used, but for the hosts in `no_proxy`.
    public let proxy: Proxy?
    let exceptions: ProxyExceptions

    public static let none = ProxySettings(proxy: nil, exceptions: ProxyExceptions(""))
    /// Those that are read, the more particular ones first.
    public static let variables = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    public static let exceptionVariables = ["no_proxy", "NO_PROXY"]

    private init(proxy: Proxy?, exceptions: ProxyExceptions) {
        self.proxy = proxy
        self.exceptions = exceptions
    }

    /// - Parameter environment: the program's variables. An empty one counts as not set.
    /// - Throws: `Failure` of kind `rejected` where a proxy is named in a way that cannot be used: going past it
    ///   unasked might be what somebody forbade.
    public init(_ environment: [String: String]) throws(Failure) {
        let value = { (names: [String]) in
            names.lazy.compactMap { name in
                environment[name].flatMap { $0.isEmpty ? nil : (name: name, text: $0) }
            }.first
        }
        proxy = try value(Self.variables).map { found throws(Failure) in try Proxy(found.text, named: found.name) }
        exceptions = ProxyExceptions(value(Self.exceptionVariables)?.text ?? "")
    }

    /// The proxy by way of which `address` is reached; `nil` for the direct way.
    func proxy(for address: WebAddress) -> Proxy? {
        guard let proxy, address.origin.scheme == .https, !address.isLoopback,
            !exceptions.contain(address.origin.host, port: address.origin.port)
        else { return nil }
        return proxy
    }
}

extension ProxySettings.Proxy {
    /// `[http://][USER[:PASSWORD]@]HOST:PORT[/]`, user and password percent-encoded.
    fileprivate init(_ text: String, named variable: String) throws(Failure) {
        func unusable(_ why: String) -> Failure {
            // Not the value: it may hold a password.
            Failure(
                .rejected, scope: .agent, "the proxy that \(variable) names cannot be used: \(why)",
                hint: "write \(variable)=http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT")
        }
        var rest = text[...]
        if let end = text.firstRange(of: "://") {
            let scheme = text[..<end.lowerBound].lowercased()
            guard scheme == "http" else {
                let known = ["https", "socks", "socks4", "socks4a", "socks5", "socks5h"].contains(scheme)
                throw unusable(
                    known ? "\(scheme):// proxies are not supported, http:// ones are" : "its scheme is not http://")
            }
            rest = text[end.upperBound...]
        }
        while rest.hasSuffix("/") { rest.removeLast() }
        var credentials: Secret?
        if let at = rest.lastIndex(of: "@") {
            guard let plain = PercentEncoding.decoded(String(rest[..<at])), Self.isWellFormed(plain) else {
                throw unusable("its user name or password is not percent-encoded UTF-8")
            }
            credentials = Secret(plain.contains(":") ? plain : plain + ":")
            rest = rest[rest.index(after: at)...]
        }
        guard let address = WebAddress("http://\(rest)"), address.target == "/" else {
            throw unusable("it is no host and port")
        }
        // 80, 1080, 3128 and 8080 are all taken for granted somewhere.
        guard let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]"), rest.last != ":" else {
            throw unusable("it names no port")
        }
        self.init(
            variable: variable, host: address.origin.host.filter { $0 != "[" && $0 != "]" }, port: address.origin.port,
            credentials: credentials)
    }

    private static func isWellFormed(_ credentials: String) -> Bool {
        credentials.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    }

    /// As the HTTP client takes it. The name of the server is resolved by the proxy.
    var clientProxy: HTTPClient.Configuration.Proxy {
        guard let credentials else { return .server(host: host, port: port) }
        let halves = credentials.revealed.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return .server(
            host: host, port: port,
            authorization: .basic(
                username: String(halves.first ?? ""), password: halves.count > 1 ? String(halves[1]) : ""))
    }

    /// What its 407 means.
    var refusal: String {
        credentials == nil
            ? "the proxy \(place) asks for a user name and a password (407)"
            : "the proxy \(place) does not accept the user name and password in \(variable) (407)"
    }

    var remedy: String {
        "write \(variable)=http://USER:PASSWORD@\(place) where the agent's environment is set, and restart it"
    }
}
