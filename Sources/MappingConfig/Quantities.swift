import SyncCore

/// Sizes: a whole number of bytes, as `64MiB`, `20MB`, `1.5GiB`, `0`.
enum ByteSize {
    private static let units: [(name: String, bytes: Int64)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000),
        ("B", 1),
    ]

    static func parse(_ text: String) throws(SpellingProblem) -> Int64 {
        let (number, unit) = Quantity.split(text)
        if unit.isEmpty || units.contains(where: { $0.name == unit }) {
            let bytes = units.first { $0.name == unit }?.bytes ?? 1
            if let size = Quantity.multiply(number, by: bytes) { return size }
            throw SpellingProblem(
                "`\(text)` is no whole number of bytes", instead: "write a size such as 64MiB, 20MB or 4096")
        }
        throw SpellingProblem("`\(text)` is no size", instead: "write \(nearest(number, unit))")
    }

    private static func nearest(_ number: Substring, _ unit: Substring) -> String {
        let wanted = unit.filter { $0 != " " }.lowercased()
        let match =
            units.first { $0.name.lowercased() == wanted }?.name
            ?? ["k": "KB", "m": "MB", "g": "GB", "ki": "KiB", "mi": "MiB", "gi": "GiB", "byte": "B", "bytes": "B"][
                wanted]
        if let match, Quantity.multiply(number, by: 1 << 10) != nil {
            return match == "B" ? String(number) : "\(number)\(match)"
        }
        if let terabytes = Int64(number), terabytes < 1000, wanted == "tb" || wanted == "t" {
            return "\(terabytes * 1000)GB"
        }
        if let terabytes = Int64(number), terabytes < 1000, wanted == "tib" || wanted == "ti" {
            return "\(terabytes * 1024)GiB"
        }
        return "a number with KB, MB, GB (powers of 1000) or KiB, MiB, GiB (of 1024), as in 64MiB"
    }

    /// The shortest exact spelling.
    static func text(_ bytes: Int64) -> String {
        guard bytes > 0, let unit = units.first(where: { bytes.isMultiple(of: $0.bytes) }) else { return String(bytes) }
        return unit.bytes == 1 ? String(bytes) : "\(bytes / unit.bytes)\(unit.name)"
    }
}

/// Durations: `250ms`, `30s`, `2m`, `1h`, `7d`.
public enum DurationText {
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
    ]

    /// - Throws: what is wrong with it, and what to write instead.
    public static func parse(_ text: String) throws(SpellingProblem) -> Duration {
        let (number, unit) = Quantity.split(text)
        if let unit = units.first(where: { $0.name == unit }) {
            if let milliseconds = Quantity.multiply(number, by: unit.milliseconds) {
                return .milliseconds(milliseconds)
            }
            throw SpellingProblem("`\(text)` is no whole number of milliseconds", instead: "write a time such as 30s")
        }
        throw SpellingProblem(
            number.isEmpty || !unit.isEmpty ? "`\(text)` is no time" : "`\(text)` has no unit",
            instead: "write \(nearest(text, number, unit))")
    }

    private static func nearest(_ text: String, _ number: Substring, _ unit: Substring) -> String {
        let wanted = String(unit.filter { $0 != " " }.lowercased())
        let isNumber = Quantity.multiply(number, by: 1) != nil
        let full: [String: String] = [
            "": "s", "d": "d", "h": "h", "m": "m", "s": "s", "ms": "ms", "sec": "s", "secs": "s", "second": "s",
            "seconds": "s",
            "min": "m", "mins": "m", "minute": "m", "minutes": "m", "hour": "h", "hours": "h", "hr": "h", "day": "d",
            "days": "d",
            "msec": "ms", "millis": "ms", "milliseconds": "ms",
        ]
        if isNumber, let unit = full[wanted] { return "\(number)\(unit)" }
        if isNumber, wanted.hasPrefix("w"), let weeks = Int64(number), weeks < 1000 { return "\(weeks * 7)d" }
        if let sum = sum(of: text) { return self.text(.milliseconds(sum)) }
        return "a number with ms, s, m, h or d, as in 30s"
    }

    /// `1h30m`.
    private static func sum(of text: String) -> Int64? {
        var sum: Int64 = 0
        var rest = text[...]
        while !rest.isEmpty {
            let number = rest.prefix { $0.isNumber }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let factor = units.first(where: { $0.name == unit })?.milliseconds,
                let part = Quantity.multiply(number, by: factor)
            else { return nil }
            let (next, overflow) = sum.addingReportingOverflow(part)
            guard !overflow else { return nil }
            sum = next
        }
        return sum
    }

    /// The shortest exact spelling.
    static func text(_ duration: Duration) -> String {
        let milliseconds = duration.saturatingMilliseconds
        guard milliseconds > 0, let unit = units.first(where: { milliseconds.isMultiple(of: $0.milliseconds) }) else {
            return "\(milliseconds)s"
        }
        return "\(milliseconds / unit.milliseconds)\(unit.name)"
    }
}

enum Quantity {
    /// The number in front, and the rest.
    static func split(_ text: String) -> (number: Substring, unit: Substring) {
        let number = text.prefix { ("0"..."9").contains($0) || $0 == "." }
        return (number, text[number.endIndex...])
    }

    /// `1.5` times a unit, where that is a whole number that fits.
    static func multiply(_ number: Substring, by unit: Int64) -> Int64? {
        let parts = number.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let whole = Int64(first) else { return nil }
        let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
        guard !overflow, parts.count == 2 else { return overflow ? nil : product }
        guard parts[1].count <= 6, let digits = Int64(parts[1]), digits >= 0 else { return nil }
        let scale = (0..<parts[1].count).reduce(Int64(1)) { power, _ in power * 10 }
        let (fraction, overflow2) = digits.multipliedReportingOverflow(by: unit)
        guard !overflow2, fraction.isMultiple(of: scale) else { return nil }
        let (sum, overflow3) = product.addingReportingOverflow(fraction / scale)
        return overflow3 ? nil : sum
    }
}
