import GRDB
import SyncCore

/// A delivery together with what its row knows beside it.
struct DeliveryRow {
    var delivery: Delivery
    let mapping: Int64
    let file: Int64
    let destination: Int64
    let remoteTable: Int64?
    let isExisting: Bool
    let kind: String
    let created: Timestamp
    let updated: Timestamp
    /// Whether there is something to do, and its mapping is paused.
    let isPaused: Bool

    var id: Int64 { delivery.id.value }

    static let select = """
        SELECT d.id, m.name, t.reference, k.key, f.path, d.device, d.inode, d.size, d.modified, d.changed,
            d.contentSize, d.sha256, d.md5, d.nameBase, d.uploadName, d.state, d.stateFormat, d.tally, d.revision,
            d.mapping, d.file, d.destination, d.remoteTable, d.isExisting, d.kind, d.created, d.updated,
            d.work
        FROM delivery AS d
        JOIN mapping AS m ON m.id = d.mapping
        JOIN destination AS t ON t.id = d.destination
        JOIN file AS f ON f.id = d.file
        LEFT JOIN remoteTable AS k ON k.id = d.remoteTable
        """

    /// - Throws: a `Failure` that names the row, for everything that cannot be read.
    init(_ row: Row) throws {
        let id = try row.integer(0)
        do {
            delivery = try Self.delivery(row, DeliveryID(id))
            mapping = try row.integer(19)
            file = try row.integer(20)
            destination = try row.integer(21)
            remoteTable = try row.optionalInteger(22)
            isExisting = try row.flag(23)
            kind = try row.text(24)
            created = Timestamp(milliseconds: try row.integer(25))
            updated = Timestamp(milliseconds: try row.integer(26))
            isPaused = try row.optionalInteger(27) == nil && delivery.state.stage != nil
        } catch {
            throw Self.unreadable(id, row, error)
        }
    }

    private static func delivery(_ row: Row, _ id: DeliveryID) throws -> Delivery {
        Delivery(
            id: id, mapping: try row.mapping(1), table: try StateCoding.table(row.text(2)),
            tableKey: try row.optionalText(3).map(TableKey.init), path: try row.path(4),
            observation: try row.observation(5), content: try content(row), nameBase: try row.bytes(13),
            uploadName: try row.optionalText(14),
            state: try StateCoding.state(row.text(15), format: row.integer(16)),
            tally: try StateCoding.tally(row.text(17)), revision: try row.integer(18))
    }

    private static func content(_ row: Row) throws -> Content? {
        guard let size = try row.optionalInteger(10) else { return nil }
        return Content(
            size: size, sha256: Digest(bytes: try row.bytes(11)), md5: Digest(bytes: try row.bytes(12)))
    }

    /// The reason is not quoted: it could hold a piece of the state, and the state holds session URLs.
    private static func unreadable(_ id: Int64, _ row: Row, _ error: any Error) -> Failure {
        let path = (try? row.path(4))?.description ?? "a path that cannot be read"
        let why = (error as? UnreadableValue)?.what ?? "its stored state is not one that this version knows"
        return Failure(
            .stateUnavailable, scope: .delivery, "delivery \(id) (\(path)) cannot be read: \(why)",
            hint: "run the version of redivis-sync that wrote it; the row is kept as it is and the rest goes on")
    }
}

extension Database {
    func deliveryRow(_ id: Int64) throws -> DeliveryRow? {
        try row(DeliveryRow.select + " WHERE d.id = ?", [id]).map(DeliveryRow.init)
    }
}
