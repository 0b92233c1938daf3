import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import SyncCore
import Synchronization

/// Redivis and its storage host over HTTP: the `UploadRemote` of the real program. `docs/protocol.md` says what is
/// sent, how each answer is read, and what is known, observed or only inferred of it.
///
/// `shutdown()` must be called before the last reference goes.
public final class RedivisRemote: UploadRemote {
    public struct Settings: Sendable {
        /// The API's base, such as `https://redivis.com/api/v1`; plain http for a loopback address only.
        public var api: String
        /// Transfers at once; sets how many connections to one host there may be.
        public var uploads: Int
        /// Hosts (`host` or `host:port`, over https) beside the API's origin that may see the token.
        public var sendTokenTo: [String]
        /// A PEM file with certificate authorities beside the system's.
        public var certificateAuthorities: String?
        public var apiRate: RequestRate
        public var proxies: ProxySettings
        /// Of this program, for `User-Agent`.
        public var version: String
        public var patience: Patience

        public init(
            api: String = "https://redivis.com/api/v1", uploads: Int = 4, sendTokenTo: [String] = [],
            certificateAuthorities: String? = nil, apiRate: RequestRate = .auto, proxies: ProxySettings = .none,
            version: String = "0", patience: Patience = Patience()
        ) {
            self.api = api
            self.uploads = uploads
            self.sendTokenTo = sendTokenTo
            self.certificateAuthorities = certificateAuthorities
            self.apiRate = apiRate
            self.proxies = proxies
            self.version = version
            self.patience = patience
        }
    }

    /// What a listing asks for at once. The vendor's client asks for 100; the most that is allowed is unknown, so a
    /// refusal brings it down.
    static let pageSizes = (large: 1000, small: 100)

    struct Memory {
        var pageSize = RedivisRemote.pageSizes.large
        var warnings: Set<String> = []
        /// Redivis's words for failed imports, by uri: the list may not tell them.
        var importFailures: [String: String] = [:]
        var rateLimit: RateLimit?
    }

    /// `X-RateLimit-Limit` and `-Remaining`, as last told.
    public struct RateLimit: Hashable, Sendable {
        public let limit: Int
        public let remaining: Int
    }

    let base: WebAddress
    /// The base's path, without a slash at its end.
    let basePath: String
    let rules: TokenRules
    let token: @Sendable () -> Secret
    /// How far a refusal of the token reaches.
    let tokenScope: Failure.Scope
    let wallClock: @Sendable () -> Timestamp
    let logger: Logger
    let userAgent: String
    let api: WebTransport
    let storage: WebTransport
    let pacer: RequestPacer
    /// By which way servers are reached.
    public let proxies: ProxySettings
    private let trust: LiveTrust
    /// Calls of several deliveries come in at once.
    let memory = Mutex(Memory())

    /// - Parameters:
    ///   - token: read for each request, so that a rotated token is used at once.
    ///   - wallClock: only for `Retry-After` values that are dates.
    /// - Throws: `Failure` of kind `rejected` where the address or the certificate file cannot be used.
    public init(
        _ settings: Settings, token: @escaping @Sendable () -> Secret, logger: Logger,
        wallClock: @escaping @Sendable () -> Timestamp
    ) throws(Failure) {
        guard let base = WebAddress(settings.api), base.isPrivate, !base.target.contains("?") else {
            throw Failure(
                .rejected, scope: .agent, "`api` is not an address that can be used",
                hint: "write https://…, or http:// for a loopback address")
        }
        self.base = base
        basePath = String(base.target.reversed().drop { $0 == "/" }.reversed())
        rules = TokenRules(api: base.origin, sendTokenTo: settings.sendTokenTo)
        self.token = token
        tokenScope = .agent
        self.wallClock = wallClock
        self.logger = logger
        userAgent = "redivis-sync/\(settings.version)"
        pacer = RequestPacer(settings.apiRate)
        proxies = settings.proxies
        trust = try LiveTrust(settings.certificateAuthorities)
        let patience = settings.patience
        // One loop for all connections: it moves more than a gigabyte a second, and a body can keep pace with it
        // (`MeteredBody`).
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        api = WebTransport(
            loop: loop, connections: settings.uploads + 8, silence: patience.answer, patience: patience,
            trust: trust, proxies: proxies, dropsUnsentBytes: true)
        storage = WebTransport(
            loop: loop, connections: settings.uploads + 4, silence: patience.stall, patience: patience,
            trust: trust, proxies: proxies, dropsUnsentBytes: false)
    }

    /// Reads the certificate authorities beside the system's again, from that file from now on. Connections that are
    /// there stay; those that are opened from now on trust what it holds.
    ///
    /// - Returns: whether it holds others than before.
    /// - Throws: `Failure` of kind `rejected` where it cannot be used; what was trusted before stays.
    @discardableResult
    public func trust(_ certificateAuthorities: String?) throws(Failure) -> Bool {
        try trust.read(certificateAuthorities)
    }

    /// The same connections with another token, which is for some tables only: what is refused to it says nothing of
    /// the others. The one that this was made of ends the connections.
    public func using(token: @escaping @Sendable () -> Secret) -> RedivisRemote {
        RedivisRemote(sharing: self, token: token)
    }

    private init(sharing other: RedivisRemote, token: @escaping @Sendable () -> Secret) {
        (base, basePath, rules) = (other.base, other.basePath, other.rules)
        self.token = token
        tokenScope = .destination
        (wallClock, logger, userAgent) = (other.wallClock, other.logger, other.userAgent)
        (api, storage) = (other.api, other.storage)
        // Whether limits are kept for each token is not known: together they never ask for more than one would.
        (pacer, proxies, trust) = (other.pacer, other.proxies, other.trust)
    }

    /// Requests to the API go at this rate from now on.
    public func pace(_ rate: RequestRate) { pacer.follow(rate) }

    /// Ends all connections. Calls after it fail.
    public func shutdown() async {
        await api.shutdown()
        await storage.shutdown()
    }

    public var rateLimit: RateLimit? { memory.withLock(\.rateLimit) }

    // MARK: For all calls

    /// A path below the API's base, with `query` already encoded.
    func apiAddress(_ path: String, query: [(String, String)] = []) -> WebAddress {
        let pairs = query.map { "\($0.0)=\(PercentEncoding.segment($0.1))" }
        let suffix = pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
        return WebAddress(origin: base.origin, target: basePath + path + suffix)
    }

    /// A `uri` that the API told: relative to its base or to its origin, or absolute there; never elsewhere, and never
    /// encoded again.
    func resolve(uri: String) -> WebAddress? {
        if uri.contains("://") {
            guard let address = WebAddress(uri), address.origin == base.origin else { return nil }
            return address
        }
        guard uri.hasPrefix("/"), !uri.hasPrefix("//") else { return nil }
        let isFromOrigin = !basePath.isEmpty && uri.hasPrefix(basePath + "/")
        return WebAddress(origin: base.origin, target: isFromOrigin ? uri : basePath + uri)
    }

    /// The fields of every request; the token where it may be seen.
    func fields(for address: WebAddress) throws(Failure) -> [(String, String)] {
        var fields = [("User-Agent", userAgent), ("Accept", "*/*")]
        guard rules.mayCarryToken(address) else { return fields }
        let token = token().revealed
        guard TokenRules.isWellFormed(token) else {
            throw Failure(
                .unauthorized, scope: tokenScope, "the token is empty or holds characters that no token has",
                hint: "check the token file: one line with the token and nothing else")
        }
        fields.append(("Authorization", "Bearer \(token)"))
        return fields
    }

    /// Notes what every answer of the API may say beside its subject.
    func note(_ answer: WebAnswer) {
        if let limit = answer.fields.one("x-ratelimit-limit").flatMap({ Int($0) }),
            let remaining = answer.fields.one("x-ratelimit-remaining").flatMap({ Int($0) })
        {
            memory.withLock { $0.rateLimit = RateLimit(limit: limit, remaining: remaining) }
        }
        for warning in answer.fields.all("x-redivis-warning") {
            let words = ServerWords.clean(warning, secrets: [token().revealed])
            // Bounded, since the texts are the server's.
            let isNew = memory.withLock { memory in
                memory.warnings.count < 100 && memory.warnings.insert(words).inserted
            }
            if isNew { logger.warning("Redivis warns", metadata: ["words": "\(words)"]) }
        }
    }
}
