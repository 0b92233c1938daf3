/// What a PUT to a session says about its bytes: the request form of `Content-Range` (RFC 9110 section 14.4, with the
/// unsatisfied form used as a question, as Google Cloud Storage does).
enum ContentRange: Equatable, Sendable {
    /// `bytes first-last/total`; total is nil for `*`.
    case bytes(first: Int64, last: Int64, total: Int64?)
    /// `bytes */total`: how much is stored? With nil (`bytes */*`) the question can never finish an upload.
    case query(total: Int64?)

    /// Reads a header's value to the letter: the word `bytes`, one space, digits only, first ≤ last < total.
    init?(_ header: String) {
        guard header.hasPrefix("bytes ") else { return nil }
        let halves = header.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2 else { return nil }
        let total: Int64?
        if halves[1] == "*" {
            total = nil
        } else {
            guard let number = Self.digits(halves[1]) else { return nil }
            total = number
        }
        if halves[0] == "*" {
            self = .query(total: total)
            return
        }
        let ends = halves[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Self.digits(ends[0]), let last = Self.digits(ends[1]),
            first <= last, last < Int64.max, last < total ?? Int64.max
        else { return nil }
        self = .bytes(first: first, last: last, total: total)
    }

    /// A plain decimal number; no sign, no space, at most 19 digits. Nil where it does not fit.
    static func digits(_ text: some StringProtocol) -> Int64? {
        guard !text.isEmpty, text.utf8.count <= 19,
            text.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") })
        else { return nil }
        return Int64(text)
    }
}
