/// What only the running agent knows of itself; what the queue holds is read from the database beside it. A field
/// that an agent cannot tell, or not yet, is `nil`.
public struct AgentStatus: Hashable, Codable, Sendable {
    public var startedAt: Timestamp
    /// Of the program.
    public var version: String
    public var processID: Int32
    public var mappingFile: MappingFileStatus
    /// In the order of the mapping file.
    public var mappings: [MappingStatus] = []
    /// Under way now, oldest first.
    public var transfers: [TransferStatus] = []
    /// Lasting troubles, oldest first.
    public var problems: [AgentProblem] = []
    /// `nil` where nothing is watched.
    public var watcher: WatcherStatus?

    public init(startedAt: Timestamp, version: String, processID: Int32, mappingFile: MappingFileStatus) {
        self.startedAt = startedAt
        self.version = version
        self.processID = processID
        self.mappingFile = mappingFile
    }

    public struct MappingFileStatus: Hashable, Codable, Sendable {
        public var path: PathBytes
        /// What is wrong with the file as it is now, each as `FILE:LINE:COLUMN: …`; the last good one is in force
        /// then. Empty: the file itself is.
        public var problems: [String]
        /// When the one in force was taken up.
        public var loadedAt: Timestamp?
        /// An edit that is not in force yet: it is being counted, or waits for a person's word.
        public var edit: EditStatus?

        public init(path: PathBytes, problems: [String] = [], loadedAt: Timestamp? = nil) {
            self.path = path
            self.problems = problems
            self.loadedAt = loadedAt
        }

        public var isValid: Bool { problems.isEmpty }
    }
}

/// An edit of the mapping file that is looked into before it is put in force (`confirm_above`).
public struct EditStatus: Hashable, Codable, Sendable {
    /// What `plan --accept` names it by: how the SHA-256 of the file begins, in hex.
    public var name: String
    /// What it would send that the mapping file in force does not, as far as it was counted.
    public var files: Int
    /// In bytes.
    public var bytes: Int64
    /// Whether that is all.
    public var isCounted: Bool
    /// The most that needs no word.
    public var limit: Int
    /// Whether it waits for a person; otherwise it is being counted.
    public var waits: Bool
    public var since: Timestamp
    /// Folders that could not be looked through, so that nobody knows what they would send.
    public var problems: [String]

    public init(name: String, limit: Int, since: Timestamp) {
        self.name = name
        self.limit = limit
        self.since = since
        (files, bytes, isCounted, waits, problems) = (0, 0, false, false, [])
    }
}

/// The states of a mapping, as a user reads them.
public enum MappingState: String, CaseIterable, Codable, Sendable {
    case watching, polling, scanning
    /// Its folder is not there.
    case unmounted
    /// Redivis refuses its table; files stay queued.
    case blocked
    case paused
}

public struct MappingStatus: Hashable, Codable, Sendable {
    public var id: MappingID
    public var folder: PathBytes
    /// As the mapping file spells it.
    public var table: String
    /// `nil`: there is nothing to say of it now, as in a single run whose scan is over.
    public var state: MappingState?
    /// How new files are noticed and why so, in words.
    public var watchMode: String?
    public var lastScanAt: Timestamp?
    public var filesKnown: Int?
    /// The longest that a new file may stay unnoticed.
    public var worstDetectionDelay: Duration?
    /// The process of another agent on the same folder; 0 where its id is not known.
    public var alsoWatchedBy: Int32?

    public init(id: MappingID, folder: PathBytes, table: String) {
        self.id = id
        self.folder = folder
        self.table = table
    }
}

public struct TransferStatus: Hashable, Codable, Sendable {
    public var delivery: DeliveryID
    /// Below the mapping's folder.
    public var path: PathBytes
    public var mapping: MappingID?
    /// In bytes: what has left for the storage host, confirmed or not.
    public var sent: Int64
    /// In bytes.
    public var total: Int64
    public var startedAt: Timestamp?
    /// In bytes: how much of `sent` had left before `startedAt`.
    public var sentBefore: Int64?

    public init(
        delivery: DeliveryID, path: PathBytes, mapping: MappingID? = nil, sent: Int64, total: Int64,
        startedAt: Timestamp? = nil, sentBefore: Int64? = nil
    ) {
        self.delivery = delivery
        self.path = path
        self.mapping = mapping
        self.sent = sent
        self.total = total
        self.startedAt = startedAt
        self.sentBefore = sentBefore
    }
}

/// A lasting trouble, told once and for as long as it lasts.
public struct AgentProblem: Hashable, Codable, Sendable {
    public enum Kind: String, CaseIterable, Codable, Sendable {
        case mappingFile, folder, table, token, network, watcher, state
    }

    public var kind: Kind
    public var text: String
    public var mapping: MappingID?
    /// Of all mappings that deliver to it; as the mapping file spells it.
    public var table: String?
    public var since: Timestamp?
    /// What to do; `nil` where it passes by itself.
    public var remedy: String?

    public init(
        _ kind: Kind, _ text: String, mapping: MappingID? = nil, table: String? = nil, since: Timestamp? = nil,
        remedy: String? = nil
    ) {
        self.kind = kind
        self.text = text
        self.mapping = mapping
        self.table = table
        self.since = since
        self.remedy = remedy
    }
}

/// Of inotify, for the whole agent.
public struct WatcherStatus: Hashable, Codable, Sendable {
    public var watches: Int
    /// What the kernel allows this user; the sysctl that says so is the smaller of the two that there are.
    public var limit: Int?
    public var limitName: String?
    /// How often events were lost since the start; each was followed by a rescan.
    public var overflows: Int

    public init(watches: Int, limit: Int? = nil, limitName: String? = nil, overflows: Int = 0) {
        self.watches = watches
        self.limit = limit
        self.limitName = limitName
        self.overflows = overflows
    }
}
