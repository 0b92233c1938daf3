/// `upload_name` of a mapping: text with placeholders.
///
/// | written | becomes |
/// | --- | --- |
/// | `{path}` | the path below the folder |
/// | `{name}` | its last component |
/// | `{stem}` `{extension}` | the name before its ending, the ending without its dot (`csv.gz` is one) |
/// | `{mapping}` | the mapping's id |
/// | `{host}` | the host's name |
/// | `{{` `}}` | a brace |
public struct UploadNameTemplate: Hashable, Sendable {
    /// The template as written.
    public let text: String
    private let parts: [Part]

    private enum Part: Hashable, Sendable {
        case literal([UInt8])
        case placeholder(Placeholder)
    }

    enum Placeholder: String, CaseIterable, Sendable { case path, name, stem, `extension`, mapping, host }

    /// - Throws: what is wrong and what to write instead.
    public init(parsing text: String) throws(SpellingProblem) {
        let parts = try Self.parts(of: text)
        let namesFile = parts.contains {
            switch $0 {
            case .placeholder(.path), .placeholder(.name), .placeholder(.stem): true
            case .placeholder(.extension), .placeholder(.mapping), .placeholder(.host), .literal: false
            }
        }
        guard namesFile else {
            throw SpellingProblem(
                "`\(text)` gives every file the same name", instead: "put {path}, {name} or {stem} into it")
        }
        if text.hasPrefix("/") || text.hasSuffix("/") || text.contains("//") {
            throw SpellingProblem(
                "`\(text)` has an empty name before, between or after slashes",
                instead: "write slashes between names only")
        }
        if text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
            throw SpellingProblem("the name has a control character in it", instead: "leave it out")
        }
        self.text = text
        self.parts = parts
    }

    /// The name's raw bytes, before the tag is added. For the same file they are the same on every agent, unless the
    /// template names the host or the mapping.
    public func expand(path: RelativePath, mapping: MappingID, host: String) -> [UInt8] {
        var bytes: [UInt8] = []
        let name = Array(path.name)
        let ending = FileEnding.start(in: name)
        for part in parts {
            switch part {
            case .literal(let literal): bytes += literal
            case .placeholder(.path): bytes += path.bytes
            case .placeholder(.name): bytes += name
            case .placeholder(.stem): bytes += name[..<ending]
            case .placeholder(.extension): bytes += name[ending...].dropFirst()
            case .placeholder(.mapping): bytes += mapping.value.utf8
            case .placeholder(.host): bytes += host.utf8
            }
        }
        return bytes
    }

    // MARK: Parsing

    private static func parts(of text: String) throws(SpellingProblem) -> [Part] {
        guard !text.isEmpty else { throw SpellingProblem("the name is empty", instead: #"write "{path}""#) }
        guard text.utf8.count <= UploadName.longest else {
            throw SpellingProblem("the name has more than \(UploadName.longest) bytes", instead: "write a shorter one")
        }
        var parts: [Part] = []
        var literal: [UInt8] = []
        var rest = text[...]
        while let character = rest.popFirst() {
            switch character {
            case "{" where rest.first == "{", "}" where rest.first == "}":
                rest.removeFirst()
                literal += character.utf8
            case "{":
                guard let end = rest.firstIndex(of: "}") else {
                    throw SpellingProblem(
                        "a `{` is never closed", instead: "close it with `}`, or write `{{` for a brace")
                }
                if !literal.isEmpty { parts.append(.literal(literal)) }
                literal = []
                parts.append(.placeholder(try placeholder(String(rest[..<end]))))
                rest = rest[rest.index(after: end)...]
            case "}":
                throw SpellingProblem("a `}` closes nothing", instead: "write `}}` for a brace")
            default: literal += character.utf8
            }
        }
        return literal.isEmpty ? parts : parts + [.literal(literal)]
    }

    private static func placeholder(_ name: String) throws(SpellingProblem) -> Placeholder {
        if let placeholder = Placeholder(rawValue: name) { return placeholder }
        let all = Placeholder.allCases.map(\.rawValue)
        let nearest =
            Spelling.nearest(to: name, in: all) ?? ["ext", "suffix"].first { $0 == name }.map { _ in "extension" }
        throw SpellingProblem(
            "`{\(name)}` is not known",
            instead: nearest.map { "write {\($0)}" } ?? "write one of \(all.map { "{\($0)}" }.joined(separator: " "))")
    }
}

extension UploadNameTemplate: ExpressibleByStringLiteral {
    /// For templates that stand in the program's own text. One that is not valid is taken as plain text.
    public init(stringLiteral text: String) {
        guard let valid = try? UploadNameTemplate(parsing: text) else {
            self.text = text
            parts = [.literal(Array(text.utf8))]
            return
        }
        self = valid
    }
}

extension UploadNameTemplate: CustomStringConvertible {
    public var description: String { text }
}
