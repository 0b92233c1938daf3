/// One file version on its way to its table: the row that outlives crashes.
public struct Delivery: Hashable, Sendable {
    public let id: DeliveryID
    public let mapping: MappingID
    /// The reference as the mapping file had it when the file was admitted; a transfer ends on it.
    public let table: TableReference
    /// What Redivis calls that table; known from the first time that Redivis was asked.
    public var tableKey: TableKey?
    /// Below the mapping's folder.
    public var path: RelativePath
    /// What the source looked like when it settled.
    public var observation: FileObservation
    /// `nil` until the bytes were hashed: for a fresh file, at the end of its transfer.
    public var content: Content?
    /// The expanded `upload_name` template: raw bytes, the tag not yet added.
    public let nameBase: [UInt8]
    /// Set together with `content`; never changes afterwards.
    public var uploadName: String?
    public var state: DeliveryState
    public var tally: Tally
    /// Which writing of its row this is. A save writes only where the row still has this revision, and adds one: a
    /// runner that goes on after `SaveOutcome.saved` adds one to its own copy, or reads the row again.
    public var revision: Int64

    /// What has been tried, so that nothing is tried for ever.
    public struct Tally: Hashable, Codable, Sendable {
        /// Failures in a row; progress sets it back to 0.
        public var failures = 0
        /// Sessions lost in a row without one newly confirmed byte.
        public var sessionsLost = 0
        /// Sessions refused with 401 or 403 in a row.
        public var sessionsRefused = 0
        /// Whole sendings that came to another content on the table.
        public var resends = 0
        /// Times the server was asked to resynchronise after a 400, 412, 413 or 416 without progress since.
        public var resynchronisations = 0
        /// Whether `temp_uploads` was tried because a finished `resumable_upload` was refused.
        public var triedOtherEndpoint = false
        /// Why it goes by a session though it is small.
        public var leftInline: LeftInline?
        /// Sessions opened in all.
        public var sessionsOpened = 0
        /// The most that any session had confirmed, in bytes: what a new session sends again up to here is no
        /// progress.
        public var furthest: Int64 = 0
        /// `nil` as long as every chunk got through.
        public var chunks: ChunkFit?
        /// Whether a person has decided that it is to be added, whatever is on the table already.
        public var isDecidedByHand: Bool?
        /// How often Redivis forbade to take our upload off the table; `nil`: never.
        public var withdrawalsForbidden: Int?
        /// Whether the file was missed at its path since the last chunk that was read from it, and was waited for; `nil`: no.
        public var wasMissed: Bool?
        /// The attempts to register it since its last delivery, as one, until it is proven that none of them left an
        /// upload: with the highest number, and the oldest version that each of them may lie behind. It outlives rest:
        /// whatever takes the row up again begins with a doubt.
        public var posted: PostAttempt?

        public init() {}

        /// What became of a registration with the file inside.
        public enum LeftInline: String, Codable, Sendable {
            /// It was not carried out, or was taken back.
            case refused
            /// Its answer was, and nothing was found on the table: should it be carried out after all, there are two.
            case lost
        }
    }

    public init(
        id: DeliveryID, mapping: MappingID, table: TableReference, tableKey: TableKey?, path: RelativePath,
        observation: FileObservation,
        content: Content?, nameBase: [UInt8], uploadName: String?, state: DeliveryState, tally: Tally = Tally(),
        revision: Int64 = 0
    ) {
        self.id = id
        self.mapping = mapping
        self.table = table
        self.tableKey = tableKey
        self.path = path
        self.observation = observation
        self.content = content
        self.nameBase = nameBase
        self.uploadName = uploadName
        self.state = state
        self.tally = tally
        self.revision = revision
    }

    /// In bytes.
    public var size: Int64 { content?.size ?? observation.size }
}

extension Delivery.Tally {
    /// A count that an older version of the program did not keep begins at nothing.
    public init(from decoder: any Decoder) throws {
        let stored = try decoder.container(keyedBy: CodingKeys.self)
        failures = try stored.decodeIfPresent(Int.self, forKey: .failures) ?? 0
        sessionsLost = try stored.decodeIfPresent(Int.self, forKey: .sessionsLost) ?? 0
        sessionsRefused = try stored.decodeIfPresent(Int.self, forKey: .sessionsRefused) ?? 0
        resends = try stored.decodeIfPresent(Int.self, forKey: .resends) ?? 0
        resynchronisations = try stored.decodeIfPresent(Int.self, forKey: .resynchronisations) ?? 0
        triedOtherEndpoint = try stored.decodeIfPresent(Bool.self, forKey: .triedOtherEndpoint) ?? false
        leftInline = try stored.decodeIfPresent(LeftInline.self, forKey: .leftInline)
        sessionsOpened = try stored.decodeIfPresent(Int.self, forKey: .sessionsOpened) ?? 0
        furthest = try stored.decodeIfPresent(Int64.self, forKey: .furthest) ?? 0
        withdrawalsForbidden = try stored.decodeIfPresent(Int.self, forKey: .withdrawalsForbidden)
        wasMissed = try stored.decodeIfPresent(Bool.self, forKey: .wasMissed)
        // What cannot be read is learned anew.
        chunks = try? stored.decodeIfPresent(ChunkFit.self, forKey: .chunks)
        isDecidedByHand = try stored.decodeIfPresent(Bool.self, forKey: .isDecidedByHand)
        posted = try stored.decodeIfPresent(PostAttempt.self, forKey: .posted)
    }

    /// For a row that begins again: only what may be on the table is remembered.
    public var forgettingTries: Delivery.Tally {
        var tally = Delivery.Tally()
        tally.posted = posted
        return tally
    }
}

extension Int {
    /// One more, as far as an `Int` can say: counts come from stored rows, and nothing there may trap.
    var incremented: Int { self == .max ? .max : self + 1 }
}
