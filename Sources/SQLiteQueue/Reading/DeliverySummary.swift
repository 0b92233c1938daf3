import GRDB
import SyncCore

/// One file version as a list shows it.
public struct DeliverySummary: Hashable, Sendable {
    /// `nil` while the file settles: there is no version yet.
    public let id: DeliveryID?
    public let mapping: MappingID
    public let path: RelativePath
    public let state: PublicState
    /// In bytes.
    public let size: Int64
    /// All that the queue knows of it; `nil` while the file settles, or where `problem` says why.
    public let delivery: Delivery?
    /// Why the row cannot be read.
    public let problem: Failure?
    public let createdAt: Timestamp?
    public let updatedAt: Timestamp?
    /// Where it waits for its mapping to be resumed: why that is paused.
    public let pause: Pauses.Reason?
}

/// One line of a journal.
public struct JournalLine: Hashable, Sendable {
    public let at: Timestamp
    public let note: String
    /// `nil` for a version that was given up.
    public let delivery: DeliveryID?

    init(_ row: Row) throws {
        at = Timestamp(milliseconds: try row.integer(0))
        let last = try row.optionalInteger(4).map { Timestamp(milliseconds: $0) }
        let times = try row.integer(3)
        note = try row.text(1) + (last.map { " (\(times) times, the last at \($0))" } ?? "")
        delivery = try row.optionalInteger(2).map(DeliveryID.init)
    }
}

extension DeliverySummary {
    init(_ row: DeliveryRow, _ pauses: Pauses) {
        self.init(
            id: row.delivery.id, mapping: row.delivery.mapping, path: row.delivery.path,
            state: row.delivery.state.publicState, size: row.delivery.size, delivery: row.delivery, problem: nil,
            createdAt: row.created, updatedAt: row.updated,
            pause: row.isPaused ? pauses.reason(of: row.delivery.mapping) : nil)
    }

    init(_ file: SettlingFile) {
        self.init(
            id: nil, mapping: file.mapping, path: file.path, state: .settling, size: file.observation.size,
            delivery: nil, problem: nil, createdAt: nil, updatedAt: nil, pause: nil)
    }
}
