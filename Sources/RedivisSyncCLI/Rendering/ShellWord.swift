import SyncCore

/// A path as it can be pasted into a shell, whatever bytes it has.
enum ShellWord {
    static func of(_ bytes: [UInt8]) -> String {
        guard !bytes.isEmpty else { return "''" }
        if bytes.allSatisfy(isPlain), bytes.first != UInt8(ascii: "-") { return String(decoding: bytes, as: UTF8.self) }
        if let text = String(validating: bytes, as: UTF8.self), text.printable == text {
            return "'\(text.replacing("'", with: "'\\''"))'"
        }
        // Bytes that no terminal should see: the quoting of bash and POSIX.1-2024 that spells them.
        let spelled = bytes.map { byte in
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "'"): "\\" + String(Unicode.Scalar(byte))
            case 0x20..<0x7F: String(Unicode.Scalar(byte))
            // Three octal digits: the next character can never be taken for part of it.
            default: "\\" + String(byte, radix: 8).paddedWithZeros(to: 3)
            }
        }
        return "$'\(spelled.joined())'"
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "/._-+:@%,=".utf8.contains(byte)
        }
    }
}

extension String {
    fileprivate func paddedWithZeros(to width: Int) -> String {
        String(repeating: "0", count: max(width - count, 0)) + self
    }
}
