import GRDB
import SyncCore

/// Admits what has settled, as `Versions.admit` says.
extension Transaction {
    func admit(_ admitted: AdmittedFile, _ mapping: Int64, at now: Timestamp) throws {
        let file = try fileNumber(mapping, admitted)
        let known = try database.fileRow(file)
        let row = try known?.delivery.flatMap { try database.deliveryRow($0) }
        switch Versions.admit(admitted, try facts(of: admitted, mapping, file, known, row)) {
        case .nothing:
            return
        case .accept:
            return try setFile(file, delivery: row?.id, observation: admitted.look.observation)
        case .restart(let state, let note):
            guard let row else { return }
            try restart(row, as: state, admitted, note, at: now)
        case .disturb:
            guard let row else { return }
            try database.run(
                "UPDATE delivery SET revision = revision + 1 WHERE id = ? AND work IS NOT NULL", [row.id])
        case .keep(let state, let note):
            guard let row else { return }
            try setFile(file, delivery: row.id, observation: admitted.look.observation)
            // One that is worked on is left alone.
            if row.delivery.state != state { try setState(state, of: row, note: note, at: now) }
        case .follow(let moved, let note):
            try follow(moved, to: file, admitted, note, at: now)
        case .insert(let state, let note):
            try insert(state, admitted, mapping, file, note, at: now)
        }
        if admitted.look.links > 1 { try lookAtOtherNames(ofWritten: admitted, but: file) }
        // What was written may be the file that had this name before.
        if admitted.file.isWritten, let before = known?.observation,
            !before.isSameFile(as: admitted.look.observation)
        {
            try lookAtOtherNames(ofLeft: before, but: file)
        }
    }

    private func facts(
        of admitted: AdmittedFile, _ mapping: Int64, _ file: Int64, _ known: FileRow?, _ row: DeliveryRow?
    ) throws -> PathFacts {
        var facts = PathFacts()
        facts.current = row?.delivery
        facts.accepted = known?.observation
        facts.hasContent = try known?.delivery != nil && row == nil || hasContent(file)
        facts.mayHaveMoved = try mayHaveMoved(admitted.look.observation, file)
        facts.sentFromElsewhere = try sent(admitted.look.observation, mapping, from: file)
        return facts
    }

    private func fileNumber(_ mapping: Int64, _ admitted: AdmittedFile) throws -> Int64 {
        let links = Int64(clamping: admitted.look.links)
        return try database.inserted(
            """
            INSERT INTO file (mapping, path, links) VALUES (?, ?, ?)
            ON CONFLICT (mapping, path) DO UPDATE SET links = excluded.links RETURNING id
            """, [mapping, admitted.file.path.column, links])
    }

    private func hasContent(_ file: Int64) throws -> Bool {
        try database.exists("SELECT 1 FROM delivery WHERE file = ? AND sha256 IS NOT NULL LIMIT 1", [file])
    }

    /// Whether another path has, or had, this inode at this size. A version of another size cannot be this content,
    /// and file systems give inode numbers again at once: without the size nearly every new file would be read twice.
    private func mayHaveMoved(_ observation: FileObservation, _ file: Int64) throws -> Bool {
        let inode: [SQLValue] = [
            Int64(bitPattern: observation.device), Int64(bitPattern: observation.inode), observation.size, file,
        ]
        return try database.exists(
            "SELECT 1 FROM file WHERE device = ? AND inode = ? AND size = ? AND id <> ? LIMIT 1", inode)
            // Two ranges, since the path's own versions may be many.
            || database.exists(
                "SELECT 1 FROM delivery WHERE device = ? AND inode = ? AND size = ? AND file < ? LIMIT 1", inode)
            || database.exists(
                "SELECT 1 FROM delivery WHERE device = ? AND inode = ? AND size = ? AND file > ? LIMIT 1", inode)
    }

    // MARK: Writing

    private func insert(
        _ state: DeliveryState, _ admitted: AdmittedFile, _ mapping: Int64, _ file: Int64, _ note: String,
        at now: Timestamp
    ) throws {
        // A provisional row that the path points away from ends here: the content under examination is this one.
        try giveUpProvisional(ofFile: file)
        let stored = try stored(state, Delivery.Tally(), mapping: mapping)
        let columns: [SQLValue] = [
            mapping, file, try destinationNumber(admitted.table), admitted.nameBase.column, admitted.file.isExisting,
        ]
        let rest: [SQLValue] = [
            stored.json, DeliveryState.formatVersion, stored.kind, stored.publicState.rawValue,
            stored.work?.rawValue, stored.due, stored.tally, now.milliseconds, now.milliseconds,
        ]
        let id = try database.inserted(
            """
            INSERT INTO delivery (mapping, file, destination, nameBase, isExisting, device, inode, size, modified,
                changed, state, stateFormat, kind, public, work, due, tally, created, updated)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
            """, columns + admitted.look.observation.columns + rest)
        try setFile(file, delivery: id, observation: admitted.look.observation)
        try self.note(note, delivery: id, file: file, at: now)
    }

    private func restart(
        _ row: DeliveryRow, as state: DeliveryState, _ admitted: AdmittedFile, _ note: String, at now: Timestamp
    ) throws {
        let observation = admitted.look.observation
        try database.run(
            """
            UPDATE delivery SET device = ?, inode = ?, size = ?, modified = ?, changed = ?, destination = ?,
                remoteTable = NULL, nameBase = ?, isExisting = ? WHERE id = ?
            """,
            observation.columns + [
                try destinationNumber(admitted.table), admitted.nameBase.column,
                admitted.file.isExisting, row.id,
            ])
        try setFile(row.file, delivery: row.id, observation: observation)
        try setState(state, of: row, resettingTally: true, note: note, at: now)
    }

    func giveUpProvisional(ofFile file: Int64) throws {
        guard
            let provisional = try database.row("SELECT id FROM delivery WHERE file = ? AND sha256 IS NULL", [file])
        else { return }
        try deleteDelivery(provisional.integer(0))
    }

    /// Journal lines stay with the path.
    func deleteDelivery(_ id: Int64) throws {
        try endWaits(for: id)
        try database.run("UPDATE file SET delivery = NULL WHERE delivery = ?", [id])
        try database.run("DELETE FROM delivery WHERE id = ?", [id])
    }

    /// A file that is written to under one of its names has changed under all of them, and the kernel tells of the one.
    /// Whoever writes may put the mtime back.
    private func lookAtOtherNames(ofWritten admitted: AdmittedFile, but file: Int64) throws {
        let observation = admitted.look.observation
        try settleNames(
            of: observation, but: file, where: "(size <> ? OR modified <> ? OR ?)",
            [observation.size, observation.modified, admitted.file.isWritten])
    }

    /// A path names another file now, or none. What was written before by that name is seen by the others only.
    ///
    /// - Returns: whether anything settles because of it.
    @discardableResult func lookAtOtherNames(ofLeft observation: FileObservation, but file: Int64) throws -> Bool {
        try settleNames(
            of: observation, but: file, where: "(links > 1 OR (SELECT links FROM file WHERE id = ?) > 1)", [file])
        return database.changesCount > 0
    }

    /// - Returns: whether anything settles because of it.
    func noteLeft(_ paths: [RelativePath], in mapping: MappingID) throws -> Bool {
        let number = try mappingNumber(mapping)
        return try paths.reduce(false) { settles, path in
            guard let file = try database.fileRow(number, path), let before = file.observation else { return settles }
            return try lookAtOtherNames(ofLeft: before, but: file.id) || settles
        }
    }

    private func settleNames(
        of observation: FileObservation, but file: Int64, where condition: String, _ arguments: [SQLValue]
    ) throws {
        let inode: [SQLValue] = [Int64(bitPattern: observation.device), Int64(bitPattern: observation.inode)]
        try database.run(
            """
            INSERT INTO settling (mapping, path, device, inode, size, modified, changed, quietRun, quietSince, due,
                isExisting)
            SELECT mapping, path, device, inode, size, modified, changed, 0, 0, 0, EXISTS (
                SELECT 1 FROM delivery AS d WHERE d.id = file.delivery AND d.isExisting = 1 AND d.sha256 IS NULL)
            FROM file
            WHERE device = ? AND inode = ? AND id <> ? AND \(condition) LIMIT 1000
            ON CONFLICT DO NOTHING
            """, inode + [file] + arguments)
    }
}
