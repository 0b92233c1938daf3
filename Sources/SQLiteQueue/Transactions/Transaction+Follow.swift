import GRDB
import SyncCore

// A file whose ctime alone moves while it is sent, and one that is moved: the session and what was sent are kept, and
// the delivery proves them when it goes on.

extension Transaction {
    /// Takes a file that has settled again for the one that is being sent, where nothing but its ctime differs.
    func keepsSending(_ row: DeliveryRow, _ admitted: AdmittedFile, at now: Timestamp) throws -> Bool {
        guard row.delivery.state.stage?.sending != nil, row.delivery.path == admitted.file.path,
            admitted.isToBeDelivered, admitted.look.observation.isTouch(of: row.delivery.observation)
        else { return false }
        // The row keeps its own observation: whoever sends it must see that it is to be compared.
        try setFile(row.file, delivery: row.id, observation: admitted.look.observation)
        try wake(row, note: "settled again: its mode, owner or links changed", at: now)
        return true
    }

    /// Gives the one that is being sent a new path, where the file that has settled there is that file and has no other
    /// name. A path that had contents of its own is left to an examination, since `on_change` is about those.
    func follow(_ admitted: AdmittedFile, _ mapping: Int64, _ file: Int64, at now: Timestamp) throws -> Bool {
        guard admitted.look.links == 1, admitted.isToBeDelivered,
            let row = try sending(admitted.look.observation, mapping, except: file),
            row.destination == (try destinationNumber(admitted.table)),
            try !database.exists("SELECT 1 FROM delivery WHERE file = ? AND sha256 IS NOT NULL LIMIT 1", [file])
        else { return false }
        if let provisional = try database.row("SELECT id FROM delivery WHERE file = ? AND sha256 IS NULL", [file]) {
            try deleteDelivery(provisional.integer(0))
        }
        let observation = admitted.look.observation
        // Its name follows from its path until it has one.
        let nameBase = row.delivery.uploadName == nil ? admitted.nameBase : row.delivery.nameBase
        try database.run(
            """
            UPDATE delivery SET file = ?, nameBase = ?, device = ?, inode = ?, size = ?, modified = ?, changed = ?
            WHERE id = ?
            """, [file, nameBase.column] + observation.columns + [row.id])
        try setFile(file, delivery: row.id, observation: observation)
        let older = try database.row(
            "SELECT id FROM delivery WHERE file = ? ORDER BY id DESC LIMIT 1", [row.file])?.integer(0)
        try setFile(row.file, delivery: older, observation: nil)
        try note("moved to \(admitted.file.path)", delivery: row.id, file: row.file, at: now)
        var moved = row
        moved.delivery.tally.wasMissed = nil
        try goOn(moved, file: file, note: "moved here from \(row.delivery.path)", at: now)
        return true
    }

    /// The transfer of this very file, as it was but for its ctime.
    private func sending(
        _ observation: FileObservation, _ mapping: Int64, except file: Int64
    ) throws -> DeliveryRow? {
        try database.row(
            DeliveryRow.select + """
                 WHERE d.device = ? AND d.inode = ? AND d.size = ? AND d.modified = ? AND d.mapping = ? AND d.file <> ?
                    AND d.work IS NOT NULL AND d.kind IN ('transferring', 'probing', 'concluding') LIMIT 1
                """,
            [
                Int64(bitPattern: observation.device), Int64(bitPattern: observation.inode), observation.size,
                observation.modified, mapping, file,
            ]
        ).map(DeliveryRow.init)
    }

    /// A row that waits goes on at once; one that is worked on is left alone.
    private func wake(_ row: DeliveryRow, note: String, at now: Timestamp) throws {
        switch row.delivery.state {
        case .waiting: try goOn(row, file: row.file, note: note, at: now)
        case .working, .delivered, .held, .parked, .abandoned: break
        }
    }

    private func goOn(_ row: DeliveryRow, file: Int64, note: String, at now: Timestamp) throws {
        guard let stage = row.delivery.state.stage else { return }
        try write(stored(.working(stage), row.delivery.tally, mapping: row.mapping), over: row.id, at: now)
        try self.note(note, delivery: row.id, file: file, at: now)
    }
}

extension AdmittedFile {
    fileprivate var isToBeDelivered: Bool {
        switch disposition {
        case .deliver, .judge: true
        case .hold, .ignore: false
        }
    }
}
