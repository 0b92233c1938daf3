import GRDB
import SyncCore

/// One write of the queue, inside a transaction that `CommitGroup` opens and commits. Each verb lives in a file of
/// its own beside this one.
final class Transaction {
    let database: Database
    /// Whether the receipt log has something to append once this is committed.
    var wroteReceipts = false
    /// Whether a row that waited for another one was taken up again, or paths of one that ended unsent settle once more.
    var hasWoken = false

    init(_ database: Database) {
        self.database = database
    }

    // MARK: Names and their numbers

    func mappingNumber(_ mapping: MappingID) throws -> Int64 {
        if let row = try database.row("SELECT id FROM mapping WHERE name = ?", [mapping.value]) {
            return try row.integer(0)
        }
        return try database.inserted("INSERT INTO mapping (name) VALUES (?) RETURNING id", [mapping.value])
    }

    func destinationNumber(_ table: TableReference) throws -> Int64 {
        let reference = try StateCoding.text(of: table)
        if let row = try database.row("SELECT id FROM destination WHERE reference = ?", [reference]) {
            return try row.integer(0)
        }
        return try database.inserted("INSERT INTO destination (reference) VALUES (?) RETURNING id", [reference])
    }

    func tableNumber(_ table: TableKey) throws -> Int64 {
        if let number = try database.tableNumber(table) { return number }
        return try database.inserted("INSERT INTO remoteTable (key) VALUES (?) RETURNING id", [table.value])
    }

    // MARK: Small writes that many verbs share

    func note(_ note: String, delivery: Int64?, file: Int64, at now: Timestamp) throws {
        try database.run(
            "INSERT INTO journal (file, delivery, at, note) VALUES (?, ?, ?, ?)",
            [file, delivery, now.milliseconds, note])
        if let delivery { try capJournal(of: delivery) }
    }

    /// Writes a new state over a row from outside its runner: whoever holds it finds its copy stale.
    func setState(
        _ state: DeliveryState, of row: DeliveryRow, resettingTally: Bool = false, note: String, at now: Timestamp
    ) throws {
        let tally = resettingTally ? row.delivery.tally.forgettingTries : row.delivery.tally
        try write(stored(state, tally, mapping: row.mapping), over: row.id, at: now)
        try self.note(note, delivery: row.id, file: row.file, at: now)
    }

    func write(_ stored: StoredState, over id: Int64, at now: Timestamp) throws {
        try database.run(
            """
            UPDATE delivery SET state = ?, stateFormat = ?, kind = ?, public = ?, work = ?, due = ?, tally = ?,
                revision = revision + 1, updated = ? WHERE id = ?
            """,
            [
                stored.json, DeliveryState.formatVersion, stored.kind, stored.publicState.rawValue,
                stored.work?.rawValue, stored.due, stored.tally, now.milliseconds, id,
            ])
        if stored.hasEnded { try endWaits(for: id) }
        if stored.endsUnsent { hasWoken = true }
    }

    /// What the path belongs to, and what of it was accepted. `nil`: the next look finds the file changed.
    func setFile(_ file: Int64, delivery: Int64?, observation: FileObservation?) throws {
        let columns = observation?.columns ?? [nil, nil, nil, nil, nil]
        try database.run(
            """
            UPDATE file SET delivery = ?, device = ?, inode = ?, size = ?, modified = ?, changed = ? WHERE id = ?
            """, [delivery] + columns + [file])
    }

    func dropSettling(_ mapping: Int64, _ path: RelativePath) throws {
        try database.run("DELETE FROM settling WHERE mapping = ? AND path = ?", [mapping, path.column])
    }
}

extension Database {
    func tableNumber(_ table: TableKey) throws -> Int64? {
        try row("SELECT id FROM remoteTable WHERE key = ?", [table.value])?.integer(0)
    }
}

/// A path's row.
struct FileRow {
    let id: Int64
    let delivery: Int64?
    let observation: FileObservation?
    let links: Int64

    static let select = "SELECT id, delivery, links, device, inode, size, modified, changed FROM file "

    init(_ row: Row) throws {
        id = try row.integer(0)
        delivery = try row.optionalInteger(1)
        links = try row.integer(2)
        observation = try row.optionalObservation(3)
    }
}

extension Database {
    func fileRow(_ mapping: Int64, _ path: RelativePath) throws -> FileRow? {
        try row(FileRow.select + "WHERE mapping = ? AND path = ?", [mapping, path.column]).map(FileRow.init)
    }

    func fileRow(_ id: Int64) throws -> FileRow? {
        try row(FileRow.select + "WHERE id = ?", [id]).map(FileRow.init)
    }
}
