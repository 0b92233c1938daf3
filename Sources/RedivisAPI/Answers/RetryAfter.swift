import SyncCore

/// `Retry-After`. HTTP has seconds or a date (RFC 9110 section 10.2.3); an older page of the API calls it a
/// timestamp. So a large number is read as seconds, a still larger one as milliseconds since 1970.
enum RetryAfter {
    private static let longest = Duration.seconds(86_400)

    /// `nil` where nothing sensible is asked: not readable, negative, or past.
    static func parse(_ text: String, serverTime: Timestamp?, now: Timestamp) -> Duration? {
        let text = text.split(separator: " ").joined(separator: " ")
        let wait: Duration
        if let number = Double(text) {
            guard number.isFinite, number > 0, number < 1e15 else { return nil }
            switch number {
            case ..<1e9: wait = .seconds(number)
            case ..<1e12: wait = Timestamp(milliseconds: Int64(number) * 1000).since(serverTime ?? now)
            default: wait = Timestamp(milliseconds: Int64(number)).since(serverTime ?? now)
            }
        } else if let date = HTTPDate.parse(text) {
            wait = date.since(serverTime ?? now)
        } else {
            return nil
        }
        return wait > .zero ? min(wait, longest) : nil
    }

    static func asked(by answer: WebAnswer, now: Timestamp) -> Duration? {
        answer.fields.one("retry-after").flatMap { parse($0, serverTime: answer.serverTime, now: now) }
    }
}
