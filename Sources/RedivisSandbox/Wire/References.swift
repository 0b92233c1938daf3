/// Redivis's escaping of names: case does not count, every character but `[A-Za-z0-9_]` is an underscore, and a run of
/// underscores is one. `My data (2020).csv` and `my_data_2020_csv` designate the same thing.
enum NameFolding {
    static func fold(_ name: String) -> String {
        var folded: [UInt8] = []
        for scalar in name.unicodeScalars {
            switch scalar {
            case "a"..."z", "0"..."9": folded.append(UInt8(ascii: scalar))
            case "A"..."Z": folded.append(UInt8(ascii: scalar) + 32)
            default:
                if folded.last != UInt8(ascii: "_") { folded.append(UInt8(ascii: "_")) }
            }
        }
        return String(decoding: folded, as: UTF8.self)
    }
}

/// Which version of a dataset a reference speaks of.
enum VersionReference: Equatable, Sendable {
    /// None named: the current version, or the draft of a dataset that was never released.
    case unnamed
    case current
    case next
    case tag(major: Int, minor: Int)

    /// `next`, `current`, `v1_0`, or as a tag of its own `v1.0`.
    init?(_ text: some StringProtocol) {
        switch text {
        case "current": self = .current
        case "next": self = .next
        default:
            let numbers = text.dropFirst().split(
                omittingEmptySubsequences: false, whereSeparator: { $0 == "_" || $0 == "." })
            guard text.first == "v", numbers.count == 2, let major = ContentRange.digits(numbers[0]),
                let minor = ContentRange.digits(numbers[1]), major < 1_000_000, minor < 1_000_000
            else { return nil }
            self = .tag(major: Int(major), minor: Int(minor))
        }
    }
}

/// `owner.dataset[:id][:sample][:version]`, parts in that order.
struct DatasetReference: Equatable, Sendable {
    var owner: String
    var name: String
    var id: String?
    var isSample = false
    var version = VersionReference.unnamed

    /// Reads one decoded path segment.
    init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        self.init(owner: parts[0], identifier: parts[1])
    }

    init?(owner: some StringProtocol, identifier: some StringProtocol) {
        guard !owner.isEmpty, owner.unicodeScalars.allSatisfy(Self.isWord) else { return nil }
        self.owner = String(owner)
        var pieces = Substring(identifier).split(separator: ":", omittingEmptySubsequences: false).map(String.init)[...]
        guard let name = pieces.popFirst(), Self.isName(name) else { return nil }
        self.name = name
        if let piece = pieces.first, Self.isReferenceID(piece), piece != "sample", VersionReference(piece) == nil {
            id = piece
            pieces.removeFirst()
        }
        if pieces.first == "sample" {
            isSample = true
            pieces.removeFirst()
        }
        // Inside a reference the tag is spelt v1_0; with a point the reference could not be taken apart.
        if let piece = pieces.first, let version = VersionReference(piece), !piece.contains(".") {
            self.version = version
            pieces.removeFirst()
        }
        guard pieces.isEmpty else { return nil }
    }

    static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: false
        }
    }

    /// A name in a reference: `.`, `:` and the backtick must have been escaped, or it could not be taken apart.
    static func isName(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && !text.unicodeScalars.contains { $0 == "." || $0 == ":" || $0 == "`" || $0.value < 0x20 }
    }

    static func isReferenceID(_ text: some StringProtocol) -> Bool {
        (1...16).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy { ("a"..."z").contains($0) || ("0"..."9").contains($0) }
    }
}

/// `owner.dataset[...].table[:id]`.
struct TableReference: Equatable, Sendable {
    var dataset: DatasetReference
    var name: String
    var id: String?

    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let dataset = DatasetReference(owner: parts[0], identifier: parts[1]) else {
            return nil
        }
        self.dataset = dataset
        let pieces = parts[2].split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(pieces.count), let name = pieces.first, DatasetReference.isName(name) else { return nil }
        self.name = String(name)
        if pieces.count == 2 {
            guard DatasetReference.isReferenceID(pieces[1]) else { return nil }
            id = String(pieces[1])
        }
    }
}
