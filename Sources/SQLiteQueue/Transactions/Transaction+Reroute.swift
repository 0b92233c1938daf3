import GRDB
import SyncCore

extension Transaction {
    /// So many rows keep the queue's one writer for some 10 ms.
    private static let rerouteBatch = 500

    /// One batch of the rows of a mapping that go to another table by now: only where they go is written, and not what
    /// they have to pass there, which is known when the table is.
    ///
    /// - Returns: the last row of the batch; `nil`: none is left.
    func rerouteUnsent(of mapping: Mapping, after last: Int64, at now: Timestamp) throws -> Int64? {
        let number = try mappingNumber(mapping.id)
        let destination = try destinationNumber(mapping.table)
        // Asked of the counts first: at most starts there is nothing to move, and there may be a million rows queued.
        guard
            try database.exists(
                """
                SELECT 1 FROM rowCount WHERE mapping = ? AND destination NOT IN (0, ?)
                    AND state IN ('queued', 'waiting', 'held') AND count > 0 LIMIT 1
                """, [number, destination])
        else { return nil }
        let found = try ["queued", "waiting", "held"].flatMap { state in
            try database.rows(
                """
                SELECT id FROM delivery WHERE mapping = ? AND public = ? AND id > ? AND kind IN ('pending', 'held')
                    AND destination <> ? ORDER BY id LIMIT ?
                """, [number, state, last, destination, Self.rerouteBatch])
        }
        let ids = try found.map { try $0.integer(0) }.sorted().prefix(Self.rerouteBatch)
        for id in ids { try send(id, to: destination, mapping.table, at: now) }
        return ids.last
    }

    func reroute(_ delivery: Delivery, to table: TableReference, key: TableKey?, at now: Timestamp) throws {
        guard let row = try database.deliveryRow(delivery.id.value), row.delivery.revision == delivery.revision else {
            return
        }
        let destination = try destinationNumber(table)
        if row.destination != destination { try send(row.id, to: destination, table, at: now) }
        guard let key, let state = Versions.rerouted(row.delivery, to: key, isExisting: row.isExisting) else { return }
        if let newer = try unread(ofFile: row.file) {
            switch Versions.beside(unread: newer.delivery.state) {
            case .waits:
                return try database.run(
                    "UPDATE delivery SET behind = ?, due = ? WHERE id = ?", [newer.id, Int64.max, row.id])
            case .takesItsPlace: try deleteDelivery(newer.id)
            case .ends(let state): return try setState(state, of: row, note: "the file has a newer content", at: now)
            }
        }
        try database.run("DELETE FROM adoption WHERE delivery = ?", [row.id])
        try database.run(
            """
            UPDATE delivery SET remoteTable = NULL, uploadName = NULL, contentSize = NULL, sha256 = NULL, md5 = NULL
            WHERE id = ?
            """, [row.id])
        // What may have been posted to the other table is no doubt about this one.
        try write(stored(state, Delivery.Tally(), mapping: row.mapping), over: row.id, at: now)
        try note("its table is now \(key)", delivery: row.id, file: row.file, at: now)
    }

    /// The one row of a path whose content is not known.
    private func unread(ofFile file: Int64) throws -> DeliveryRow? {
        try database.row(DeliveryRow.select + " WHERE d.file = ? AND d.sha256 IS NULL", [file]).map(DeliveryRow.init)
    }

    private func send(_ id: Int64, to destination: Int64, _ table: TableReference, at now: Timestamp) throws {
        try database.run(
            "UPDATE delivery SET destination = ?, revision = revision + 1 WHERE id = ?", [destination, id])
        try database.run(
            "INSERT INTO journal (file, delivery, at, note) SELECT file, id, ?, ? FROM delivery WHERE id = ?",
            [now.milliseconds, "the mapping's table is now \(table)", id])
    }
}
