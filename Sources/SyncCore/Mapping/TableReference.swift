/// A qualified reference to a table: `owner.dataset[:id].table[:id]` (api.md 2.1). It names no version: the agent
/// writes to `:next` only, and asks for other versions itself.
public struct TableReference: Hashable, Codable, Sendable {
    public let owner: String
    public let dataset: Name
    public let table: Name

    /// A name with the short id that stays valid when the name changes.
    public struct Name: Hashable, Codable, Sendable {
        public let name: String
        public let id: String?

        public init(name: String, id: String?) {
            self.name = name
            self.id = id
        }

        var text: String { id.map { "\(name):\($0)" } ?? name }
    }

    public init(owner: String, dataset: Name, table: Name) {
        self.owner = owner
        self.dataset = dataset
        self.table = table
    }

    /// `owner.dataset[:id]`
    public var datasetText: String { "\(owner).\(dataset.text)" }

    /// The reference without a version, as written in the mapping file.
    public var text: String { "\(datasetText).\(table.text)" }

    /// The table in the unreleased version.
    public var draftText: String { "\(datasetText):next.\(table.text)" }

    /// The table in a released version.
    public func text(in version: VersionTag) -> String { "\(datasetText):\(version.inReference).\(table.text)" }
}

extension TableReference: CustomStringConvertible {
    public var description: String { text }
}

/// The tag of a released version. It has two spellings: `v1.0` by itself, `v1_0` inside a reference (api.md 2.1).
public struct VersionTag: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    public let major: Int
    public let minor: Int

    public init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// Reads either spelling; `nil` for `next`, `current` and anything else.
    public init?(_ text: String) {
        guard text.first == "v" else { return nil }
        let parts = text.dropFirst().split(whereSeparator: { $0 == "." || $0 == "_" })
        guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]), major >= 0, minor >= 0 else {
            return nil
        }
        self.init(major: major, minor: minor)
    }

    public var inReference: String { "v\(major)_\(minor)" }
    public var description: String { "v\(major).\(minor)" }

    public static func < (left: VersionTag, right: VersionTag) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let tag = VersionTag(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not a version tag"))
        }
        self = tag
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
