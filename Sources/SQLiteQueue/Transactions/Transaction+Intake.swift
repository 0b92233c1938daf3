import GRDB
import SyncCore

/// How a path's settling row is read and written.
struct SettlingRow {
    let file: SettlingFile
    let due: Int64

    static let select = """
        SELECT m.name, s.path, s.device, s.inode, s.size, s.modified, s.changed, s.quietRun, s.quietSince,
            s.isExisting, s.due, s.noticed, s.isWritten, s.isRewritten
        FROM settling AS s JOIN mapping AS m ON m.id = s.mapping
        """

    init(_ row: Row) throws {
        let run = UInt64(bitPattern: try row.integer(7))
        file = SettlingFile(
            mapping: try row.mapping(0), path: try row.path(1), observation: try row.observation(2),
            quietSince: MonotonicInstant(run: run, nanoseconds: try row.integer(8)),
            noticed: MonotonicInstant(run: run, nanoseconds: try row.integer(11)), isExisting: try row.flag(9),
            isWritten: try row.flag(12), isRewritten: try row.flag(13))
        due = try row.integer(10)
    }
}

extension Transaction {
    func noteSeen(
        _ files: [SeenFile], in mapping: MappingID, lookAgainAfter quiet: Duration, began: MonotonicInstant,
        at now: Moment, hastens: Bool
    ) throws -> SeenSummary {
        var summary = SeenSummary()
        let scan = try SeenScan(self, mapping, quiet, began, now, hastens)
        for file in files {
            if try scan.isKnown(file) { summary.known += 1 } else { summary.settling += 1 }
        }
        return summary
    }

    func settlingFile(_ mapping: Int64, _ path: RelativePath) throws -> SettlingFile? {
        try database.row(
            SettlingRow.select + " WHERE s.mapping = ? AND s.path = ?", [mapping, path.column]
        ).map { try SettlingRow($0).file }
    }

    /// - Parameter file: its two instants are of one run.
    func settle(_ file: SettlingFile, _ mapping: Int64, due: MonotonicInstant) throws {
        try database.run(
            """
            INSERT INTO settling (mapping, path, device, inode, size, modified, changed, quietRun, quietSince, due,
                isExisting, noticed, isWritten, isRewritten)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (mapping, path) DO UPDATE SET device = excluded.device, inode = excluded.inode,
                size = excluded.size, modified = excluded.modified, changed = excluded.changed,
                quietRun = excluded.quietRun, quietSince = excluded.quietSince, due = excluded.due,
                isExisting = max(isExisting, excluded.isExisting), noticed = max(noticed, excluded.noticed),
                isWritten = max(isWritten, excluded.isWritten), isRewritten = max(isRewritten, excluded.isRewritten)
            """,
            [mapping, file.path.column] + file.observation.columns + [
                Int64(bitPattern: file.quietSince.run), file.quietSince.nanoseconds, max(due.nanoseconds, 0),
                file.isExisting, file.noticed.nanoseconds, file.isWritten, file.isRewritten,
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
    /// So were those that come to light in places that the first scan could not see, if there are any.
    let hasUnseen: Bool
    /// Saves a statement for each known file where nothing settles, as in most scans.
    let hasSettling: Bool
    let due: MonotonicInstant
    let began: MonotonicInstant
    let now: MonotonicInstant
    let hastens: Bool

    var database: Database { transaction.database }

    init(
        _ transaction: Transaction, _ mapping: MappingID, _ quiet: Duration, _ began: MonotonicInstant, _ now: Moment,
        _ hastens: Bool
    ) throws {
        self.began = began
        self.hastens = hastens
        self.transaction = transaction
        self.mapping = mapping
        self.now = now.monotonic
        due = now.monotonic.advanced(by: quiet)
        number = try transaction.mappingNumber(mapping)
        isOpen = try transaction.database.existingVerdict(number) == .open
        hasUnseen = try transaction.database.exists("SELECT 1 FROM unseen WHERE mapping = ? LIMIT 1", [number])
        hasSettling = try transaction.database.exists("SELECT 1 FROM settling WHERE mapping = ? LIMIT 1", [number])
    }

    func isKnown(_ seen: SeenFile) throws -> Bool {
        let file = try database.fileRow(number, seen.path)
        let isForgotten = try file.map { try hasForgotten($0, seen) } ?? false
        let settling = hasSettling ? try transaction.settlingFile(number, seen.path) : nil
        let look = PathLook(
            observation: seen.observation, began: began, isUrgent: hastens,
            isWritten: seen.isWritten && !isForgotten)
        let accepted = isForgotten ? seen.observation : file?.delivery == nil ? nil : file?.observation
        switch SettlingFile.change(of: settling, by: look, accepted: accepted) {
        case .none where settling != nil: return false
        case .none: break
        case .erase: try transaction.dropSettling(number, seen.path)
        case .hasten:
            try hasten(seen)
            return false
        case .begin:
            try begin(seen, file, over: settling)
            if hastens, let before = file?.observation, !before.isSameFile(as: seen.observation) {
                try transaction.lookAtOtherNames(ofLeft: before, but: file?.id ?? 0)
            }
            return false
        }
        if isForgotten, let file {
            try transaction.setFile(file.id, delivery: file.delivery, observation: seen.observation)
        }
        return true
    }

    /// What a person told to ignore stays ignored, however it changes: at the path that was named.
    private func hasForgotten(_ file: FileRow, _ seen: SeenFile) throws -> Bool {
        guard file.observation != seen.observation else { return false }
        return try database.isForgotten(file)
    }

    private func hasten(_ seen: SeenFile) throws {
        try database.run(
            """
            UPDATE settling SET due = 0, noticed = max(noticed, ?), isWritten = max(isWritten, ?)
            WHERE mapping = ? AND path = ?
            """, [began.nanoseconds, seen.isWritten, number, seen.path.column])
    }

    private func begin(_ seen: SeenFile, _ file: FileRow?, over settling: SettlingFile?) throws {
        let wasExisting = try file.map { try database.isUnjudgedExisting($0, seen.observation) } ?? false
        try transaction.settle(
            SettlingFile(
                mapping: mapping, path: seen.path, observation: seen.observation, quietSince: now, noticed: began,
                isExisting: try isOpen || wasExisting || wasUnseen(seen.path), isWritten: seen.isWritten,
                isRewritten: settling?.isRewritten(as: seen.observation) ?? false),
            number, due: due)
    }

    /// Whether the path, or a directory above it, is among the unseen places.
    private func wasUnseen(_ path: RelativePath) throws -> Bool {
        guard hasUnseen else { return false }
        let slashes = path.bytes.indices.filter { path.bytes[$0] == UInt8(ascii: "/") }
        return try (slashes + [path.bytes.count]).contains { end in
            try database.exists(
                "SELECT 1 FROM unseen WHERE mapping = ? AND path = ?", [number, Array(path.bytes[..<end]).column])
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

    /// Whether a person named this very path. Another path of a version that was forgotten has it only as long as its
    /// content is the same.
    func isForgotten(_ file: FileRow) throws -> Bool {
        guard let delivery = file.delivery else { return false }
        return try exists(
            "SELECT 1 FROM delivery WHERE id = ? AND kind = 'forgotten' AND file = ?", [delivery, file.id])
    }

    func kind(of delivery: Int64) throws -> String? {
        try row("SELECT kind FROM delivery WHERE id = ?", [delivery])?.text(0)
    }

    /// Whether a path's present version was there before its mapping, and its content was never judged. What
    /// `existing: skip` left out is that as long as it was not written to. What came to another path later, and was moved
    /// here, was not there before.
    fileprivate func isUnjudgedExisting(_ file: FileRow, _ seen: FileObservation) throws -> Bool {
        guard let delivery = file.delivery else { return false }
        return try exists(
            """
            SELECT 1 FROM delivery WHERE id = ? AND isExisting = 1 AND sha256 IS NULL
                AND (kind <> 'ignored' OR size = ? AND modified = ?)
                AND NOT EXISTS (
                    SELECT 1 FROM delivery AS o
                    WHERE o.device = ? AND o.inode = ? AND o.file <> ? AND o.isExisting = 0)
            """,
            [
                delivery, seen.size, seen.modified, Int64(bitPattern: seen.device), Int64(bitPattern: seen.inode),
                file.id,
            ])
    }
}
