import GRDB
import SyncCore

extension Transaction {
    func resettle(_ delivery: Delivery, note text: String, at now: Moment) throws {
        // Somebody else has already moved the row on, the intake most likely.
        guard let row = try database.deliveryRow(delivery.id.value), row.delivery.revision == delivery.revision else {
            return
        }
        switch Versions.resettled(row.delivery) {
        case .giveUp:
            try giveUp(row, text, at: now.wall)
        case .end(let state):
            try setState(state, of: row, note: text, at: now.wall)
        case .keep:
            try note(text, delivery: row.id, file: row.file, at: now.wall)
            // Where the path has another version by now, what was accepted for that one stands: a look that sees just
            // that need not have it read again.
            if try database.fileRow(row.file)?.delivery == row.id {
                try setFile(row.file, delivery: row.id, observation: nil)
            }
        }
        let file = SettlingFile(
            mapping: row.delivery.mapping, path: row.delivery.path, observation: delivery.observation,
            quietSince: now.monotonic, isExisting: row.isExisting && row.delivery.content == nil)
        try settle(file, row.mapping, due: now.monotonic)
    }

    private func giveUp(_ row: DeliveryRow, _ text: String, at now: Timestamp) throws {
        try deleteDelivery(row.id)
        try note(text, delivery: nil, file: row.file, at: now)
        // The path goes back to the version that it had before, without an observation that would let a scan pass.
        let older = try database.row(
            "SELECT id FROM delivery WHERE file = ? ORDER BY id DESC LIMIT 1", [row.file])?.integer(0)
        try setFile(row.file, delivery: older, observation: nil)
    }

    /// `forget` of a path whose content the queue does not hold yet, or that is delivered: whatever comes there is
    /// ignored.
    func ignoreByHand(
        _ path: RelativePath, in mapping: MappingID, table: TableReference, at now: Timestamp
    ) throws -> DeliveryID {
        let number = try mappingNumber(mapping)
        let settling = try database.row(
            SettlingRow.select + " WHERE s.mapping = ? AND s.path = ?", [number, path.column]
        ).map { try SettlingRow($0).file }
        let file = try database.inserted(
            """
            INSERT INTO file (mapping, path) VALUES (?, ?)
            ON CONFLICT (mapping, path) DO UPDATE SET path = path RETURNING id
            """, [number, path.column])
        try giveUpProvisional(ofFile: file)
        try dropSettling(number, path)
        let observation =
            settling?.observation ?? FileObservation(device: 0, inode: 0, size: 0, modified: 0, changed: 0)
        let id = try insertForgotten(
            mapping: number, file: file, table: table, path: path, observation,
            isExisting: settling?.isExisting ?? false, at: now)
        try setFile(file, delivery: id, observation: settling?.observation)
        try note("ignored by hand", delivery: id, file: file, at: now)
        return DeliveryID(id)
    }

    private func insertForgotten(
        mapping: Int64, file: Int64, table: TableReference, path: RelativePath, _ observation: FileObservation,
        isExisting: Bool, at now: Timestamp
    ) throws -> Int64 {
        let stored = try StoredState(Versions.ignoredByHand, Delivery.Tally())
        let columns: [SQLValue] = [mapping, file, try destinationNumber(table), path.column, isExisting]
        let rest: [SQLValue] = [
            stored.json, DeliveryState.formatVersion, stored.kind, stored.publicState.rawValue, stored.tally,
            now.milliseconds, now.milliseconds,
        ]
        return try database.inserted(
            """
            INSERT INTO delivery (mapping, file, destination, nameBase, isExisting, device, inode, size, modified,
                changed, state, stateFormat, kind, public, tally, created, updated)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
            """, columns + observation.columns + rest)
    }
}
