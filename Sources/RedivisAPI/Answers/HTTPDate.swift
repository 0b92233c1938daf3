import SyncCore

/// The three spellings of a date in a header field (RFC 9110 section 5.6.7).
enum HTTPDate {
    static func parse(_ text: String) -> Timestamp? {
        let parts = text.split { $0 == " " || $0 == "," }.map(String.init)
        switch parts.count {
        case 6:  // Sun, 06 Nov 1994 08:49:37 GMT
            guard isUniversal(parts[5]) else { return nil }
            return moment(day: parts[1], month: parts[2], year: parts[3], time: parts[4])
        case 4:  // Sunday, 06-Nov-94 08:49:37 GMT
            let date = parts[1].split(separator: "-").map(String.init)
            guard date.count == 3, isUniversal(parts[3]), let year = Int(date[2]), (0...99).contains(year) else {
                return nil
            }
            return moment(
                day: date[0], month: date[1], year: String(year < 70 ? 2000 + year : 1900 + year), time: parts[2])
        case 5:  // Sun Nov  6 08:49:37 1994
            return moment(day: parts[2], month: parts[1], year: parts[4], time: parts[3])
        default:
            return nil
        }
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

    private static func isUniversal(_ zone: String) -> Bool { ["gmt", "utc"].contains(zone.lowercased()) }

    private static func moment(day: String, month: String, year: String, time: String) -> Timestamp? {
        let clock = time.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
        guard clock.count == 3, (0...23).contains(clock[0]), (0...59).contains(clock[1]), (0...60).contains(clock[2]),
            let day = Int(day), (1...31).contains(day), let year = Int(year), (1900...9999).contains(year),
            let month = months.firstIndex(of: month.lowercased())
        else { return nil }
        let seconds = daysSince1970(year: year, month: month + 1, day: day) * 86_400
        return Timestamp(milliseconds: Int64(seconds + clock[0] * 3600 + clock[1] * 60 + clock[2]) * 1000)
    }

    /// Days of the proleptic Gregorian calendar: years begin in March, so that the leap day is a year's last.
    private static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let monthFromMarch = (month + 9) % 12
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        return year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
    }
}
