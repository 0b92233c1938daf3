import SyncCore
import SystemPackage

/// Reads texts as values. Blocks and lists are read by `NodeReader`.
struct TextReader: Sendable {
    /// The directory of the mapping file; absolute.
    let directory: FilePath

    /// - Returns: `nil` where the kind is a block or a list.
    func read(_ text: String, as kind: ValueKind) throws(SpellingProblem) -> SettingValue? {
        switch kind {
        case .version:
            guard text == "1" else {
                throw SpellingProblem("`version: \(text)` is not known to this program", instead: "write `version: 1`")
            }
            return .number(1)
        case .api: return .text(try WebAddress.api(text))
        case .path: return .path(try path(text))
        case .folder: return .path(try folder(text))
        case .count(let range): return .number(try count(text, in: range))
        case .size: return .number(try ByteSize.parse(text))
        case .inlineSize: return .number(try inlineSize(text))
        case .chunkSize: return .number(try chunkSize(text))
        case .marker:
            guard ReadyMarker(text) == nil else { return .text(text) }
            throw SpellingProblem("`\(text)` is no name of a marker", instead: #"write "{name}.done""#)
        case .duration(let orOff): return try duration(text, orOff: orOff)
        case .choice(let choices): return .text(try choice(text, of: choices))
        case .formatType: return .text(try formatType(text))
        case .flag: return .flag(try flag(text))
        case .table: return .table(try TableReference(parsing: text))
        case .uploadName: return .uploadName(try UploadNameTemplate(parsing: text))
        case .character: return .text(try character(text))
        case .requestRate: return try RequestRateText.read(text)
        case .listener, .webAddress, .release, .window, .bandwidth, .createTable, .afterDelivery:
            return try LaterValues.read(text, as: kind)
        case .patterns, .hosts, .texts, .format, .defaults, .mappings: return nil
        }
    }

    // MARK: Paths

    private func path(_ text: String) throws(SpellingProblem) -> FilePath {
        try refusePathSlips(text)
        return directory.pushing(FilePath(text)).lexicallyNormalized()
    }

    private func folder(_ text: String) throws(SpellingProblem) -> FilePath {
        try refusePathSlips(text)
        let path = FilePath(text)
        guard path.isAbsolute else {
            let rest = text.hasPrefix("./") ? String(text.dropFirst(2)) : text
            throw SpellingProblem(
                "`\(text)` is a relative folder", instead: "write it from the root, as in /data/\(rest)")
        }
        // What `..` leads to depends on symbolic links; two spellings of one folder must not look like two.
        guard !path.components.contains(where: { $0.kind == .parentDirectory }) else {
            throw SpellingProblem("`\(text)` has `..` in it", instead: "write \(path.lexicallyNormalized())")
        }
        return path.lexicallyNormalized()
    }

    private func refusePathSlips(_ text: String) throws(SpellingProblem) {
        guard !text.isEmpty, !text.utf8.contains(0) else {
            throw SpellingProblem("the path is empty", instead: "write an absolute path")
        }
        if text == "~" || text.hasPrefix("~/") {
            throw SpellingProblem(
                "`~` is not expanded here", instead: "write the path from the root, as in /home/NAME\(text.dropFirst())"
            )
        }
        if text.hasPrefix("$") {
            throw SpellingProblem(
                "variables such as `\(text.prefix { $0 != "/" })` are not expanded here",
                instead: "write the path from the root")
        }
        if text.hasPrefix("file://") {
            throw SpellingProblem("this is an address, not a path", instead: "write \(text.dropFirst(7))")
        }
    }

    // MARK: Numbers and words

    private func count(_ text: String, in range: ClosedRange<Int64>) throws(SpellingProblem) -> Int64 {
        guard let number = Int64(text), !text.hasPrefix("+") else {
            throw SpellingProblem(
                "`\(text)` is no whole number", instead: "write one from \(range.lowerBound) to \(range.upperBound)")
        }
        guard range.contains(number) else {
            let nearest = min(max(number, range.lowerBound), range.upperBound)
            throw SpellingProblem(
                "\(number) is not from \(range.lowerBound) to \(range.upperBound)", instead: "write \(nearest)")
        }
        return number
    }

    private func inlineSize(_ text: String) throws(SpellingProblem) -> Int64 {
        let size = try ByteSize.parse(text)
        guard size <= 16 << 20 else {
            throw SpellingProblem(
                "`\(text)` is more than 16MiB, and such files are held in memory", instead: "write 16MiB or less")
        }
        return size
    }

    /// Storage takes chunks of whole 256 KiB only (api.md 6.2).
    private func chunkSize(_ text: String) throws(SpellingProblem) -> Int64 {
        let unit: Int64 = 256 << 10
        let largest: Int64 = 1 << 40
        let size = try ByteSize.parse(text)
        let held = min(max(size, unit), largest)
        let nearest = (held + unit / 2) / unit * unit
        guard size == nearest else {
            throw SpellingProblem(
                size == held ? "`\(text)` is no multiple of 256KiB" : "`\(text)` is not from 256KiB to 1024GiB",
                instead: "write \(ByteSize.text(nearest))")
        }
        return size
    }

    private func duration(_ text: String, orOff: Bool) throws(SpellingProblem) -> SettingValue {
        if orOff, text == "off" { return .text(text) }
        let duration = try DurationText.parse(text)
        let longest = Duration.seconds(366 * 86_400)
        guard duration <= longest else {
            throw SpellingProblem(
                "`\(text)` is more than a year", instead: "write \(DurationText.text(longest)) or less")
        }
        return .duration(duration)
    }

    private func choice(_ text: String, of choices: [String]) throws(SpellingProblem) -> String {
        if choices.contains(text) { return text }
        let nearest = Spelling.nearest(to: text, in: choices)
        throw SpellingProblem(
            "`\(text)` is not known here", instead: "write \(nearest ?? "one of \(choices.joined(separator: ", "))")")
    }

    private func formatType(_ text: String) throws(SpellingProblem) -> String {
        let other = ["csv", "tsv", "psv", "txt", "tab", "dsv"].contains(text.lowercased()) ? "delimited" : nil
        guard let other else { return try choice(text, of: Schema.formatTypes) }
        throw SpellingProblem("Redivis calls the type `\(text)` delimited", instead: "write \(other)")
    }

    private func flag(_ text: String) throws(SpellingProblem) -> Bool {
        switch text {
        case "true": return true
        case "false": return false
        default:
            let word = text.lowercased()
            let nearest =
                ["yes", "on", "y", "1", "true", "t"].contains(word)
                ? "true"
                : ["no", "off", "n", "0", "false", "f"].contains(word) ? "false" : "true or false"
            throw SpellingProblem("`\(text)` is neither true nor false", instead: "write \(nearest)")
        }
    }

    /// One character, or none.
    private func character(_ text: String) throws(SpellingProblem) -> String {
        if text.unicodeScalars.count <= 1 { return text }
        let escapes = [#"\t"#: #""\t""#, "tab": #""\t""#, "comma": #"",""#, "semicolon": #"";""#, "pipe": #""|""#]
        throw SpellingProblem(
            "`\(text)` is more than one character", instead: "write \(escapes[text.lowercased()] ?? "one, as in \",\"")"
        )
    }
}
