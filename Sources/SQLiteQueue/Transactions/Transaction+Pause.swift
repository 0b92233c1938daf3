import GRDB
import SyncCore
import SystemPackage

// A paused mapping's deliveries that have no session yet are taken out of the work: no query for what is due, and no
// count of what is to be done, ever meets them, however many there are. What has a session goes on to its end.

extension Transaction {
    /// Pauses one mapping by hand, or everything, also mappings that come later.
    func pause(_ mapping: MappingID?) throws -> PauseChange {
        let before = try database.pauses()
        if let mapping {
            let number = try mappingNumber(mapping)
            try database.run("UPDATE mapping SET pausedByHand = 1 WHERE id = ?", [number])
            try settlePause(of: number, run: nil)
        } else {
            try database.run("INSERT INTO meta VALUES ('paused', 'everything') ON CONFLICT DO NOTHING")
            for number in try allMappings() { try settlePause(of: number, run: nil) }
        }
        return PauseChange(before: before, after: try database.pauses())
    }

    /// Undoes `pause` of one mapping, or of everything. What the mapping file pauses stays so.
    ///
    /// - Parameter run: the present one; instants of another are over.
    func resume(_ mapping: MappingID?, run: UInt64) throws -> PauseChange {
        let before = try database.pauses()
        if let mapping {
            let number = try mappingNumber(mapping)
            try database.run("UPDATE mapping SET pausedByHand = 0 WHERE id = ?", [number])
            try settlePause(of: number, run: run)
        } else {
            try database.run("DELETE FROM meta WHERE key = 'paused'")
            try database.run("UPDATE mapping SET pausedByHand = 0 WHERE pausedByHand <> 0")
            for number in try allMappings() { try settlePause(of: number, run: run) }
        }
        return PauseChange(before: before, after: try database.pauses())
    }

    /// What the mapping file says of `paused`, and of mappings by leaving them out.
    ///
    /// - Parameter run: see `resume`; `nil` at a start, where every instant is over.
    func takeUpPauses(of mappings: [Mapping], run: UInt64?) throws {
        // What belongs to a mapping that is not in the file any more rests until it is there again.
        var running: Set<Int64> = []
        for mapping in mappings {
            // Also of one that is paused from the first: it has no row before its number is asked for.
            let number = try mappingNumber(mapping.id)
            if !mapping.isPaused { running.insert(number) }
        }
        for row in try database.rows("SELECT id, pausedByFile FROM mapping") {
            let number = try row.integer(0)
            guard try row.flag(1) == running.contains(number) else { continue }
            try database.run("UPDATE mapping SET pausedByFile = 1 - pausedByFile WHERE id = ?", [number])
            try settlePause(of: number, run: run)
        }
    }

    /// A state as a row of that mapping keeps it.
    func stored(_ state: DeliveryState, _ tally: Delivery.Tally, mapping: Int64) throws -> StoredState {
        try asKept(StoredState(state, tally), mapping: mapping)
    }

    func asKept(_ stored: StoredState, mapping: Int64) throws -> StoredState {
        try stored.beginsTransfer && database.isPaused(mapping) ? stored.withoutWork : stored
    }

    func noteFolder(
        _ identity: FolderIdentity?, of mapping: MappingID, at folder: FilePath, run: UInt64?
    ) throws {
        let number = try mappingNumber(mapping)
        if let identity {
            try database.run(
                "UPDATE mapping SET folder = ?, folderDevice = ?, folderInode = ? WHERE id = ?",
                [
                    folder.column, Int64(bitPattern: identity.device), Int64(bitPattern: identity.inode), number,
                ])
        }
        let wasAbsent = try database.exists("SELECT 1 FROM mapping WHERE id = ? AND isAbsent = 1", [number])
        guard wasAbsent != (identity == nil) else { return }
        try database.run("UPDATE mapping SET isAbsent = 1 - isAbsent WHERE id = ?", [number])
        try settlePause(of: number, run: run)
    }

    /// At a start nobody has looked for the folders yet.
    func forgetAbsences() throws {
        for row in try database.rows("SELECT id FROM mapping WHERE isAbsent = 1") {
            let number = try row.integer(0)
            try database.run("UPDATE mapping SET isAbsent = 0 WHERE id = ?", [number])
            try settlePause(of: number, run: nil)
        }
        try wakeFilesOfEarlierRuns()
    }

    private func allMappings() throws -> [Int64] {
        try database.rows("SELECT id FROM mapping").map { try $0.integer(0) }
    }

    /// Makes the rows agree with whether their mapping is paused.
    func settlePause(of mapping: Int64, run: UInt64?) throws {
        if try database.isPaused(mapping) { try takeOut(mapping) } else { try putBack(mapping, run) }
    }

    /// The public states that such rows may have, which the index is by.
    private static let beginning = """
        mapping = ? AND public IN ('queued', 'uploading', 'waiting') AND kind IN ('pending', 'opening')
        """

    /// The revision moves on: whoever has read such a row ahead, or is about to open its session, is told by the save.
    private func takeOut(_ mapping: Int64) throws {
        try database.run(
            """
            UPDATE delivery SET work = NULL, due = NULL, revision = revision + 1
            WHERE work IS NOT NULL AND \(Self.beginning)
            """, [mapping])
    }

    private func putBack(_ mapping: Int64, _ run: UInt64?) throws {
        // What waited out a failure goes on waiting, as long as its instant means something.
        let waiting = try database.rows(
            "SELECT id FROM delivery WHERE public = 'waiting' AND work IS NULL AND \(Self.beginning)", [mapping])
        for id in try waiting.map({ try $0.integer(0) }) {
            // A row that cannot be read is put back as any other, so that it is told.
            guard let row = try? database.deliveryRow(id), let delay = row.delivery.state.delay else { continue }
            let stored = try StoredState(row.delivery.state, row.delivery.tally)
            try database.run(
                "UPDATE delivery SET work = ?, due = ? WHERE id = ?",
                [stored.work?.rawValue, delay.until.run == run ? stored.due : 0, id])
        }
        try database.run(
            "UPDATE delivery SET work = 1, due = 0 WHERE work IS NULL AND \(Self.beginning)", [mapping])
    }
}

extension StoredState {
    /// Whether what comes next is to begin a transfer: there is no session yet.
    var beginsTransfer: Bool { work != nil && ["pending", "opening"].contains(kind) }
}

extension DeliveryState {
    fileprivate var delay: Delay? {
        switch self {
        case .waiting(_, let delay): delay
        case .working, .delivered, .held, .parked, .abandoned: nil
        }
    }
}

extension Database {
    /// Also while its folder is not there.
    func isPaused(_ mapping: Int64) throws -> Bool {
        try exists(
            """
            SELECT 1 FROM mapping WHERE id = ? AND (pausedByHand = 1 OR pausedByFile = 1 OR isAbsent = 1
                OR EXISTS (SELECT 1 FROM meta WHERE key = 'paused'))
            """, [mapping])
    }

    func folderIdentity(of mapping: Int64, at folder: FilePath) throws -> FolderIdentity? {
        let found = try row(
            "SELECT folderDevice, folderInode FROM mapping WHERE id = ? AND folder = ?", [mapping, folder.column])
        guard let device = try found?.optionalInteger(0), let inode = try found?.optionalInteger(1) else { return nil }
        return FolderIdentity(device: UInt64(bitPattern: device), inode: UInt64(bitPattern: inode))
    }

    func folderIdentity(of delivery: DeliveryID) throws -> FolderIdentity? {
        let found = try row("SELECT rootDevice, rootInode FROM delivery WHERE id = ?", [delivery.value])
        guard let device = try found?.optionalInteger(0), let inode = try found?.optionalInteger(1) else { return nil }
        return FolderIdentity(device: UInt64(bitPattern: device), inode: UInt64(bitPattern: inode))
    }

    func pauses() throws -> Pauses {
        var pauses = Pauses()
        // An agent of an earlier version may be running beside the command that reads.
        guard try columns(in: "mapping").contains(where: { $0.name == "pausedByFile" }) else { return pauses }
        pauses.isEverything = try exists("SELECT 1 FROM meta WHERE key = 'paused'")
        for row in try rows("SELECT name, pausedByHand, pausedByFile FROM mapping") {
            let mapping = try row.mapping(0)
            if try row.flag(1) { pauses.byHand.insert(mapping) }
            if try row.flag(2) { pauses.byFile.insert(mapping) }
        }
        let counts = try rows(
            """
            SELECT m.name, sum(c.count) FROM rowCount AS c JOIN mapping AS m ON m.id = c.mapping
            WHERE c.work = 0 AND c.state IN ('queued', 'uploading', 'waiting')
            GROUP BY c.mapping HAVING sum(c.count) > 0
            """)
        for row in counts { pauses.waiting[try row.mapping(0)] = Int(clamping: try row.integer(1)) }
        return pauses
    }
}
