/// A strict reader of RFC 8259: a stand-in that mends what a client wrote would hide the client's mistake.
struct JSONParser {
    struct Malformed: Error, CustomStringConvertible {
        var offset: Int
        var problem: String
        var description: String { "\(problem) at byte \(offset)" }
    }

    private let input: [UInt8]
    private var position = 0
    private var depth = 0
    private static let deepest = 64

    /// Parses exactly one value. Throws ``Malformed`` for anything else, bytes after the value included.
    static func parse(_ input: [UInt8]) throws(Malformed) -> JSON {
        var parser = JSONParser(input: input)
        let value = try parser.value()
        parser.skipSpace()
        guard parser.position == input.count else { throw parser.malformed("bytes after the value") }
        return value
    }

    private init(input: [UInt8]) { self.input = input }

    private func malformed(_ problem: String) -> Malformed { Malformed(offset: position, problem: problem) }

    private var next: UInt8? { position < input.count ? input[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    private mutating func expect(_ character: Character) throws(Malformed) {
        guard next == character.asciiValue else { throw malformed("expected \(character)") }
        position += 1
    }

    private mutating func value() throws(Malformed) -> JSON {
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try nested { parser throws(Malformed) in try parser.object() }
        case UInt8(ascii: "["): return try nested { parser throws(Malformed) in try parser.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case .some: return try number()
        case .none: throw malformed("the value is missing")
        }
    }

    private mutating func nested(
        _ body: (inout JSONParser) throws(Malformed) -> JSON
    ) throws(Malformed) -> JSON {
        guard depth < Self.deepest else { throw malformed("nested too deep") }
        depth += 1
        defer { depth -= 1 }
        return try body(&self)
    }

    private mutating func word(_ word: String, _ value: JSON) throws(Malformed) -> JSON {
        guard input[position...].starts(with: word.utf8) else { throw malformed("expected \(word)") }
        position += word.utf8.count
        return value
    }

    private mutating func object() throws(Malformed) -> JSON {
        try expect("{")
        skipSpace()
        var members: [JSON.Member] = []
        if next == UInt8(ascii: "}") {
            position += 1
            return .object(members)
        }
        while true {
            skipSpace()
            let key = try string()
            guard !members.contains(where: { $0.key == key }) else { throw malformed("the key \(key) twice") }
            skipSpace()
            try expect(":")
            members.append(.init(key: key, value: try value()))
            skipSpace()
            if next == UInt8(ascii: ",") {
                position += 1
                continue
            }
            try expect("}")
            return .object(members)
        }
    }

    private mutating func array() throws(Malformed) -> JSON {
        try expect("[")
        skipSpace()
        var values: [JSON] = []
        if next == UInt8(ascii: "]") {
            position += 1
            return .array(values)
        }
        while true {
            values.append(try value())
            skipSpace()
            if next == UInt8(ascii: ",") {
                position += 1
                continue
            }
            try expect("]")
            return .array(values)
        }
    }

    private mutating func number() throws(Malformed) -> JSON {
        let start = position
        if next == UInt8(ascii: "-") { position += 1 }
        let whole = digits()
        guard whole.count == 1 || (whole.count > 1 && whole.first != UInt8(ascii: "0")) else {
            throw malformed("not a number")
        }
        var isInteger = true
        if next == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            guard !digits().isEmpty else { throw malformed("digits are missing after the point") }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isInteger = false
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            guard !digits().isEmpty else { throw malformed("digits are missing in the exponent") }
        }
        let text = String(decoding: input[start..<position], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw malformed("the number is too large") }
        return .number(value)
    }

    private mutating func digits() -> ArraySlice<UInt8> {
        let start = position
        while let byte = next, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
        return input[start..<position]
    }

    private mutating func string() throws(Malformed) -> String {
        try expect("\"")
        var bytes: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: bytes, as: UTF8.self) else { throw malformed("not UTF-8") }
                return text
            case UInt8(ascii: "\\"): try escape(into: &bytes)
            case 0..<0x20: throw malformed("a control character in a string")
            default: bytes.append(byte)
            }
        }
        throw malformed("the string does not end")
    }

    private mutating func escape(into bytes: inout [UInt8]) throws(Malformed) {
        guard let byte = next else { throw malformed("the string does not end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(byte)
        case UInt8(ascii: "b"): bytes.append(0x08)
        case UInt8(ascii: "f"): bytes.append(0x0C)
        case UInt8(ascii: "n"): bytes.append(0x0A)
        case UInt8(ascii: "r"): bytes.append(0x0D)
        case UInt8(ascii: "t"): bytes.append(0x09)
        case UInt8(ascii: "u"): bytes += String(Character(try unicodeEscape())).utf8
        default: throw malformed("an unknown escape")
        }
    }

    private mutating func unicodeEscape() throws(Malformed) -> Unicode.Scalar {
        let first = try fourHexDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A scalar beyond U+FFFF comes as two escapes; half of such a pair stands for nothing.
        guard (0xD800..<0xDC00).contains(first), input[position...].starts(with: #"\u"#.utf8) else {
            throw malformed("a lone surrogate")
        }
        position += 2
        let second = try fourHexDigits()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw malformed("a lone surrogate") }
        return scalar
    }

    private mutating func fourHexDigits() throws(Malformed) -> UInt32 {
        guard input.count - position >= 4 else { throw malformed("four hexadecimal digits are missing") }
        var value: UInt32 = 0
        for byte in input[position..<position + 4] {
            guard let digit = Hexadecimal.value(of: byte) else { throw malformed("not a hexadecimal digit") }
            value = value << 4 | UInt32(digit)
        }
        position += 4
        return value
    }
}
