/// A row's number in the queue: the address of one delivery for as long as the state directory lives.
public struct DeliveryID: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    public let value: Int64

    public init(_ value: Int64) {
        self.value = value
    }

    public static func < (left: DeliveryID, right: DeliveryID) -> Bool { left.value < right.value }

    public init(from decoder: any Decoder) throws {
        value = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    public var description: String { String(value) }
}

/// The id of a mapping, as its key in the mapping file: letters, digits, `-` and `_`.
public struct MappingID: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    public let value: String

    public init?(_ value: String) {
        let plain = value.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"): true
            default: false
            }
        }
        guard !value.isEmpty, plain else { return nil }
        self.value = value
    }

    public static func < (left: MappingID, right: MappingID) -> Bool { left.value < right.value }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = MappingID(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not a mapping id"))
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    public var description: String { value }
}

/// The table in every key: the reference that Redivis itself answers with, its version part removed,
/// so that two spellings of one table in the mapping file are one table here.
public struct TableKey: Hashable, Codable, Sendable, CustomStringConvertible {
    public let value: String

    public init(_ value: String) {
        self.value = value
    }

    public init(from decoder: any Decoder) throws {
        value = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    public var description: String { value }
}

/// A text that must not be seen: a bearer token, a session URL. Printing, interpolating or mirroring it says only
/// that something is there.
public struct Secret: Hashable, Codable, Sendable {
    private let text: String

    public init(_ text: String) {
        self.text = text
    }

    /// The secret itself, for the request that needs it and for the database that keeps it.
    public var revealed: String { text }

    public init(from decoder: any Decoder) throws {
        text = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
