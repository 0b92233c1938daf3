import FoundationEssentials
import SyncCore

/// `--since`: a time, a day, or how long ago.
enum SinceTime: Hashable, Sendable {
    case instant(Timestamp)
    case ago(Duration)

    static let forms = "2026-03-01, 2026-03-01T09:30, 2026-03-01T09:30:12+01:00, 90m, 24h or 7d"

    func timestamp(now: Timestamp) -> Timestamp {
        switch self {
        case .instant(let time): return time
        case .ago(let duration):
            let (time, overflow) = now.milliseconds.subtractingReportingOverflow(duration.saturatingMilliseconds)
            return Timestamp(milliseconds: overflow ? .min : time)
        }
    }

    /// A day begins, and a time without a zone is meant, in UTC, as in everything that this program writes.
    init?(_ text: String) {
        if let duration = Self.duration(text) {
            self = .ago(duration)
        } else if let time = Self.time(text) {
            self = .instant(time)
        } else {
            return nil
        }
    }

    /// A whole number and one of the units of the mapping file.
    private static func duration(_ text: String) -> Duration? {
        guard let match = text.wholeMatch(of: /([0-9]{1,12})(ms|s|m|h|d)/), let number = Int64(match.1) else {
            return nil
        }
        let milliseconds: [Substring: Int64] = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        let (product, overflow) = number.multipliedReportingOverflow(by: milliseconds[match.2] ?? 1)
        return overflow ? nil : .milliseconds(product)
    }

    private static func time(_ text: String) -> Timestamp? {
        let pattern =
            /([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?\s?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?/
        guard let match = text.wholeMatch(of: pattern) else { return nil }
        let whole = "\(match.1)T\(match.2 ?? "00:00"):\(match.3 ?? "00")Z"
        // Read and written again, so that 30 February is no 2 March.
        guard let date = try? Date(whole, strategy: .iso8601), date.formatted(.iso8601) == whole,
            let offset = minutes(match.5 ?? "Z")
        else { return nil }
        let thousandths = Int64((match.4 ?? "0").prefix(3).description.padding(to: 3)) ?? 0
        return Timestamp(
            milliseconds: Int64(date.timeIntervalSince1970) * 1000 + thousandths - offset * 60_000)
    }

    /// Of a zone, east of UTC.
    private static func minutes(_ zone: Substring) -> Int64? {
        if zone.lowercased() == "z" { return 0 }
        let digits = zone.filter(\.isNumber)
        guard let hours = Int64(digits.prefix(2)), let minutes = Int64(digits.suffix(2)), hours < 24, minutes < 60
        else {
            return nil
        }
        return (zone.first == "-" ? -1 : 1) * (hours * 60 + minutes)
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String { self + String(repeating: "0", count: max(width - count, 0)) }
}
