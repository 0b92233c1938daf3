import Glibc

/// `no_proxy`: what is reached directly. Items are separated by commas or blanks: `*` for everything; a host, which
/// stands for all below it too (`example.org`, `.example.org`); an address; a network (`10.0.0.0/8`, `fd00::/8`);
/// each but the first also with `:port`.
struct ProxyExceptions: Hashable, Sendable {
    private enum Item: Hashable, Sendable {
        case all
        /// Without a dot in front, in lower case.
        case name(String, port: Int?)
        case network([UInt8], bits: Int, port: Int?)
    }

    private let items: [Item]

    init(_ text: String) {
        items = text.split { $0 == "," || $0.isWhitespace }.compactMap { Self.item(String($0).lowercased()) }
    }

    /// - Parameter host: lower case; an IPv6 address in brackets.
    func contain(_ host: String, port: Int) -> Bool {
        let host = host.hasSuffix(".") ? String(host.dropLast()) : host
        let address = Self.address(host)
        return items.contains { item in
            switch item {
            case .all: true
            case .name(let name, let only):
                (only == nil || only == port) && address == nil && (host == name || host.hasSuffix("." + name))
            case .network(let network, let bits, let only):
                (only == nil || only == port) && address.map { Self.agree($0, network, bits: bits) } ?? false
            }
        }
    }

    private static func item(_ text: String) -> Item? {
        if text == "*" { return .all }
        if let network = network(text, port: nil) { return network }
        var (rest, port) = (text, Int?.none)
        if let colon = text.lastIndex(of: ":"), let number = Int(text[text.index(after: colon)...]),
            (1...65535).contains(number)
        {
            (rest, port) = (String(text[..<colon]), number)
        }
        if let network = network(rest, port: port) { return network }
        while rest.hasPrefix(".") || rest.hasPrefix("*.") { rest.removeFirst() }
        while rest.hasSuffix(".") { rest.removeLast() }
        return rest.isEmpty ? nil : .name(rest, port: port)
    }

    private static func network(_ text: String, port: Int?) -> Item? {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let address = address(parts[0]) else { return nil }
        let all = address.count * 8
        guard parts.count == 2 else { return .network(address, bits: all, port: port) }
        guard let bits = Int(parts[1]), (0...all).contains(bits) else { return nil }
        return .network(address, bits: bits, port: port)
    }

    /// The bytes of an address, 4 or 16, as `man 3 inet_pton` reads them; IPv6 with or without brackets.
    private static func address(_ text: String) -> [UInt8]? {
        let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
        let plain = isBracketed ? String(text.dropFirst().dropLast()) : text
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] where family == AF_INET6 || !isBracketed {
            var bytes = [UInt8](repeating: 0, count: count)
            if inet_pton(family, plain, &bytes) == 1 { return bytes }
        }
        return nil
    }

    private static func agree(_ left: [UInt8], _ right: [UInt8], bits: Int) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).enumerated().allSatisfy { index, pair in
            let kept = min(max(bits - index * 8, 0), 8)
            let mask = UInt8(truncatingIfNeeded: 0xFF00 >> kept)
            return pair.0 & mask == pair.1 & mask
        }
    }
}
