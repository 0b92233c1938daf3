/// An absolute `http` or `https` address, taken apart as far as this adapter must judge it: who is asked, and with
/// what request target (RFC 3986, RFC 9112 section 3.2).
struct WebAddress: Hashable, Sendable {
    enum Scheme: String, Hashable, Sendable {
        case http, https

        var defaultPort: Int { self == .http ? 80 : 443 }
    }

    /// Who may see a token is decided by this whole, never by the host alone.
    struct Origin: Hashable, Sendable {
        let scheme: Scheme
        /// Lower case; IPv6 in brackets.
        let host: String
        let port: Int
    }

    let origin: Origin
    /// Path and query, beginning with `/`, fit for a request line.
    let target: String

    init(origin: Origin, target: String) {
        self.origin = origin
        self.target = PercentEncoding.requestTarget(target)
    }

    /// `nil` for other schemes, for user information before the host, and for hosts and ports that are none.
    init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":"),
            let scheme = Scheme(rawValue: text[..<colon].lowercased()),
            text[colon...].hasPrefix("://")
        else { return nil }
        let rest = text[text.index(colon, offsetBy: 3)...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        guard let (host, port) = Self.authority(rest[..<end]) else { return nil }
        let target = rest[end...].prefix { $0 != "#" }
        self.init(
            origin: Origin(scheme: scheme, host: host, port: port ?? scheme.defaultPort),
            target: target.hasPrefix("/") ? String(target) : "/" + target)
    }

    private static func authority(_ text: Substring) -> (host: String, port: Int?)? {
        let bracket = text.hasPrefix("[") ? text.firstIndex(of: "]") : nil
        let colon = text[(bracket ?? text.startIndex)...].firstIndex(of: ":")
        let host = text[..<(colon ?? text.endIndex)].lowercased()
        let isPlain = host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
            case UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ":"): bracket != nil
            default: false
            }
        }
        guard isPlain, !host.isEmpty, host != "[]" else { return nil }
        guard let colon else { return (host, nil) }
        let digits = text[text.index(after: colon)...]
        if digits.isEmpty { return (host, nil) }
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = Int(digits), (1...65535).contains(port)
        else { return nil }
        return (host, port)
    }

    var text: String {
        let isDefault = origin.port == origin.scheme.defaultPort
        return "\(origin.scheme.rawValue)://\(origin.host)\(isDefault ? "" : ":\(origin.port)")\(target)"
    }

    /// A reference as a `Location` field carries it (RFC 3986 section 5.2), without dot segments.
    func resolving(_ reference: String) -> WebAddress? {
        let reference = reference.filter { !$0.isNewline }
        if reference.contains("://"), let absolute = WebAddress(reference) { return absolute }
        if reference.hasPrefix("//") { return WebAddress("\(origin.scheme.rawValue):\(reference)") }
        let plain = String(reference.prefix { $0 != "#" })
        if plain.hasPrefix("/") { return WebAddress(origin: origin, target: plain) }
        guard !plain.isEmpty, !plain.prefix(while: { $0 != "/" && $0 != "?" }).contains(":") else { return nil }
        let path = target.prefix { $0 != "?" }
        if plain.hasPrefix("?") { return WebAddress(origin: origin, target: path + plain) }
        guard !plain.split(separator: "/").contains(where: { $0 == "." || $0 == ".." }) else { return nil }
        let folder = path[...(path.lastIndex(of: "/") ?? path.startIndex)]
        return WebAddress(origin: origin, target: folder + plain)
    }

    /// Whether everything sent there stays on this machine.
    var isLoopback: Bool {
        if origin.host == "localhost" || origin.host == "[::1]" { return true }
        let parts = origin.host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether bytes and secrets may go there: encrypted, or not leaving this machine.
    var isPrivate: Bool { origin.scheme == .https || isLoopback }

    /// The same for an address that the server at `base` has named: one that is not of this machine must not have requests
    /// sent to services of this machine.
    func isPrivate(namedBy base: WebAddress) -> Bool { isPrivate && (base.isLoopback || !isLoopback) }
}

// A session's address is a secret: printing one says only whom it names.
extension WebAddress: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "\(origin.scheme.rawValue)://\(origin.host)/…" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}
