/// The bytes of a digest; written and stored as lower-case hex.
public struct Digest: Hashable, Codable, Sendable, CustomStringConvertible {
    public let bytes: [UInt8]

    public init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// `nil` where the text is no hex of whole bytes.
    public init?(hex: String) {
        let digits = Array(hex.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Self.value(of: digits[index]), let low = Self.value(of: digits[index + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        self.bytes = bytes
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    public var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    public var description: String { hex }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let digest = Digest(hex: text) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not hex"))
        }
        self = digest
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}

/// What a file's content is: its size in bytes and its digests. Size and SHA-256 are its identity; MD5 is what
/// Redivis reports (`upload.hash`).
public struct Content: Hashable, Codable, Sendable {
    public let size: Int64
    public let sha256: Digest
    public let md5: Digest

    public init(size: Int64, sha256: Digest, md5: Digest) {
        self.size = size
        self.sha256 = sha256
        self.md5 = md5
    }
}

/// The SHA-256 of a file's first `offset` bytes: the proof, after a restart, that what was sent is still what the
/// file holds.
public struct PrefixDigest: Hashable, Codable, Sendable {
    public let offset: Int64
    public let sha256: Digest

    public init(offset: Int64, sha256: Digest) {
        self.offset = offset
        self.sha256 = sha256
    }
}
