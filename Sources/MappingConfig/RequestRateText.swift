import SyncCore

/// `api_rate`: `auto`, or a number of requests in a second, minute or hour, as in `300/min`.
enum RequestRateText {
    private static let periods: [(name: String, length: Duration)] = [
        ("s", .seconds(1)), ("min", .seconds(60)), ("h", .seconds(3600)),
    ]
    private static let fewest = "10/min"

    static func read(_ text: String) throws(SpellingProblem) -> SettingValue {
        if text == "auto" { return .text(text) }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let period = periods.first(where: { $0.name == parts[1] })?.length,
            parts[0].utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let count = Int(parts[0]), count > 0
        else { throw SpellingProblem("`\(text)` is no rate of requests", instead: "write \(nearest(parts))") }
        let interval = period / count
        guard interval <= RequestRate.slowest else {
            throw SpellingProblem(
                "`\(text)` is too slow: one file takes several requests", instead: "write at least \(fewest)")
        }
        return .duration(max(interval, RequestRate.fastest))
    }

    private static func nearest(_ parts: [String]) -> String {
        let units = ["sec": "s", "second": "s", "m": "min", "minute": "min", "hour": "h", "hr": "h"]
        guard parts.count == 2, let count = Int(parts[0]), count > 0, let unit = units[parts[1].lowercased()] else {
            return "auto, or a number of requests as in 300/min"
        }
        return "\(count)/\(unit)"
    }
}
