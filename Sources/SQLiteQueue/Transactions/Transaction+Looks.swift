import GRDB
import SyncCore

extension Transaction {
    func recordLooks(_ looks: [SettleOutcome], began: MonotonicInstant, at now: Moment) throws {
        for look in looks {
            switch look {
            case .lookAgain(let file, let due):
                let mapping = try mappingNumber(file.mapping)
                if try !isOvertaken(file.path, mapping, began) {
                    try settle(file.noticed(at: began), mapping, due: due)
                }
            case .drop(let file):
                let mapping = try mappingNumber(file.mapping)
                if try !isOvertaken(file.path, mapping, began) { try drop(file.path, mapping) }
            case .admit(let admitted):
                let mapping = try mappingNumber(admitted.file.mapping)
                let path = admitted.file.path
                if try !isOvertaken(path, mapping, began) { try dropSettling(mapping, path) }
                try admit(admitted, mapping, at: now.wall)
            }
        }
    }

    /// Whether something was noticed at the path since the look at it began, as by an event: that is told only once,
    /// and settles on.
    private func isOvertaken(_ path: RelativePath, _ mapping: Int64, _ began: MonotonicInstant) throws -> Bool {
        try settlingFile(mapping, path).map { !$0.isOlder(thanLookBegunAt: began) } ?? false
    }

    /// A path that is gone again before anything was admitted leaves nothing behind.
    private func drop(_ path: RelativePath, _ mapping: Int64) throws {
        try dropSettling(mapping, path)
        guard let file = try database.fileRow(mapping, path), file.delivery == nil else { return }
        guard try !database.exists("SELECT 1 FROM delivery WHERE file = ? LIMIT 1", [file.id]) else { return }
        try database.run("DELETE FROM journal WHERE file = ?1 AND delivery IS NULL", [file.id])
        guard try !database.exists("SELECT 1 FROM journal WHERE file = ? LIMIT 1", [file.id]) else { return }
        try database.run("DELETE FROM file WHERE id = ?", [file.id])
    }

    private func admit(_ admitted: AdmittedFile, _ mapping: Int64, at now: Timestamp) throws {
        let file = try fileNumber(mapping, admitted)
        guard let known = try database.fileRow(file), let current = known.delivery else {
            // Never seen, or given up before its content was known: older versions of the path may still be there.
            return try insert(admitted, mapping, file, isChange: try hasContent(file), at: now)
        }
        if known.observation == admitted.look.observation {
            guard admitted.file.isWritten else { return }
            return try compareAgain(admitted, mapping, file, current, at: now)
        }
        guard let row = try database.deliveryRow(current) else {
            return try insert(admitted, mapping, file, isChange: true, at: now)
        }
        if row.kind == "forgotten" {
            return try setFile(file, delivery: current, observation: admitted.look.observation)
        }
        if row.delivery.content == nil {
            try admitAgain(admitted, row, at: now)
        } else {
            try insert(admitted, mapping, file, isChange: true, at: now)
        }
    }

    /// Somebody may have written without a trace in `stat`. A content that is known is read again. Where it is being read
    /// or sent, whoever does that finds the row moved on, and proves what was sent before it goes on.
    private func compareAgain(
        _ admitted: AdmittedFile, _ mapping: Int64, _ file: Int64, _ current: Int64, at now: Timestamp
    ) throws {
        guard let row = try database.deliveryRow(current), row.kind != "forgotten" else { return }
        if row.delivery.content != nil { return try insert(admitted, mapping, file, isChange: true, at: now) }
        try database.run(
            "UPDATE delivery SET revision = revision + 1 WHERE id = ? AND work IS NOT NULL", [row.id])
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

    private func insert(
        _ admitted: AdmittedFile, _ mapping: Int64, _ file: Int64, isChange: Bool, at now: Timestamp
    ) throws {
        // A provisional row that the path points away from ends here: the content under examination is this one.
        try giveUpProvisional(ofFile: file, at: now)
        let (state, note) = try admission(of: admitted, file, isChange: isChange)
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

    /// The path changed again before its content was known: the same row begins anew.
    private func admitAgain(_ admitted: AdmittedFile, _ row: DeliveryRow, at now: Timestamp) throws {
        let (state, note) = try admission(of: admitted, row.file, isChange: try hasContent(row.file))
        let observation = admitted.look.observation
        try database.run(
            """
            UPDATE delivery SET device = ?, inode = ?, size = ?, modified = ?, changed = ?, destination = ?,
                remoteTable = NULL, nameBase = ?, isExisting = ? WHERE id = ?
            """,
            observation.columns + [
                try destinationNumber(admitted.table), admitted.nameBase.column,
                row.isExisting || admitted.file.isExisting, row.id,
            ])
        try setFile(row.file, delivery: row.id, observation: observation)
        let dropped = row.delivery.state.hasSession ? "; its session is dropped" : ""
        try setState(
            state, of: row, resettingTally: true, note: "the file changed before it was sent\(dropped): \(note)",
            at: now)
    }

    private func giveUpProvisional(ofFile file: Int64, at now: Timestamp) throws {
        guard
            let provisional = try database.row("SELECT id FROM delivery WHERE file = ? AND sha256 IS NULL", [file])
        else { return }
        try deleteDelivery(provisional.integer(0))
    }

    /// Journal lines stay with the path.
    func deleteDelivery(_ id: Int64) throws {
        try database.run("UPDATE file SET delivery = NULL WHERE delivery = ?", [id])
        try database.run("DELETE FROM delivery WHERE id = ?", [id])
    }

    /// - Parameter isChange: whether a content of this path is known already.
    private func admission(
        of admitted: AdmittedFile, _ file: Int64, isChange: Bool
    ) throws -> (DeliveryState, note: String) {
        switch admitted.disposition {
        case .ignore(let rule): return (.abandoned(.ignored(rule)), "ignored by \(rule)")
        case .hold(let reason): return (.held(reason), "held")
        case .judge: return (.working(.pending(.existing)), "settled; it was there before")
        case .deliver:
            if isChange { return (.working(.pending(.examine)), "settled; the path is known") }
            if admitted.file.isExisting { return (.working(.pending(.examine)), "settled; it was there before") }
            if admitted.look.links > 1 { return (.working(.pending(.examine)), "settled; it has other names") }
            if try isPerhapsMoved(admitted.look.observation, file) {
                return (.working(.pending(.examine)), "settled; perhaps moved")
            }
            return (.working(.pending(.fresh)), "settled")
        }
    }

    /// Whether another path has, or had, this inode at this size. A version of another size cannot be this content,
    /// and file systems give inode numbers again at once: without the size nearly every new file would be read twice.
    private func isPerhapsMoved(_ observation: FileObservation, _ file: Int64) throws -> Bool {
        let inode: [SQLValue] = [
            Int64(bitPattern: observation.device), Int64(bitPattern: observation.inode), observation.size, file,
        ]
        return try database.exists(
            "SELECT 1 FROM file WHERE device = ? AND inode = ? AND size = ? AND id <> ? LIMIT 1", inode)
            || database.exists(
                "SELECT 1 FROM delivery WHERE device = ? AND inode = ? AND size = ? AND file <> ? LIMIT 1", inode)
    }
}

extension DeliveryState {
    fileprivate var hasSession: Bool {
        switch stage {
        case .transferring, .probing, .concluding, .lookingUp(.session, _), .posting(.session, _): true
        case .pending, .opening, .reading, .lookingUp(.inline, _), .posting(.inline, _), .importing, .withdrawing, nil:
            false
        }
    }
}
