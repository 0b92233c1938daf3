import SyncCore
import Yams

/// Says in plain words what the YAML parser stumbled over.
struct YAMLSlips {
    private let lines: [Substring.UnicodeScalarView.SubSequence]

    init(_ text: String) {
        lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.last == "\r" ? $0.dropLast() : $0[...] }
    }

    func explain(_ error: YamlError) -> Finding {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            return explain(problem, at: mark, context: context)
        case .duplicatedKeysInMapping(let names, let context):
            let name = names.first ?? ""
            let first = SourcePosition(line: context.mark.line, column: context.mark.column)
            return Finding(
                repetition(of: name, after: first) ?? first, "`\(name)` stands here twice, first in line \(first.line)",
                instead: "keep one of them")
        case .reader(let problem, _, _, _), .writer(let problem), .emitter(let problem), .representer(let problem):
            return Finding(.start, "the file cannot be read as YAML: \(problem)", instead: "save it as UTF-8 text")
        case .dataCouldNotBeDecoded:
            return Finding(.start, "the file is not UTF-8", instead: "save it as UTF-8")
        case .no, .memory:
            return Finding(.start, "the file cannot be read as YAML", instead: "make it smaller")
        }
    }

    private func explain(_ problem: String, at mark: Mark, context: YamlError.Context?) -> Finding {
        let here = SourcePosition(line: mark.line, column: mark.column)
        let origin = context.map { SourcePosition(line: $0.mark.line, column: $0.mark.column) } ?? here
        let scanning = context?.text ?? ""
        if let slip = slipOfIndicator(problem, scanning: scanning, here: here, origin: origin) { return slip }
        switch problem {
        case _ where problem.hasPrefix("mapping values are not allowed"):
            return colonSlip(here)
        case "found unexpected end of stream" where scanning.contains("quoted"),
            "found unexpected document indicator" where scanning.contains("quoted"):
            return Finding(origin, "the quotation that begins here never ends", instead: "close it with the same quote")
        case "found unknown escape character", "did not find expected hexdecimal number":
            return Finding(
                here, "in double quotes a backslash begins an escape, and this is none",
                instead: #"write '…' in single quotes, or `\\` for a backslash"#)
        case "did not find expected ',' or ']'":
            return Finding(
                origin, "the list that begins here with `[` is not closed, or a comma is missing",
                instead: "write [\"a\", \"b\"]")
        case "did not find expected ',' or '}'":
            return Finding(
                origin, "the block that begins here with `{` is not closed, or a comma is missing",
                instead: "write {key: value}, and quote a text that begins with `{`")
        case "but found another document":
            return Finding(here, "a second document begins here with `---`", instead: "keep one document")
        case _ where problem.hasPrefix("Maximum nesting level"):
            return Finding(
                here, "lists or blocks are nested a thousand deep here",
                instead: "compare the file with docs/mapping-file.md")
        case "could not find expected ':'":
            return Finding(origin, "a colon and a blank are missing after a key", instead: "write `key: value`")
        default: return indentationSlip(problem, here)
        }
    }

    /// `*`, `&`, `%`, `@`, backtick, `!` or a tab where a value or a line begins.
    private func slipOfIndicator(
        _ problem: String, scanning: String, here: SourcePosition, origin: SourcePosition
    ) -> Finding? {
        if problem.contains("tab character") || tabIndents(here.line) && problem != "found unexpected end of stream" {
            return Finding(
                SourcePosition(line: here.line, column: (tabColumn(here.line) ?? here.column - 1) + 1),
                "a tab indents this line, and YAML allows blanks only", instead: "write two blanks for each level")
        }
        let isAlias = scanning == "while scanning an alias" || problem == "found undefined alias"
        let place = problem == "found undefined alias" ? here : origin
        if isAlias || scanning == "while scanning an anchor" {
            return quoteSlip(place, of: character(at: place).map(String.init) ?? "*")
        }
        if problem == "found character that cannot start any token", let character = character(at: here) {
            return quoteSlip(here, of: String(character))
        }
        if scanning.hasPrefix("while scanning a tag") || scanning == "while parsing a tag"
            || problem.contains("tag handle")
        {
            return quoteSlip(origin, of: "!")
        }
        if scanning.hasPrefix("while scanning a directive") || scanning.hasPrefix("while scanning a %") {
            return quoteSlip(origin, of: "%")
        }
        return nil
    }

    private func quoteSlip(_ place: SourcePosition, of indicator: String) -> Finding {
        let front = String(String.UnicodeScalarView(lineText(place.line).prefix(max(0, place.column - 1))))
        if front.drop(while: { $0 == " " || $0 == "-" }).hasPrefix("<<:") {
            return Finding(place, "`<<` (a merge) is not read here", instead: "put shared keys under `defaults`")
        }
        var value = word(at: place)
        // At the start of a line it is the key that is to be quoted.
        if front.allSatisfy({ $0 == " " }), let colon = value.firstRange(of: ": ") {
            value = String(value[..<colon.lowerBound])
        }
        return Finding(
            place, "a text that begins with `\(indicator)` must be quoted",
            instead: "write \"\(value.isEmpty ? indicator : value)\"")
    }

    /// `: ` within a value, or a line that is indented deeper than its neighbours.
    private func colonSlip(_ here: SourcePosition) -> Finding {
        let line = lineText(here.line)
        let before = line.prefix(max(0, here.column - 1))
        if let colon = before.firstIndex(of: ":"), line.distance(from: colon, to: line.endIndex) > 1 {
            let value = String(String.UnicodeScalarView(line[line.index(after: colon)...].drop { $0 == " " }))
            return Finding(here, "a text with `: ` in it must be quoted", instead: "write \"\(value)\"")
        }
        return Finding(
            here, "this line is indented as if it belonged to the one above",
            instead: "indent the keys of one block alike, and quote a text that has `: ` in it")
    }

    private func indentationSlip(_ problem: String, _ here: SourcePosition) -> Finding {
        let line = lineText(here.line)
        if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            if let first = value.first, "{[\"'".unicodeScalars.contains(first),
                here.column > line.distance(from: line.startIndex, to: colon)
            {
                return Finding(
                    here, "something follows what `\(first)` began in this line",
                    instead: "quote the whole text, as in '…'")
            }
        }
        let isIndentation =
            problem.hasPrefix("did not find expected key") || problem.contains("'-' indicator")
            || problem.contains("sequence entries")
        return isIndentation
            ? Finding(
                here, "this line fits neither the block above it nor a new one",
                instead: "indent the keys of one block alike, each as `key: value`")
            : Finding(here, "this is not YAML (\(problem))", instead: "compare the line with docs/mapping-file.md")
    }

    // MARK: The text

    private func lineText(_ line: Int) -> Substring.UnicodeScalarView.SubSequence {
        lines.indices.contains(line - 1) ? lines[line - 1] : "".unicodeScalars[...]
    }

    private func character(at place: SourcePosition) -> Unicode.Scalar? {
        lineText(place.line).dropFirst(max(0, place.column - 1)).first
    }

    /// The text from a place to the end of the item in a list, or to a comment.
    private func word(at place: SourcePosition) -> String {
        let rest = lineText(place.line).dropFirst(max(0, place.column - 1))
        let front = lineText(place.line).prefix(max(0, place.column - 1))
        var ends: Set<Unicode.Scalar> = []
        if front.contains("[") { ends.formUnion([",", "]"]) }
        if front.contains("{") { ends.formUnion([",", "}"]) }
        var word = String.UnicodeScalarView()
        for scalar in rest.prefix(80) {
            if scalar == "#", word.last == " " { break }
            if ends.contains(scalar) { break }
            word.append(scalar)
        }
        while let last = word.last, last == " " || last == "\t" { word.removeLast() }
        return String(word)
    }

    private func tabColumn(_ line: Int) -> Int? {
        let indentation = lineText(line).prefix { $0 == " " || $0 == "\t" || $0 == "-" }
        return indentation.firstIndex(of: "\t").map { indentation.distance(from: indentation.startIndex, to: $0) }
    }

    private func tabIndents(_ line: Int) -> Bool { tabColumn(line) != nil }

    /// The next line that begins with the same key at the same column.
    private func repetition(of key: String, after first: SourcePosition) -> SourcePosition? {
        for line in lines.indices.dropFirst(first.line) {
            let rest = String(String.UnicodeScalarView(lines[line].dropFirst(max(0, first.column - 1))))
            let indentation = lines[line].prefix { $0 == " " }.count
            let isKey = [key, "\"\(key)\"", "'\(key)'"].contains { rest.hasPrefix("\($0):") }
            if isKey, indentation == first.column - 1 { return SourcePosition(line: line + 1, column: first.column) }
        }
        return nil
    }
}
