/// A piece of a glob, as parsed.
indirect enum GlobNode: Hashable, Sendable {
    case byte(UInt8)
    /// `?`
    case character
    /// `*`
    case characters
    case set(GlobSet)
    case anyOf([[GlobNode]])
    /// `**/`: any number of whole names, each with the slash behind it.
    case folders
    /// `**` at the end: one byte or more, slashes included.
    case everything
}

/// `[…]`: ranges of characters. A byte that is not UTF-8 is the number 0x110000 + byte, beyond all of Unicode.
struct GlobSet: Hashable, Sendable {
    let isNegated: Bool
    let ranges: [ClosedRange<UInt32>]

    func contains(_ unit: UInt32) -> Bool {
        ranges.contains { $0.contains(unit) } != isNegated
    }
}

/// Reads a glob from its text and says what is wrong with it.
struct GlobParser {
    struct Parsed {
        var nodes: [GlobNode]
        /// The nodes before a final `/**`.
        var head: [GlobNode]?
        var hasSlash: Bool
    }

    static let longest = 1024
    private static let deepest = 8

    private let text: [Unicode.Scalar]
    private var position = 0
    private var hasSlash = false
    private var head: [GlobNode]?

    private init(_ text: [Unicode.Scalar]) {
        self.text = text
    }

    static func parse(_ text: String) throws(SpellingProblem) -> Parsed {
        try refuseSlips(text)
        var parser = GlobParser(Array(text.unicodeScalars))
        // A slash in front says "from the folder down", which every pattern with a slash is.
        if parser.peek == "/" {
            parser.position += 1
            parser.hasSlash = true
        }
        let nodes = try parser.sequence(depth: 0)
        return Parsed(nodes: nodes, head: parser.head, hasSlash: parser.hasSlash)
    }

    // MARK: Slips of whole patterns

    private static func refuseSlips(_ text: String) throws(SpellingProblem) {
        guard !text.isEmpty, text != "/" else {
            throw SpellingProblem("the pattern is empty", instead: #"write "**" for every file"#)
        }
        guard text.utf8.count <= longest else {
            throw SpellingProblem("the pattern has more than \(longest) bytes", instead: "split it into several")
        }
        guard !text.utf8.contains(0) else {
            throw SpellingProblem("no name has a NUL in it", instead: "write the pattern without it")
        }
        if text.hasPrefix("!") {
            throw SpellingProblem(
                "a `!` in front does not turn a pattern round",
                instead: "write the pattern without it under `exclude` or `include`, or `\\!` for a name that begins so"
            )
        }
        if text.hasSuffix("/"), !text.hasSuffix("\\/") {
            let folder = text.drop { $0 == "/" }.dropLast(while: "/")
            throw SpellingProblem(
                "`\(text)` ends in a slash, and no file does",
                instead: "write `/\(folder)/**` for everything below that folder")
        }
        if text.contains("//") {
            throw SpellingProblem("`\(text)` has an empty name between two slashes", instead: "write one `/`")
        }
        let names = text.split(separator: "/")
        if names.contains(".") || names.contains("..") {
            let rest = names.filter { $0 != "." && $0 != ".." }.joined(separator: "/")
            throw SpellingProblem(
                "`.` and `..` are no names of files below the folder",
                instead: rest.isEmpty ? #"write "**""# : "write `\(text.hasPrefix("./") ? "/" : "")\(rest)`")
        }
    }

    // MARK: Reading

    private var peek: Unicode.Scalar? { position < text.count ? text[position] : nil }

    private func peek(_ offset: Int) -> Unicode.Scalar? {
        text.indices.contains(position + offset) ? text[position + offset] : nil
    }

    private mutating func take() -> Unicode.Scalar? {
        guard let scalar = peek else { return nil }
        position += 1
        return scalar
    }

    /// Up to the end, or up to `,` or `}` within braces.
    private mutating func sequence(depth: Int) throws(SpellingProblem) -> [GlobNode] {
        var nodes: [GlobNode] = []
        while let scalar = peek {
            if depth > 0, scalar == "," || scalar == "}" { break }
            position += 1
            switch scalar {
            case "\\": nodes += try escape().map { .byte($0) }
            case "?": nodes.append(.character)
            case "[": nodes.append(.set(try set()))
            case "{": nodes.append(.anyOf(try alternatives(depth: depth + 1)))
            case "*" where peek == "*": try stars(into: &nodes, depth: depth)
            case "*": nodes.append(.characters)
            case "/":
                hasSlash = true
                nodes.append(.byte(UInt8(ascii: "/")))
            default: nodes += UTF8.encode(scalar).map { Array($0) }?.map { .byte($0) } ?? []
            }
        }
        return nodes
    }

    /// `**`, of which the first star was taken.
    private mutating func stars(into nodes: inout [GlobNode], depth: Int) throws(SpellingProblem) {
        let before = peek(-2)
        position += 1
        let after = peek
        guard depth == 0 else {
            throw SpellingProblem("`**` stands within braces", instead: "write a pattern for each alternative")
        }
        guard before == nil || before == "/", after == nil || after == "/" else {
            throw SpellingProblem(
                "`**` stands for whole folders, and here it is part of a name",
                instead: "write `*` within a name, or `**/` in front of it for any folder")
        }
        if after == "/" {
            position += 1
            hasSlash = true
            // Twice the same is once the same.
            if nodes.last != .folders { nodes.append(.folders) }
        } else {
            if nodes.last == .byte(UInt8(ascii: "/")) { head = Array(nodes.dropLast()) }
            nodes.append(.everything)
        }
    }

    /// What follows a backslash: `xE9` is a byte, punctuation is itself.
    private mutating func escape() throws(SpellingProblem) -> [UInt8] {
        guard let scalar = take() else {
            throw SpellingProblem("a backslash ends the pattern", instead: #"write `\\` for a backslash"#)
        }
        if scalar == "x" {
            guard let high = peek?.hexValue, let low = peek(1)?.hexValue, high > 0 || low > 0 else {
                throw SpellingProblem(#"`\x` wants two hex digits, not 00"#, instead: #"write a byte as in `\xE9`"#)
            }
            position += 2
            let byte = high << 4 | low
            guard byte != UInt8(ascii: "/") else {
                throw SpellingProblem(#"`\x2F` is a slash"#, instead: "write `/`")
            }
            return [byte]
        }
        guard !scalar.properties.isAlphabetic, scalar.properties.numericType == nil, scalar != "/" else {
            throw SpellingProblem(
                "`\\\(scalar)` means nothing here",
                instead: #"write `/` between folders, and `\\` for a backslash in a name"#)
        }
        return UTF8.encode(scalar).map { Array($0) } ?? []
    }

    /// `[…]`, of which the bracket was taken.
    private mutating func set() throws(SpellingProblem) -> GlobSet {
        if peek == "^" {
            throw SpellingProblem("`[^` is not how a set is turned round", instead: #"write `[!…]`, or `[\^…]`"#)
        }
        let isClass = peek == "[" && peek(1) == ":" || peek == ":" && text[position...].dropFirst(2).contains(":")
        if isClass {
            throw SpellingProblem(
                "classes such as `[:alpha:]` are not known", instead: "write ranges, as in `[a-zA-Z]`")
        }
        let isNegated = peek == "!"
        if isNegated { position += 1 }
        var ranges: [ClosedRange<UInt32>] = []
        while let scalar = peek, scalar != "]" || ranges.isEmpty {
            let low = try setUnit()
            guard peek == "-", peek(1) != "]", peek(1) != nil else {
                ranges.append(low...low)
                continue
            }
            position += 1
            let high = try setUnit()
            guard low <= high else {
                throw SpellingProblem("a range in `[…]` runs backwards", instead: "write the smaller end first")
            }
            ranges.append(low...high)
        }
        guard take() == "]" else {
            throw SpellingProblem("a `[` is never closed", instead: #"close it with `]`, or write `\[`"#)
        }
        return GlobSet(isNegated: isNegated, ranges: ranges)
    }

    private mutating func setUnit() throws(SpellingProblem) -> UInt32 {
        guard let scalar = take() else {
            throw SpellingProblem("a `[` is never closed", instead: #"close it with `]`, or write `\[`"#)
        }
        guard scalar != "/" else {
            throw SpellingProblem("a `/` stands in `[…]`, and no name has one", instead: "write it outside")
        }
        guard scalar == "\\" else { return scalar.value }
        let bytes = try escape()
        if bytes.count == 1, let byte = bytes.first { return GlobUnit.number(ofLone: byte) }
        return GlobUnit.next(in: bytes[...])?.number ?? 0
    }

    /// `{a,b}`, of which the brace was taken.
    private mutating func alternatives(depth: Int) throws(SpellingProblem) -> [[GlobNode]] {
        guard depth <= Self.deepest else {
            throw SpellingProblem("braces stand \(depth) deep", instead: "split the pattern into several")
        }
        var alternatives: [[GlobNode]] = []
        while true {
            alternatives.append(try sequence(depth: depth))
            switch take() {
            case ",": continue
            case "}":
                guard alternatives.count > 1 else {
                    throw SpellingProblem(
                        "`{…}` holds one alternative only", instead: #"write `{a,b}`, or `\{` for a brace in a name"#)
                }
                return alternatives
            default:
                throw SpellingProblem("a `{` is never closed", instead: #"close it with `}`, or write `\{`"#)
            }
        }
    }
}

extension Unicode.Scalar {
    fileprivate var hexValue: UInt8? {
        guard isASCII else { return nil }
        return Character(self).hexDigitValue.map { UInt8($0) }
    }
}

extension Substring {
    fileprivate func dropLast(while character: Character) -> Substring {
        var rest = self
        while rest.last == character { rest.removeLast() }
        return rest
    }
}
