import GRDB
import SyncCore

extension Database {
    func summaries(state: PublicState?, mapping: MappingID?, limit: Int) throws -> [DeliverySummary] {
        var found: [DeliverySummary] = []
        if state == nil || state == .settling {
            found = try settlingSummaries(mapping, limit: limit)
        }
        guard state != .settling, found.count < limit else { return found }
        let numbers = try newest(state: state, mapping: mapping, limit: limit - found.count)
        let pauses = try pauses()
        return found + (try numbers.compactMap { try summary($0, pauses) })
    }

    private func settlingSummaries(_ mapping: MappingID?, limit: Int) throws -> [DeliverySummary] {
        let rows =
            if let mapping {
                try rows(
                    SettlingRow.select + " WHERE m.name = ? ORDER BY s.id DESC LIMIT ?", [mapping.value, limit])
            } else {
                try rows(SettlingRow.select + " ORDER BY s.id DESC LIMIT ?", [limit])
            }
        return try rows.map { DeliverySummary(try SettlingRow($0).file) }
    }

    /// Each mapping and state is one range of the index, newest at its end; the ranges are merged.
    private func newest(state: PublicState?, mapping: MappingID?, limit: Int) throws -> [Int64] {
        if state == nil, mapping == nil {
            return try rows("SELECT id FROM delivery ORDER BY id DESC LIMIT ?", [limit]).map { try $0.integer(0) }
        }
        let mappings = try mappingNumbers(mapping)
        let states = state.map { [$0] } ?? PublicState.allCases
        var ids: [Int64] = []
        for mapping in mappings {
            for state in states {
                ids += try rows(
                    "SELECT id FROM delivery WHERE mapping = ? AND public = ? ORDER BY id DESC LIMIT ?",
                    [mapping, state.rawValue, limit]
                ).map { try $0.integer(0) }
            }
        }
        return Array(ids.sorted(by: >).prefix(limit))
    }

    private func mappingNumbers(_ mapping: MappingID?) throws -> [Int64] {
        if let mapping { return try mappingNumber(mapping).map { [$0] } ?? [] }
        return try rows("SELECT id FROM mapping").map { try $0.integer(0) }
    }

    /// A row that cannot be read is listed with its problem.
    private func summary(_ id: Int64, _ pauses: Pauses) throws -> DeliverySummary? {
        do {
            return try deliveryRow(id).map { DeliverySummary($0, pauses) }
        } catch let problem as Failure {
            let row = try row(
                """
                SELECT m.name, f.path, d.public, d.size, d.created, d.updated
                FROM delivery AS d JOIN mapping AS m ON m.id = d.mapping JOIN file AS f ON f.id = d.file
                WHERE d.id = ?
                """, [id])
            guard let row, let state = PublicState(rawValue: try row.text(2)) else { throw problem }
            return DeliverySummary(
                id: DeliveryID(id), mapping: try row.mapping(0), path: try row.path(1), state: state,
                size: try row.integer(3), delivery: nil, problem: problem,
                createdAt: Timestamp(milliseconds: try row.integer(4)),
                updatedAt: Timestamp(milliseconds: try row.integer(5)), pause: nil)
        }
    }

    // MARK: One path

    func versions(at path: RelativePath, mapping: MappingID?) throws -> [DeliverySummary] {
        let pauses = try pauses()
        let versions = try deliveryNumbers(at: path, mapping).compactMap { try summary($0, pauses) }
        let settling = try mappingNumbers(mapping).flatMap { mapping in
            try rows(SettlingRow.select + " WHERE s.mapping = ? AND s.path = ?", [mapping, path.column])
        }
        return versions + (try settling.map { DeliverySummary(try SettlingRow($0).file) })
    }

    func deliveryNumbers(at path: RelativePath, _ mapping: MappingID?) throws -> [Int64] {
        var ids: Set<Int64> = []
        for mapping in try mappingNumbers(mapping) {
            guard let file = try fileRow(mapping, path) else { continue }
            if let delivery = file.delivery { ids.insert(delivery) }
            for row in try rows("SELECT id FROM delivery WHERE file = ?", [file.id]) { ids.insert(try row.integer(0)) }
        }
        return ids.sorted()
    }

    /// One range of each table's index: all paths that begin with the directory and a slash.
    func files(
        below directory: RelativePath, _ mapping: MappingID, after: RelativePath?, limit: Int
    ) throws -> [RelativePath] {
        guard let number = try mappingNumber(mapping), limit > 0 else { return [] }
        let slash = UInt8(ascii: "/")
        let first = after?.bytes ?? directory.bytes + [slash]
        return try rows(
            """
            SELECT path FROM file WHERE mapping = ?1 AND path > ?2 AND path < ?3
            UNION SELECT path FROM settling WHERE mapping = ?1 AND path > ?2 AND path < ?3 ORDER BY path LIMIT ?4
            """, [number, first.column, (directory.bytes + [slash + 1]).column, limit]
        ).map { try $0.path(0) }
    }

    func deliveries(
        in state: PublicState, _ mapping: MappingID?, after: DeliveryID?, limit: Int
    ) throws -> [Delivery] {
        var ids: [Int64] = []
        for mapping in try mappingNumbers(mapping) {
            ids += try rows(
                "SELECT id FROM delivery WHERE mapping = ? AND public = ? AND id > ? ORDER BY id LIMIT ?",
                [mapping, state.rawValue, after?.value ?? 0, limit]
            ).map { try $0.integer(0) }
        }
        return try ids.sorted().prefix(max(limit, 0)).compactMap { try deliveryRow($0)?.delivery }
    }

    // MARK: Receipts and numbers

    func receipts(since: Timestamp?, after sequence: Int64, limit: Int) throws -> [ReceiptLine] {
        guard let since else { return try receipts(after: sequence, limit: limit) }
        return try rows(
            "SELECT seq, line, hash FROM receipt WHERE seq > ? AND at >= ? ORDER BY seq LIMIT ?",
            [sequence, since.milliseconds, limit]
        ).map {
            ReceiptLine(sequence: try $0.integer(0), json: try $0.text(1), hash: Digest(bytes: try $0.bytes(2)))
        }
    }

    func counts() throws -> [MappingID: [PublicState: Int]] {
        var counts: [MappingID: [PublicState: Int]] = [:]
        let rows = try rows(
            """
            SELECT m.name, c.state, sum(c.count) FROM rowCount AS c JOIN mapping AS m ON m.id = c.mapping
            GROUP BY c.mapping, c.state HAVING sum(c.count) > 0
            """)
        for row in rows {
            guard let state = PublicState(rawValue: try row.text(1)) else { continue }
            counts[try row.mapping(0), default: [:]][state] = Int(clamping: try row.integer(2))
        }
        return counts
    }
}
