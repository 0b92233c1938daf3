import GRDB
import SyncCore

/// A file that is moved while it is sent: the session and what was sent are kept, and proven when it goes on.
extension Transaction {
    /// What is being sent from another path of the mapping and is this very file, as it was but for its ctime.
    func sent(_ observation: FileObservation, _ mapping: Int64, from file: Int64) throws -> Delivery? {
        try database.row(
            """
            SELECT id FROM delivery WHERE device = ? AND inode = ? AND size = ?
                AND kind IN ('transferring', 'probing', 'concluding') AND modified = ? AND mapping = ? AND file <> ?
                AND work IS NOT NULL LIMIT 1
            """,
            [
                Int64(bitPattern: observation.device), Int64(bitPattern: observation.inode), observation.size,
                observation.modified, mapping, file,
            ]
        ).flatMap { try database.deliveryRow($0.integer(0))?.delivery }
    }

    func follow(
        _ moved: Delivery, to file: Int64, _ admitted: AdmittedFile, _ text: String, at now: Timestamp
    ) throws {
        guard let row = try database.deliveryRow(moved.id.value) else { return }
        try giveUpProvisional(ofFile: file)
        let observation = admitted.look.observation
        // Its name follows from its path until it has one.
        let nameBase = moved.uploadName == nil ? admitted.nameBase : moved.nameBase
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
        try write(stored(moved.state, moved.tally, mapping: row.mapping), over: row.id, at: now)
        try note(text, delivery: row.id, file: file, at: now)
    }
}
