import GRDB
import SyncCore

/// How a path's settling row is read and written.
struct SettlingRow {
    let file: SettlingFile
    let due: Int64

    static let select = """
        SELECT m.name, s.path, s.device, s.inode, s.size, s.modified, s.changed, s.quietRun, s.quietSince,
            s.isExisting, s.due
        FROM settling AS s JOIN mapping AS m ON m.id = s.mapping
        """

    init(_ row: Row) throws {
        file = SettlingFile(
            mapping: try row.mapping(0), path: try row.path(1), observation: try row.observation(2),
            quietSince: MonotonicInstant(run: UInt64(bitPattern: try row.integer(7)), nanoseconds: try row.integer(8)),
            isExisting: try row.flag(9))
        due = try row.integer(10)
    }
}

extension Transaction {
    func noteSeen(
        _ files: [SeenFile], in mapping: MappingID, lookAgainAfter quiet: Duration, at now: Moment, hastens: Bool
    ) throws -> SeenSummary {
        var summary = SeenSummary()
        let scan = try SeenScan(self, mapping, quiet, now, hastens)
        for file in files {
            if try scan.isKnown(file) { summary.known += 1 } else { summary.settling += 1 }
        }
        return summary
    }

    func settle(_ file: SettlingFile, _ mapping: Int64, due: MonotonicInstant) throws {
        try database.run(
            """
            INSERT INTO settling (mapping, path, device, inode, size, modified, changed, quietRun, quietSince, due,
                isExisting)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (mapping, path) DO UPDATE SET device = excluded.device, inode = excluded.inode,
                size = excluded.size, modified = excluded.modified, changed = excluded.changed,
                quietRun = excluded.quietRun, quietSince = excluded.quietSince, due = excluded.due,
                isExisting = max(isExisting, excluded.isExisting)
            """,
            [mapping, file.path.column] + file.observation.columns + [
                Int64(bitPattern: file.quietSince.run), file.quietSince.nanoseconds, max(due.nanoseconds, 0),
                file.isExisting,
            ])
    }
}

/// One batch of a scan.
private struct SeenScan {
    let transaction: Transaction
    let mapping: MappingID
    let number: Int64
    /// Files met now were there before the mapping.
    let isOpen: Bool
    /// So were those that come to light below these paths.
    let unseen: Set<RelativePath>
    /// Saves a statement for each known file where nothing settles, as in most scans.
    let hasSettling: Bool
    let due: MonotonicInstant
    let now: MonotonicInstant
    let hastens: Bool

    var database: Database { transaction.database }

    init(
        _ transaction: Transaction, _ mapping: MappingID, _ quiet: Duration, _ now: Moment, _ hastens: Bool
    ) throws {
        self.hastens = hastens
        self.transaction = transaction
        self.mapping = mapping
        self.now = now.monotonic
        due = now.monotonic.advanced(by: quiet)
        number = try transaction.mappingNumber(mapping)
        isOpen = try transaction.database.existingVerdict(number) == .open
        unseen = try transaction.database.unseen(number)
        hasSettling = try transaction.database.exists("SELECT 1 FROM settling WHERE mapping = ? LIMIT 1", [number])
    }

    func isKnown(_ seen: SeenFile) throws -> Bool {
        let file = try database.fileRow(number, seen.path)
        if let file, let delivery = file.delivery {
            if file.observation == seen.observation {
                if hasSettling { try transaction.dropSettling(number, seen.path) }
                return true
            }
            // What a person told to ignore stays ignored, however it changes.
            if try database.kind(of: delivery) == "forgotten" {
                try transaction.setFile(file.id, delivery: delivery, observation: seen.observation)
                try transaction.dropSettling(number, seen.path)
                return true
            }
        }
        try settle(seen, file)
        return false
    }

    private func settle(_ seen: SeenFile, _ file: FileRow?) throws {
        let row = try database.row(
            SettlingRow.select + " WHERE s.mapping = ? AND s.path = ?", [number, seen.path.column])
        if let row {
            let settling = try SettlingRow(row).file
            if settling.observation == seen.observation, settling.quietSince.run == now.run {
                guard hastens else { return }
                try database.run(
                    "UPDATE settling SET due = 0 WHERE mapping = ? AND path = ?", [number, seen.path.column])
                return
            }
        }
        let wasExisting = try file.map { try database.isUnjudgedExisting($0, seen.observation) } ?? false
        try transaction.settle(
            SettlingFile(
                mapping: mapping, path: seen.path, observation: seen.observation, quietSince: now,
                isExisting: isOpen || wasExisting || wasUnseen(seen.path)),
            number, due: due)
    }

    private func wasUnseen(_ path: RelativePath) -> Bool {
        let slash = UInt8(ascii: "/")
        return unseen.contains { place in
            path == place || path.bytes.starts(with: place.bytes + [slash])
        }
    }
}

extension Database {
    func existingVerdict(_ mapping: Int64) throws -> ExistingVerdict {
        let text = try row("SELECT existing FROM mapping WHERE id = ?", [mapping])?.text(0)
        return text.flatMap(ExistingVerdict.init(rawValue:)) ?? .open
    }

    /// What the first scan of a mapping could not look into; empty for most.
    func unseen(_ mapping: Int64) throws -> Set<RelativePath> {
        Set(try rows("SELECT path FROM unseen WHERE mapping = ?", [mapping]).map { try $0.path(0) })
    }

    func kind(of delivery: Int64) throws -> String? {
        try row("SELECT kind FROM delivery WHERE id = ?", [delivery])?.text(0)
    }

    /// Whether a path's present version was there before its mapping, and its content was never judged. What
    /// `existing: skip` left out is that as long as it was not written to.
    fileprivate func isUnjudgedExisting(_ file: FileRow, _ seen: FileObservation) throws -> Bool {
        guard let delivery = file.delivery else { return false }
        return try exists(
            """
            SELECT 1 FROM delivery WHERE id = ? AND isExisting = 1 AND sha256 IS NULL
                AND (kind <> 'ignored' OR size = ? AND modified = ?)
            """, [delivery, seen.size, seen.modified])
    }
}
