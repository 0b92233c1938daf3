/// Percent-encoding (RFC 3986 section 2.1), in the two places where this adapter needs it.
enum PercentEncoding {
    /// One path segment or query value: everything outside `A-Z a-z 0-9 _ . ~ -` is encoded, as the vendor's clients
    /// encode references.
    static func segment(_ text: String) -> String {
        encoded(text.utf8) { byte, _ in isUnreserved(byte) }
    }

    /// A path and query that somebody else wrote: kept as it is, but for bytes that no request line can carry and
    /// for a `%` that begins no escape.
    static func requestTarget(_ text: String) -> String {
        let bytes = Array(text.utf8)
        return encoded(bytes) { byte, index in
            if byte == UInt8(ascii: "%") {
                return bytes.count > index + 2 && isHex(bytes[index + 1]) && isHex(bytes[index + 2])
            }
            return isUnreserved(byte) || "!$&'()*+,;=:@/?".utf8.contains(byte)
        }
    }

    /// What the escapes stand for; `nil` where that is no UTF-8.
    static func decoded(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        var plain: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let value = UInt8(String(decoding: bytes[(index + 1)...(index + 2)], as: UTF8.self), radix: 16)
            {
                plain.append(value)
                index += 3
            } else {
                plain.append(bytes[index])
                index += 1
            }
        }
        return String(validating: plain, as: UTF8.self)
    }

    private static func encoded(_ bytes: some Sequence<UInt8>, keeping isKept: (UInt8, Int) -> Bool) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            if isKept(byte, index) {
                text.append(byte)
            } else {
                text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
