import FoundationEssentials
import SyncCore

/// Quantities as people read them.
enum Words {
    /// `3.2 GiB`, `17 B`
    static func bytes(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var value = Double(max(count, 0))
        var unit = 0
        // From where one decimal would round up to 1024.0.
        while value >= 1023.95, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(max(count, 0)) B" : "\(oneDecimal(value)) \(units[unit])"
    }

    /// `1 file`, `3,000 files`
    static func count(_ number: Int, _ singular: String, _ plural: String? = nil) -> String {
        "\(grouped(number)) \(number == 1 ? singular : plural ?? singular + "s")"
    }

    static func grouped(_ number: Int) -> String {
        var text = ""
        for (index, digit) in String(number.magnitude).reversed().enumerated() {
            if index > 0, index.isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + String(text.reversed())
    }

    /// `2 h 5 min`, `31 s`
    static func duration(_ duration: Duration) -> String {
        let seconds = max(duration.components.seconds, 0)
        switch seconds {
        case ..<60: return "\(seconds) s"
        case ..<3600: return "\(seconds / 60) min" + more(seconds % 60, "s")
        case ..<86_400: return "\(seconds / 3600) h" + more(seconds / 60 % 60, "min")
        default: return "\(seconds / 86_400) d" + more(seconds / 3600 % 24, "h")
        }
    }

    private static func more(_ number: Int64, _ unit: String) -> String { number == 0 ? "" : " \(number) \(unit)" }

    /// In one unit, for a narrow column: `31 s`, `5 min`, `2 h`, `3 d`
    static func age(_ duration: Duration) -> String {
        let seconds = max(duration.components.seconds, 0)
        switch seconds {
        case ..<60: return "\(seconds) s"
        case ..<3600: return "\(seconds / 60) min"
        case ..<86_400: return "\(seconds / 3600) h"
        default: return "\(seconds / 86_400) d"
        }
    }

    /// As a clock shows it: `0:31`, `12:05`, `1:02:03`
    static func clock(seconds: Int64) -> String {
        let seconds = max(seconds, 0)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let tail = "\(two(seconds % 60))"
        return seconds < 3600
            ? "\(seconds / 60):\(tail)" : "\(seconds / 3600):\(two(seconds / 60 % 60)):\(tail)"
    }

    /// `2026-03-01 09:30:12Z`
    static func time(_ timestamp: Timestamp) -> String {
        Date(timestamp).formatted(.iso8601.dateTimeSeparator(.space))
    }

    /// `2026-03-01T09:30:12.345Z`, for JSON
    static func isoTime(_ timestamp: Timestamp) -> String {
        Date(timestamp).formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    static func oneDecimal(_ value: Double) -> String {
        let tenths = Int64((min(max(value, 0), 1e15) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}

extension Date {
    /// Within the years 1 to 9999, whatever a row says: calendars end somewhere.
    init(_ timestamp: Timestamp) {
        let milliseconds = min(max(timestamp.milliseconds, -62_135_596_800_000), 253_402_300_799_999)
        self.init(timeIntervalSince1970: Double(milliseconds) / 1000)
    }
}
