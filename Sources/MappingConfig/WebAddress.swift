import SyncCore

/// Addresses of hosts, read by hand: a lenient parser would let through what a request would send elsewhere.
enum WebAddress {
    /// `api`: `https://host[:port][/path]`, or `http://` to a loopback address; without a trailing slash.
    static func api(_ text: String) throws(SpellingProblem) -> String {
        let example = "write it as in https://redivis.com/api/v1"
        guard let (scheme, rest) = schemeAndRest(text) else {
            let host = text.split(separator: "/").first.map(String.init) ?? ""
            throw SpellingProblem(
                "`\(text)` has no https:// in front",
                instead: isHostAndMaybePort(host) ? "write https://\(text)" : example)
        }
        guard scheme == "https" || scheme == "http" else {
            throw SpellingProblem("`\(scheme)://` is no way to the API", instead: "write https://\(rest)")
        }
        if rest.contains("@") {
            throw SpellingProblem("the address has a user name in it", instead: "leave out all before the `@`")
        }
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !rest.contains(where: { "?#\\\"<>^`{|}".contains($0) })
        else {
            throw SpellingProblem("`\(text)` is no address of an API", instead: example)
        }
        let host = String(rest.prefix { $0 != "/" })
        guard isHostAndMaybePort(host) else { throw SpellingProblem("`\(host)` is no host", instead: example) }
        if scheme == "http", !isLoopback(host) {
            throw SpellingProblem(
                "http:// would send the token in the clear, and is taken for loopback addresses only",
                instead: "write https://\(rest)")
        }
        var address = "\(scheme)://\(rest)"
        while address.hasSuffix("/") { address.removeLast() }
        return address
    }

    /// `send_token_to`: `host` or `host:port`.
    static func host(_ text: String) throws(SpellingProblem) -> String {
        if isHostAndMaybePort(text) { return text.lowercased() }
        let rest = schemeAndRest(text)?.rest ?? text
        let host = String(rest.prefix { $0 != "/" })
        throw SpellingProblem(
            "`\(text)` is no host",
            instead: isHostAndMaybePort(host) ? "write \(host.lowercased())" : "write one as in storage.example.org")
    }

    static func isWeb(_ text: String) -> Bool {
        guard let (scheme, rest) = schemeAndRest(text), scheme == "https" || scheme == "http" else { return false }
        return isHostAndMaybePort(String(rest.prefix { $0 != "/" && $0 != "?" }))
    }

    static func isHostAndPort(_ text: String) -> Bool { isHostAndMaybePort(text) && portText(text) != nil }

    static func isLoopback(_ hostAndPort: String) -> Bool {
        let host = portText(hostAndPort).map { String(hostAndPort.dropLast($0.count + 1)) } ?? hostAndPort
        if host.lowercased() == "localhost" || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func schemeAndRest(_ text: String) -> (scheme: String, rest: String)? {
        guard let range = text.firstRange(of: "://") else { return nil }
        return (text[..<range.lowerBound].lowercased(), String(text[range.upperBound...]))
    }

    private static func portText(_ text: String) -> Substring? {
        guard let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") else { return nil }
        return text[text.index(after: colon)...]
    }

    private static func isHostAndMaybePort(_ text: String) -> Bool {
        let port = portText(text)
        if let port, !(1...65535).contains(Int(port) ?? 0) || port.hasPrefix("+") { return false }
        let host = port.map { text.dropLast($0.count + 1) } ?? text[...]
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inner = host.dropFirst().dropLast()
            return inner.count > 1 && inner.allSatisfy { $0.isASCII && $0.isHexDigit || $0 == ":" || $0 == "." }
        }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        return host.count <= 253
            && labels.allSatisfy { label in
                !label.isEmpty && label.count <= 63 && !label.hasPrefix("-") && !label.hasSuffix("-")
                    && label.utf8.allSatisfy { byte in
                        switch byte {
                        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"): true
                        default: false
                        }
                    }
            }
    }
}
