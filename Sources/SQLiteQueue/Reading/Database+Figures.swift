import GRDB
import SyncCore

extension Database {
    /// Each mapping and state is one range of the index, oldest at its beginning.
    func oldestReady() throws -> [MappingID: ReadyFile] {
        var oldest: [MappingID: (id: Int64, file: ReadyFile)] = [:]
        for mapping in try rows("SELECT id, name FROM mapping") {
            let (number, name) = (try mapping.integer(0), try mapping.mapping(1))
            for state in [PublicState.queued, .waiting] {
                let first = try row(
                    """
                    SELECT d.id, f.path, d.created FROM delivery AS d JOIN file AS f ON f.id = d.file
                    WHERE d.mapping = ? AND d.public = ? ORDER BY d.id LIMIT 1
                    """, [number, state.rawValue])
                guard let first else { continue }
                let id = try first.integer(0)
                guard oldest[name].map({ id < $0.id }) ?? true else { continue }
                oldest[name] = (
                    id,
                    ReadyFile(
                        path: try first.path(1), state: state, since: Timestamp(milliseconds: try first.integer(2)))
                )
            }
        }
        return oldest.mapValues(\.file)
    }

    func deliveredTotals() throws -> [MappingID: DeliveredTotal]? {
        guard try tableExists("deliveredTotal") else { return nil }
        var totals: [MappingID: DeliveredTotal] = [:]
        let rows = try rows(
            "SELECT m.name, t.files, t.bytes FROM deliveredTotal AS t JOIN mapping AS m ON m.id = t.mapping")
        for row in rows {
            totals[try row.mapping(0)] = DeliveredTotal(
                files: Int(clamping: try row.integer(1)), bytes: try row.integer(2))
        }
        return totals
    }

    /// By the index on the receipts' times at first, by their numbers from then on; never past what is asked for. The
    /// joins are CROSS, so that SQLite begins with the receipts.
    func recentDeliveries(since: Timestamp, after sequence: Int64?, limit: Int) throws -> RecentDeliveries {
        var recent = RecentDeliveries()
        recent.lastSequence = try lastReceipt().sequence
        guard limit > 0, recent.lastSequence > sequence ?? 0 else { return recent }
        let columns = "SELECT d.mapping, r.at, d.created, d.contentSize FROM receipt AS r"
        let ours = "r.at >= ? AND json_extract(r.line, '$.adopted') = 0"
        let found =
            if let sequence {
                try rows(
                    """
                    \(columns) CROSS JOIN delivery AS d ON d.id = r.delivery
                    WHERE r.seq > ? AND \(ours) ORDER BY r.seq DESC LIMIT ?
                    """, [sequence, since.milliseconds, limit])
            } else {
                try rows(
                    """
                    \(columns) INDEXED BY receiptByTime CROSS JOIN delivery AS d ON d.id = r.delivery
                    WHERE \(ours) ORDER BY r.at DESC LIMIT ?
                    """, [since.milliseconds, limit])
            }
        recent.isCut = found.count == limit
        let names = try mappingNames()
        for row in found {
            guard let name = names[try row.integer(0)] else { continue }
            let deliveredAt = Timestamp(milliseconds: try row.integer(1))
            let took = deliveredAt.since(Timestamp(milliseconds: try row.integer(2)))
            recent.deliveries.append(
                RecentDelivery(
                    mapping: name, deliveredAt: deliveredAt, took: max(took, .zero),
                    size: try row.optionalInteger(3) ?? 0))
        }
        return recent
    }

    private func mappingNames() throws -> [Int64: MappingID] {
        var names: [Int64: MappingID] = [:]
        for row in try rows("SELECT id, name FROM mapping") { names[try row.integer(0)] = try row.mapping(1) }
        return names
    }

    /// Uploads that the draft was last seen to have, and those registered since, as far as they are delivered files
    /// of ours.
    func unreleased(limit: Int) throws -> [UnreleasedFiles] {
        try rows("SELECT id, key, newestReleased FROM remoteTable WHERE isComplete = 1 ORDER BY key").map { table in
            let counted = try row(
                """
                SELECT count(*), CAST(min(total(size), 9e18) AS INTEGER) FROM (
                    SELECT d.contentSize AS size FROM remoteUpload AS u
                    CROSS JOIN delivery AS d ON d.remoteTable = u.remoteTable AND d.uploadName = u.name
                    WHERE u.remoteTable = ? AND u.version = ? AND u.isPresent = 1 AND d.public = 'delivered' LIMIT ?)
                """, [try table.integer(0), TableVersion.draftColumn, limit])
            let files = Int(clamping: try counted?.integer(0) ?? 0)
            return UnreleasedFiles(
                table: TableKey(try table.text(1)), files: files, bytes: try counted?.integer(1) ?? 0,
                isCut: files == limit, newestReleased: try table.optionalText(2).flatMap(VersionTag.init))
        }
    }
}
