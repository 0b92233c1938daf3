import SyncCore

/// Columns that text takes on a terminal: most characters one, those of East Asian scripts and emoji two, marks none.
enum DisplayWidth {
    static func of(_ text: some StringProtocol) -> Int {
        text.reduce(0) { $0 + of($1) }
    }

    static func of(_ character: Character) -> Int {
        character.unicodeScalars.map(of).max() ?? 0
    }

    private static func of(_ scalar: Unicode.Scalar) -> Int {
        if scalar.isASCII { return 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: return isWide(scalar) ? 2 : 1
        }
    }

    /// The blocks whose characters are Wide or Fullwidth (Unicode Standard Annex 11).
    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF,
            0x20000...0x3FFFD:
            true
        default: false
        }
    }

    /// Cut in front where it is wider than `room`: the end of a path says more than its beginning.
    static func keepingEnd(_ text: String, _ room: Int) -> String {
        guard of(text) > room else { return text }
        var kept: [Character] = []
        var width = 1
        for character in text.reversed() {
            width += of(character)
            guard width <= room else { break }
            kept.append(character)
        }
        return "…" + String(kept.reversed())
    }

    /// Cut at the end where it is wider than `room`.
    static func keepingStart(_ text: String, _ room: Int) -> String {
        guard of(text) > room else { return text }
        var kept = ""
        var width = 1
        for character in text {
            width += of(character)
            guard width <= room else { break }
            kept.append(character)
        }
        return kept + "…"
    }

    /// Broken between words into lines of at most `room` columns; a word that is longer stays whole, so that what
    /// is to be copied can be.
    static func wrapped(_ text: String, _ room: Int?) -> [String] {
        guard let room, of(text) > room else { return [text] }
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if line.isEmpty {
                line = String(word)
            } else if of(line) + 1 + of(word) <= room {
                line += " " + word
            } else {
                lines.append(line)
                line = String(word)
            }
        }
        return lines + [line]
    }
}

extension String {
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(width - DisplayWidth.of(self), 0))
    }

    func paddedInFront(to width: Int) -> String {
        String(repeating: " ", count: max(width - DisplayWidth.of(self), 0)) + self
    }

    /// On one line and safe for a terminal: names, and words that came from a server, may hold anything.
    var printable: String { RelativePath.printable(utf8) }
}
