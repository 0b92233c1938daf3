/// Why a text of the mapping file is not what it should be: what is wrong, and what to write instead.
public struct SpellingProblem: Error, Hashable, Sendable, CustomStringConvertible {
    public let what: String
    public let instead: String

    public init(_ what: String, instead: String) {
        self.what = what
        self.instead = instead
    }

    public var description: String { "\(what); \(instead)" }
}

/// Finds the spelling that somebody most likely meant.
public enum Spelling {
    /// The candidate with the fewest edits from `text`, where they are few enough to be a slip: at most a third of
    /// the letters. Case and `-` against `_` count as nothing. Of equals, the first.
    public static func nearest(to text: String, in candidates: some Sequence<String>) -> String? {
        let wanted = folded(text)
        guard !wanted.isEmpty, wanted.count <= 64 else { return nil }
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let distance = distance(wanted, folded(candidate))
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        guard let best, best.distance <= max(1, min(wanted.count, best.name.utf8.count) / 3) else { return nil }
        return best.name
    }

    private static func folded(_ text: String) -> [UInt8] {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
            case UInt8(ascii: "-"), UInt8(ascii: " "): UInt8(ascii: "_")
            default: byte
            }
        }
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn one into the other (the restricted
    /// Damerau–Levenshtein distance).
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast = [Int](repeating: 0, count: right.count + 1)
        var last = Array(0...right.count)
        for (row, byte) in left.enumerated() {
            var current = [row + 1]
            current.reserveCapacity(right.count + 1)
            for (column, other) in right.enumerated() {
                var cost = min(last[column + 1] + 1, current[column] + 1, last[column] + (byte == other ? 0 : 1))
                let swapped = row > 0 && column > 0 && byte == right[column - 1] && left[row - 1] == other
                if swapped { cost = min(cost, beforeLast[column - 1] + 1) }
                current.append(cost)
            }
            (beforeLast, last) = (last, current)
        }
        return last.last ?? 0
    }
}
