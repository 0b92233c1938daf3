import Yams

extension Node {
    var position: SourcePosition {
        mark.map { SourcePosition(line: $0.line, column: $0.column) } ?? .start
    }

    var isScalarNode: Bool { if case .scalar = self { true } else { false } }

    /// Null as YAML 1.2 spells it, unquoted. (Yams' own test resolves types, which this reader does not want.)
    var isNull: Bool {
        guard case .scalar(let scalar) = self, scalar.style == .plain, scalar.tag.isPlain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    /// The value on one line, for a message; long ones are cut, and what looks like a token is not shown.
    var summary: String {
        let text = summary(depth: 0)
        return text.count > 60 ? "\(text.prefix(57))…" : text
    }

    private func summary(depth: Int) -> String {
        guard depth < 3 else { return "…" }
        return switch self {
        case .scalar(let scalar): Redaction.shown(scalar.string)
        case .sequence(let sequence):
            "[\(sequence.prefix(4).map { $0.summary(depth: depth + 1) }.joined(separator: ", "))]"
        case .mapping(let mapping): "{\(mapping.prefix(4).map { Self.summary($0, depth + 1) }.joined(separator: ", "))}"
        case .alias: "…"
        }
    }

    private static func summary(_ pair: (key: Node, value: Node), _ depth: Int) -> String {
        "\(pair.key.summary(depth: depth)): \(pair.value.summary(depth: depth))"
    }
}

extension Tag {
    /// No tag of its own: what every untagged value has.
    var isPlain: Bool { Self.plain.contains(rawValue) }

    private static let plain = ["", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"]
}

/// A token is sometimes pasted where its file's name belongs; it must not be seen in the message.
enum Redaction {
    private static let neverInTokens = Array("/.*:{[ ".utf8)

    static func shown(_ text: String) -> String {
        let isOneWord = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !neverInTokens.contains($0) }
        return isOneWord && text.utf8.count >= 24 ? "<redacted>" : text
    }
}
