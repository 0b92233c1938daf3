extension TableReference {
    /// Reads `owner.dataset[:id].table[:id]` (api.md 2.1). `:next` after the dataset is accepted and dropped, since
    /// uploads always go to the unreleased version; every other version is refused, and so is the sample.
    ///
    /// - Throws: what is wrong and the nearest spelling that would be right.
    public init(parsing text: String) throws(SpellingProblem) {
        try Self.refuseOtherNotations(text)
        // A version tag as Redivis shows it (`v1.0`) has a dot of its own.
        if let tag = Self.dottedVersion(in: text) {
            throw SpellingProblem(
                "`\(tag)` is a released version, and uploads go to the unreleased one",
                instead: Self.write(text.replacingFirst(":" + tag, with: "")))
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3 else {
            throw SpellingProblem(
                "a table has three names joined by dots, and `\(text)` has \(parts.count)",
                instead: parts.count > 3
                    ? "write owner.dataset.table, and `_` for a dot inside a name"
                    : "write owner.dataset.table, as in demo_org.weather_stations.readings")
        }
        owner = try Self.owner(parts[0])
        dataset = try Self.dataset(parts[1], of: parts)
        table = try Self.table(parts[2], of: parts)
    }

    // MARK: The three names

    private static func owner(_ text: String) throws(SpellingProblem) -> String {
        guard !text.isEmpty else {
            throw SpellingProblem("the owner before the first dot is missing", instead: "write owner.dataset.table")
        }
        guard text.utf8.allSatisfy(isWordByte) else {
            throw SpellingProblem(
                "`\(text)` is no owner: the name of a user or organization has letters, digits and `_` only",
                instead: "write it as in the address redivis.com/OWNER")
        }
        return text
    }

    private static func dataset(_ text: String, of parts: [String]) throws(SpellingProblem) -> Name {
        var pieces = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let name = pieces.removeFirst()
        func spelled(_ kept: [String]) -> String {
            write("\(parts[0]).\(([name] + kept).joined(separator: ":")).\(parts[2])")
        }
        var kept: [String] = []
        for (index, piece) in pieces.enumerated() {
            let others = kept + pieces[(index + 1)...]
            switch Qualifier(piece) {
            case .next: continue
            case .current:
                throw SpellingProblem(
                    "`:\(piece)` is the released version, and uploads go to the unreleased one",
                    instead: spelled(others))
            case .released:
                throw SpellingProblem(
                    "`:\(piece)` is a released version, and uploads go to the unreleased one", instead: spelled(others))
            case .sample:
                throw SpellingProblem(
                    "`:\(piece)` is the dataset's 1% sample, which Redivis makes by itself", instead: spelled(others))
            case .id: kept.append(piece)
            case .other:
                throw SpellingProblem(
                    piece.isEmpty ? "nothing stands after a `:`" : "`:\(piece)` is neither an id nor a version",
                    instead: spelled(others))
            }
        }
        guard kept.count <= 1 else {
            throw SpellingProblem("`\(name)` has two ids", instead: spelled([kept[0]]))
        }
        return try named(name, id: kept.first, what: "dataset")
    }

    private static func table(_ text: String, of parts: [String]) throws(SpellingProblem) -> Name {
        var pieces = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let name = pieces.removeFirst()
        let spelled = write("\(parts[0]).\(parts[1]).\(name)")
        guard let id = pieces.first else { return try named(name, id: nil, what: "table") }
        guard pieces.count == 1 else {
            throw SpellingProblem("`\(text)` has more than an id after the table's name", instead: spelled)
        }
        switch Qualifier(id) {
        case .id: return try named(name, id: id, what: "table")
        case .next, .current, .released, .sample:
            throw SpellingProblem(
                "`:\(id)` stands after the table, and versions belong to the dataset (and need not be written)",
                instead: spelled)
        case .other:
            throw SpellingProblem(
                id.isEmpty
                    ? "nothing stands after the last `:`" : "`:\(id)` is not an id, which has letters and digits only",
                instead: spelled)
        }
    }

    private static func named(_ name: String, id: String?, what: String) throws(SpellingProblem) -> Name {
        guard !name.isEmpty else {
            throw SpellingProblem(
                "the name of the \(what) is missing", instead: "write owner.dataset.table, with ids after the names")
        }
        // A dot followed by a combining mark is one letter to Swift and no separator, yet Redivis would split there.
        guard !name.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") }) else {
            throw SpellingProblem("the name of the \(what) has a dot or a colon in it", instead: "write `_` for it")
        }
        return Name(name: name, id: id)
    }

    // MARK: Other notations

    /// What people paste: an address, a path, a quotation from SQL, something with blanks around it.
    private static func refuseOtherNotations(_ text: String) throws(SpellingProblem) {
        guard !text.isEmpty else {
            throw SpellingProblem("the table is missing", instead: "write owner.dataset.table")
        }
        guard text.utf8.count <= 1024 else {
            throw SpellingProblem("this is too long for a table", instead: "write owner.dataset.table")
        }
        if text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) }) {
            throw SpellingProblem("the table has a control character in it", instead: "write owner.dataset.table")
        }
        let trimmed = text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
        if trimmed.count < text.count {
            throw SpellingProblem("blanks stand around the table", instead: write(String(trimmed)))
        }
        if text.contains("`") {
            throw SpellingProblem(
                "backticks belong to SQL, not to a table's name", instead: write(String(text.filter { $0 != "`" })))
        }
        if text.contains("/") {
            let pieces = text.split(separator: "/")
            if text.contains("://") {
                let last = pieces.last.map { String($0.split(separator: "?").first ?? $0) } ?? ""
                let isReference = last.split(separator: ".").count == 3 && pieces.dropLast().last == "tables"
                throw SpellingProblem(
                    "this is an address, not a table",
                    instead: isReference
                        ? write(last) : "write owner.dataset.table, as the table's page shows it under API")
            }
            throw SpellingProblem(
                "`/` does not belong in a table's name",
                instead: write(
                    pieces.count == 3 && !text.contains(".")
                        ? pieces.joined(separator: ".") : text.replacing("/", with: "_")))
        }
    }

    /// `v1.0` after a colon.
    private static func dottedVersion(in text: String) -> String? {
        text.firstMatch(of: #/:(v[0-9]+\.[0-9]+)(?=[.:]|$)/#).map { String($0.1) }
    }

    private static func write(_ reference: String) -> String { "write \(reference)" }

    private static func isWordByte(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "_") || Qualifier.isIDByte(byte) }
}

/// What may follow a name after `:`.
private enum Qualifier {
    case next, current, sample, released, id, other

    init(_ text: String) {
        switch text.lowercased() {
        case "next": self = .next
        case "current": self = .current
        case "sample": self = .sample
        default:
            if VersionTag(text.lowercased()) != nil {
                self = .released
            } else {
                self = !text.isEmpty && text.utf8.allSatisfy(Self.isIDByte) ? .id : .other
            }
        }
    }

    static func isIDByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: false
        }
    }
}

extension String {
    fileprivate func replacingFirst(_ part: String, with other: String) -> String {
        guard let range = firstRange(of: part) else { return self }
        return replacingCharacters(range, with: other)
    }

    private func replacingCharacters(_ range: Range<String.Index>, with other: String) -> String {
        String(self[..<range.lowerBound]) + other + String(self[range.upperBound...])
    }
}
