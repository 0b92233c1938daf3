import SyncCore
import Yams

/// The bytes of a mapping file on their way to YAML nodes.
enum YAMLText {
    /// In bytes; a mapping of a thousand folders has some 200 KB.
    static let longest = 4 << 20

    /// - Returns: the root node; `nil` where the file holds nothing but blanks and comments.
    static func compose(_ bytes: [UInt8]) throws(Finding) -> Node? {
        let text = try decode(bytes)
        do {
            // The basic resolver gives no scalar a type: 007, 1.10, yes and null stay as written. The encoding is
            // named because the default would come from an environment variable.
            return try Yams.compose(yaml: text, .basic, .default, .utf8)
        } catch let error as YamlError {
            throw YAMLSlips(text).explain(error)
        } catch {
            throw Finding(.start, "the file cannot be read as YAML", instead: "compare it with docs/mapping-file.md")
        }
    }

    /// UTF-8 without control characters; a byte order mark in front is passed over, as editors on Windows write one.
    private static func decode(_ bytes: [UInt8]) throws(Finding) -> String {
        guard bytes.count <= longest else {
            throw Finding(
                .start, "the file has \(bytes.count) bytes, and a mapping file has at most \(longest)",
                instead: "name the mapping file itself, or split it over several agents")
        }
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            throw Finding(.start, "the file is UTF-16", instead: "save it as UTF-8")
        }
        let body = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        guard let text = String(validating: body, as: UTF8.self) else {
            let valid = validPrefix(of: body)
            let byte = body.dropFirst(valid).first ?? 0
            throw Finding(
                position(after: body.prefix(valid)),
                "the byte 0x\(Digest(bytes: [byte]).hex.uppercased()) here is not UTF-8",
                instead: "save the file as UTF-8")
        }
        if let bad = text.unicodeScalars.firstIndex(where: { !isYAML($0) }) {
            let code = String(text.unicodeScalars[bad].value, radix: 16, uppercase: true)
            throw Finding(
                position(after: Array(text[..<bad].utf8)[...]),
                "the control character U+\(String(repeating: "0", count: max(0, 4 - code.count)))\(code) stands here",
                instead: "remove it; in double quotes it can be written as an escape")
        }
        return text
    }

    /// The characters that YAML 1.1 allows in a file (section 5.1).
    private static func isYAML(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D, 0x20...0x7E, 0x85, 0xA0...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD, 0x10000...0x10FFFF:
            true
        default: false
        }
    }

    private static func validPrefix(of bytes: ArraySlice<UInt8>) -> Int {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var length = 0
        while case .scalarValue(let scalar) = decoder.decode(&iterator) { length += UTF8.width(scalar) }
        return min(length, bytes.count)
    }

    private static func position(after bytes: ArraySlice<UInt8>) -> SourcePosition {
        var line = 1
        var column = 1
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            column = scalar == "\n" ? 1 : column + 1
            if scalar == "\n" { line += 1 }
        }
        return SourcePosition(line: line, column: column)
    }
}
