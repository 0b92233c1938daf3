import Glibc

/// What a fault says in `Retry-After`: the text as it stands, but `{date+N}` and `{epoch+N}`, which stand for the moment
/// N seconds after the answer, as an HTTP date (RFC 9110 section 5.6.7) and as seconds since 1970.
enum RetryAfterText {
    static func expanded(_ text: String, now milliseconds: Int64) -> String {
        for (opening, write) in forms {
            guard text.hasPrefix(opening), text.hasSuffix("}"),
                let seconds = ContentRange.digits(text.dropFirst(opening.count).dropLast())
            else { continue }
            // A century ahead is the most that is meant.
            return write(milliseconds / 1000 + min(seconds, 3_155_760_000))
        }
        return text
    }

    /// The kind of text it is: `seconds`, `absurd`, `negative`, `date`, `epoch` or `other`.
    static func form(of text: String) -> String {
        if text.hasPrefix("{date+") { return "date" }
        if text.hasPrefix("{epoch+") { return "epoch" }
        if text.hasPrefix("-"), ContentRange.digits(text.dropFirst()) != nil { return "negative" }
        if let number = ContentRange.digits(text) {
            return number <= 86_400 ? "seconds" : "absurd"
        }
        return text.contains("GMT") ? "date" : "other"
    }

    private static let forms: [(String, @Sendable (Int64) -> String)] = [
        ("{date+", { httpDate($0) }), ("{epoch+", { String($0) }),
    ]

    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func httpDate(_ seconds: Int64) -> String {
        var time = time_t(seconds)
        var parts = tm()
        guard gmtime_r(&time, &parts) != nil, days.indices.contains(Int(parts.tm_wday)),
            months.indices.contains(Int(parts.tm_mon))
        else { return String(seconds) }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : String(number) }
        return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) "
            + "\(1900 + Int(parts.tm_year)) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }
}
