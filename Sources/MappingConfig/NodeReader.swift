import SyncCore
import SystemPackage
import Yams

/// A value and where it stands.
struct Placed<Value: Sendable>: Sendable {
    let value: Value
    let position: SourcePosition
}

typealias Block = [String: Placed<SettingValue>]

/// Walks the nodes of a mapping file along the schema, and goes on after each problem, so that one pass finds all.
struct NodeReader {
    let text: TextReader
    private(set) var findings: [Finding] = []

    init(directory: FilePath) {
        text = TextReader(directory: directory)
    }

    mutating func report(_ position: SourcePosition, _ what: String, instead: String) {
        findings.append(Finding(position, what, instead: instead))
    }

    // MARK: Blocks

    /// Key, its position and value, each key once.
    mutating func pairs(of node: Node, what: String) -> [(key: Placed<String>, value: Node)]? {
        guard case .mapping(let mapping) = node, mapping.tag.isPlain else {
            report(
                node.position, "`\(what)` holds no keys",
                instead: "write `key: value` lines below it, indented by two blanks")
            return nil
        }
        var seen: [String: SourcePosition] = [:]
        var pairs: [(key: Placed<String>, value: Node)] = []
        for (keyNode, value) in mapping {
            guard case .scalar(let scalar) = keyNode else {
                report(
                    keyNode.position, "a key is no text",
                    instead: "write `key: value`, and quote a text that begins with `{` or `[`")
                continue
            }
            let name = scalar.string
            if let first = seen[name] {
                report(
                    keyNode.position, "`\(name)` stands here twice, first in line \(first.line)",
                    instead: "keep one of them")
                continue
            }
            seen[name] = keyNode.position
            pairs.append((Placed(value: name, position: keyNode.position), value))
        }
        return pairs
    }

    /// Reads the keys of one scope. What is unknown is reported and left out; what is not valid is reported and
    /// stays as `invalid`.
    mutating func block(_ node: Node, scope: SchemaKey.Scope, what: String) -> Block {
        guard let pairs = pairs(of: node, what: what) else { return [:] }
        var block: Block = [:]
        for (name, node) in pairs {
            guard let key = Schema.keys(in: scope).first(where: { $0.name == name.value }) else {
                reportUnknown(name, scope: scope)
                continue
            }
            let read = value(node, of: key).flatMap { isSupported($0, node, key) ? $0 : nil }
            block[key.name] = Placed(value: read ?? .invalid, position: node.position)
        }
        return block
    }

    private mutating func reportUnknown(_ name: Placed<String>, scope: SchemaKey.Scope) {
        let text = name.value
        if text == "<<" {
            report(name.position, "`<<` (a merge) is not read here", instead: "put shared keys under `defaults`")
        } else if text == "token" {
            report(
                name.position, "a token does not belong in this file, which others may read",
                instead: "put it into a file with mode 0600 and name that as `token_file`")
        } else if let other = SchemaKey.Scope.allCases.first(where: { scope in
            Schema.keys(in: scope).contains { $0.name == text }
        }), text != "mappings" {
            let place =
                switch other {
                case .file: "at the top of the file"
                case .mapping: "under a mapping or under `defaults`"
                case .format: "under `format` of a mapping"
                }
            report(name.position, "`\(text)` does not belong here", instead: "write it \(place)")
        } else {
            let names = Schema.keys(in: scope).map(\.name)
            let known = Schema.otherNames[text].flatMap { names.contains($0) ? $0 : nil }
            let nearest = known ?? Spelling.nearest(to: text, in: names)
            report(
                name.position, "there is no key `\(text)` here",
                instead: nearest.map { "write `\($0)`" } ?? "write one of \(names.joined(separator: ", "))")
        }
    }

    // MARK: Values

    /// `nil` where the value is not valid; the reason is reported.
    mutating func value(_ node: Node, of key: SchemaKey) -> SettingValue? {
        if node.isNull {
            // Nothing behind the colon is more often a slip (`delimiter: ,` in braces) than a wish for null.
            if key.allowsNull, node.scalar?.string.isEmpty == false { return SettingValue.none }
            if case .format = key.kind { return .format(UploadFormat()) }
            report(
                node.position, "`\(key.name)` has no value",
                instead: key.defaultText.map { "write `\(key.name): \($0)`, or leave it out" } ?? "write one")
            return nil
        }
        switch key.kind {
        case .patterns: return patterns(node, of: key)
        case .hosts:
            return list(node, of: key) { text throws(SpellingProblem) in try WebAddress.host(text) }.map { .texts($0) }
        case .texts: return list(node, of: key) { text throws(SpellingProblem) in text }.map { .texts($0) }
        case .format: return format(node)
        case .bandwidth where !node.isScalarNode, .createTable where !node.isScalarNode,
            .afterDelivery where !node.isScalarNode:
            return laterBlock(node, of: key)
        default: return scalar(node, of: key)
        }
    }

    private mutating func scalar(_ node: Node, of key: SchemaKey) -> SettingValue? {
        guard let string = string(node, of: key.name, example: key.kind) else { return nil }
        do throws(SpellingProblem) {
            return try text.read(string, as: key.kind)
        } catch {
            report(error, at: node, key, written: string)
            return nil
        }
    }

    private mutating func report(_ problem: SpellingProblem, at node: Node, _ key: SchemaKey, written: String) {
        let shown = Redaction.shown(written)
        func clean(_ text: String) -> String { shown == written ? text : text.replacing(written, with: shown) }
        report(node.position, "`\(key.name)`: \(clean(problem.what))", instead: clean(problem.instead))
    }

    /// The text of a scalar as it was written; anything else is reported.
    private mutating func string(_ node: Node, of name: String, example: ValueKind? = nil) -> String? {
        guard case .scalar(let scalar) = node else {
            if case .mapping(let mapping) = node, let (key, value) = mapping.first, value.isNull,
                let word = key.scalar?.string
            {
                report(
                    node.position, "`\(name)`: a text that begins with `{` must be quoted",
                    instead: "write \"{\(word)}\"")
            } else {
                report(
                    node.position, "`\(name)` takes one value, not a list or a block",
                    instead: "write it behind the colon")
            }
            return nil
        }
        guard scalar.tag.isPlain else {
            report(
                node.position, "`\(name)`: a text that begins with `!` must be quoted",
                instead: "write \"\(scalar.tag.rawValue)\(scalar.string)\"")
            return nil
        }
        if scalar.style == .literal || scalar.style == .folded, scalar.string.isEmpty {
            let sign = scalar.style == .literal ? "|" : ">"
            report(node.position, "`\(name)`: a lone `\(sign)` begins a block of text", instead: "write \"\(sign)\"")
            return nil
        }
        return scalar.string
    }

    private mutating func list<Item>(
        _ node: Node, of key: SchemaKey, read: (String) throws(SpellingProblem) -> Item
    ) -> [Item]? {
        guard case .sequence(let sequence) = node else {
            guard let written = string(node, of: key.name) else { return nil }
            report(node.position, "`\(key.name)` takes a list", instead: "write [\"\(written)\"]")
            return nil
        }
        let before = findings.count
        var items: [Item] = []
        for item in sequence {
            if item.isNull, key.kind != .texts || item.scalar?.string.isEmpty == true {
                report(
                    item.position, "`\(key.name)` has an empty item",
                    instead: "remove it, or write \"\" for an empty text")
                continue
            }
            guard let string = string(item, of: key.name) else { continue }
            do throws(SpellingProblem) {
                items.append(try read(string))
            } catch {
                report(error, at: item, key, written: string)
            }
        }
        return findings.count == before ? items : nil
    }

    private mutating func patterns(_ node: Node, of key: SchemaKey) -> SettingValue? {
        let patterns = list(node, of: key) { text throws(SpellingProblem) in try PathPattern(parsing: text) }
        guard let patterns else { return nil }
        if patterns.isEmpty, key.name == "include" {
            report(
                node.position, "`include` without a pattern takes no file", instead: "write [\"**\"], or leave it out")
            return nil
        }
        return .patterns(patterns)
    }

    private mutating func format(_ node: Node) -> SettingValue {
        let block = block(node, scope: .format, what: "format")
        func text(_ name: String) -> String? { if case .text(let text) = block[name]?.value { text } else { nil } }
        func flag(_ name: String) -> Bool? { if case .flag(let flag) = block[name]?.value { flag } else { nil } }
        var format = UploadFormat()
        format.type = text("type")
        format.delimiter = text("delimiter")
        format.hasHeaderRow = flag("header_row")
        format.quoteCharacter = text("quote_character")
        format.escapeCharacter = text("escape_character")
        format.hasQuotedNewlines = flag("quoted_newlines")
        format.allowJaggedRows = flag("jagged_rows")
        format.skipBadRecords = flag("skip_bad_records")
        if case .texts(let texts) = block["null_markers"]?.value { format.nullMarkers = texts }
        return .format(format)
    }

    // MARK: What comes in a later version

    /// The blocks of keys that accept their default only: held against their keys, so that a slip is not taken for a
    /// wish that a later version will grant.
    private mutating func laterBlock(_ node: Node, of key: SchemaKey) -> SettingValue? {
        let blocks: [Node]
        if key.kind == .bandwidth {
            guard case .sequence(let sequence) = node else {
                report(
                    node.position, "`bandwidth` takes a rate or a list",
                    instead: "write 20MB/s, or [{from: \"08:00\", limit: 5MB/s}]")
                return nil
            }
            blocks = Array(sequence)
        } else {
            blocks = [node]
        }
        let known: [String] =
            switch key.kind {
            case .bandwidth: ["from", "days", "limit"]
            case .createTable: ["merge_strategy", "description"]
            default: ["move", "delete_after"]
            }
        let before = findings.count
        for block in blocks {
            for (name, _) in pairs(of: block, what: key.name) ?? [] where !known.contains(name.value) {
                report(
                    name.position, "there is no key `\(name.value)` under `\(key.name)`",
                    instead: "write one of \(known.joined(separator: ", "))")
            }
        }
        return findings.count == before ? .block(node.summary) : nil
    }

    private mutating func isSupported(_ value: SettingValue, _ node: Node, _ key: SchemaKey) -> Bool {
        let remedy: String
        switch key.support {
        case .works: return true
        case .values(let values):
            guard case .text(let text) = value, !values.contains(text) else { return true }
            remedy = "write \(values.joined(separator: " or "))"
        case .defaultOnly:
            let standard = key.defaultText ?? ""
            guard value != Self.defaults[key.scope]?[key.name] else { return true }
            remedy = "leave it out, or write `\(key.name): \(standard)`"
        }
        report(node.position, "`\(key.name): \(node.summary)` is not supported by this version", instead: remedy)
        return false
    }

    /// The defaults as the same reader reads them; none for keys that must be there.
    static let defaults: [SchemaKey.Scope: [String: SettingValue]] = Dictionary(
        uniqueKeysWithValues: SchemaKey.Scope.allCases.map { scope in
            let values = Schema.keys(in: scope).compactMap { key in defaultValue(of: key).map { (key.name, $0) } }
            return (scope, Dictionary(uniqueKeysWithValues: values))
        })

    private static func defaultValue(of key: SchemaKey) -> SettingValue? {
        guard let text = key.defaultText, let node = try? Yams.compose(yaml: text, .basic, .default, .utf8) else {
            return nil
        }
        var reader = NodeReader(directory: "/")
        return reader.value(node, of: key)
    }
}
