/// How this Redivis behaves where the documentation leaves it open, and where practice differs from it.
package struct RedivisReading: Hashable, Sendable {
    /// What a registration under a used name comes to.
    package enum TakenName: String, CaseIterable, Sendable { case second, renamed, refused }

    package var takenName = TakenName.second
    /// Whether the id of a registered session may be used once more.
    package var acceptsUsedIDs = true
    package var pageSize = 100
    /// An upload shows in listings after at most so long, in nanoseconds.
    package var listLag: Int64 = 0
    /// So many of a hundred uploads are left out of each listing.
    package var listOmits = 0
    /// How long imports take, in nanoseconds.
    package var importTime: ClosedRange<Int64> = 500_000_000...4_000_000_000
    /// So many of a hundred contents cannot be imported.
    package var importFails = 0
    package var tellsMD5 = true
    /// So many of a hundred imports end with another MD5 than the content's.
    package var wrongMD5 = 0
    /// A request whose connection has ended is carried out at most so much later, in nanoseconds.
    package var lateness: Int64 = 0
    /// Whether the uri of an upload is made of its name, and not of an id.
    package var urisByName = false
    /// Files below so many cells go up by one PUT, where `temp_uploads` is asked.
    package var wholeBelow = 1

    /// How long each chunk takes on its way, in nanoseconds.
    package var chunkTime: Int64 = 0
    /// Whether the token may add uploads and not take them off.
    package var deletesAreRefused = false

    package init() {}
}

/// What goes wrong with requests for a while.
package struct RequestFault: Hashable, Sendable {
    package enum Requests: String, CaseIterable, Sendable {
        case all, tables, lists, uploads, sessions, chunks, status, posts, deletes
    }

    package enum Kind: String, CaseIterable, Sendable {
        /// The request never arrives.
        case unsent
        /// It is carried out, and its answer is lost.
        case unanswered
        /// Its answer is lost, and it is carried out later (`RedivisReading.lateness`).
        case late
        case throttled = "429"
        case unavailable = "503"
        case unauthorized = "401"
        case forbidden = "403"
        case missing = "404"
        case refused = "400"
        /// Of a chunk only a part is kept.
        case partial
        /// What was stored is gone again, from some cell on.
        case forgotten
        /// Takes up to half a minute.
        case slow
    }

    package var requests: Requests
    package var kind: Kind
    /// So many of a hundred.
    package var share: Int
    /// In nanoseconds since the world began.
    package var until: Int64

    package init(_ requests: Requests, _ kind: Kind, share: Int, until: Int64) {
        self.requests = requests
        self.kind = kind
        self.share = share
        self.until = until
    }
}
