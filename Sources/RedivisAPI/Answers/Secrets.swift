import SyncCore

/// The spellings in which a server might repeat a secret of ours in its words.
enum Secrets {
    /// The token, and what of a session's address is secret: all of it, its request target, its query's values, and
    /// the longer of its path segments.
    static func spellings(token: Secret?, session: WebAddress?) -> [String] {
        var spellings = token.map { [$0.revealed] } ?? []
        guard let session else { return spellings }
        spellings += [session.text, session.target]
        let parts = session.target.split(separator: "?", maxSplits: 1)
        let values = parts.dropFirst().flatMap { $0.split(separator: "&") }.flatMap { pair in
            pair.split(separator: "=", maxSplits: 1).dropFirst()
        }
        let segments = (parts.first ?? "").split(separator: "/")
        let longer = (values + segments).filter { $0.utf8.count >= 8 }.map(String.init)
        spellings += longer + longer.compactMap(PercentEncoding.decoded)
        // The longest first, so that no part of one is left standing.
        return spellings.sorted { $0.utf8.count > $1.utf8.count }
    }
}
