import FoundationEssentials
import SyncCore

/// Machine-readable output: sorted keys, one line a value, slashes as they are, always valid UTF-8.
enum JSONText {
    static func line(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else { return "null" }
        return escapingInvisible(String(decoding: data, as: UTF8.self))
    }

    /// The encoder escapes what JSON asks for (RFC 8259, 7). Other characters that a terminal would obey, or that
    /// turn the direction of what follows, are escaped too; outside of strings JSON has none of them.
    static func escapingInvisible(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isInvisible) else { return text }
        var escaped = ""
        for scalar in text.unicodeScalars {
            if isInvisible(scalar) {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            } else {
                escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar.value >= 0x7F else { return false }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: return true
        default: return false
        }
    }
}

/// A path in JSON: as text, and beside it as bytes where it is no UTF-8.
struct PathText: Hashable {
    /// The path itself where it is UTF-8; else a readable form of it.
    let text: String
    /// Its bytes where it is not.
    let base64: String?

    init(_ bytes: [UInt8]) {
        if let text = String(validating: bytes, as: UTF8.self) {
            self.text = text
            base64 = nil
        } else {
            text = RelativePath.printable(bytes)
            base64 = Data(bytes).base64EncodedString()
        }
    }
}
