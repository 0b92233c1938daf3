import SyncCore

/// What `status` tells of the queue, all of one instant. None of it costs more with a million rows than with ten.
public struct QueueFigures: Hashable, Sendable {
    public var counts: [MappingID: [PublicState: Int]] = [:]
    public var pauses = Pauses()
    /// The file that has been ready and unsent for longest, of each mapping that has one.
    public var oldestReady: [MappingID: ReadyFile] = [:]
    /// `nil` where an agent of an earlier version, which does not keep them, made the database.
    public var totals: [MappingID: DeliveredTotal]?
    public var twins = TwinFigures()

    public init() {}
}

/// A file version that could be sent, or waits to be tried again.
public struct ReadyFile: Hashable, Sendable {
    public let path: RelativePath
    public let state: PublicState
    /// When it was settled.
    public let since: Timestamp

    public init(path: RelativePath, state: PublicState, since: Timestamp) {
        self.path = path
        self.state = state
        self.since = since
    }
}

/// What was delivered since the state directory was made, without what was found on its table.
public struct DeliveredTotal: Hashable, Sendable {
    public let files: Int
    /// In bytes; saturates.
    public let bytes: Int64

    public init(files: Int, bytes: Int64) {
        self.files = files
        self.bytes = bytes
    }
}

/// One delivery, as times and rates are reckoned from it.
public struct RecentDelivery: Hashable, Sendable {
    public let mapping: MappingID
    public let deliveredAt: Timestamp
    /// From the moment when the file was settled; not negative, also where the clock was set back meanwhile.
    public let took: Duration
    /// In bytes.
    public let size: Int64

    public init(mapping: MappingID, deliveredAt: Timestamp, took: Duration, size: Int64) {
        self.mapping = mapping
        self.deliveredAt = deliveredAt
        self.took = took
        self.size = size
    }
}

/// Deliveries by the newest receipts.
public struct RecentDeliveries: Hashable, Sendable {
    /// In no order.
    public var deliveries: [RecentDelivery] = []
    /// The number of the newest receipt that there is: where the next reading goes on.
    public var lastSequence: Int64 = 0
    /// Whether there were more than asked for; these are the newest then.
    public var isCut = false

    public init() {}
}

/// What lies in a table's unreleased version, as its uploads were last listed.
public struct UnreleasedFiles: Hashable, Sendable {
    public let table: TableKey
    /// Of ours: delivered from this state directory, or found there as ours.
    public let files: Int
    public let bytes: Int64
    /// Whether only a part was counted, since there are so many.
    public let isCut: Bool
    /// The newest version that was released, as far as is known.
    public let newestReleased: VersionTag?

    public init(table: TableKey, files: Int, bytes: Int64, isCut: Bool, newestReleased: VersionTag?) {
        self.table = table
        self.files = files
        self.bytes = bytes
        self.isCut = isCut
        self.newestReleased = newestReleased
    }
}

extension QueueReader {
    /// How many twins are told one by one.
    static let mostTwins = 20

    public func figures() async throws(Failure) -> QueueFigures {
        try await read { database in
            var figures = QueueFigures()
            figures.counts = try database.counts()
            figures.pauses = try database.pauses()
            figures.oldestReady = try database.oldestReady()
            figures.totals = try database.deliveredTotals()
            figures.twins = try database.twinFigures(limit: Self.mostTwins)
            return figures
        }
    }

    /// What was delivered at or after `since`, at most the newest `limit`; what was only found on its table is left
    /// out.
    ///
    /// - Parameter sequence: only receipts after this one; `nil`: all.
    public func recentDeliveries(
        since: Timestamp, after sequence: Int64? = nil, limit: Int
    ) async throws(Failure) -> RecentDeliveries {
        try await read { try $0.recentDeliveries(since: since, after: sequence, limit: limit) }
    }

    /// - Parameter limit: so many uploads of a table are looked at.
    public func unreleased(limit: Int) async throws(Failure) -> [UnreleasedFiles] {
        try await read { try $0.unreleased(limit: limit) }
    }
}
