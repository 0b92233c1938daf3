import GRDB
import SyncCore

// The deliveries whose file system is away are taken out of the work together, as those of a paused mapping are.

extension Transaction {
    /// The public states that rows may have whose transfer has not begun, each a range of one index.
    static let beforeTransfers: [PublicState] = [.queued, .uploading, .waiting]

    /// Takes rows of one state out of the work, in the order of their numbers: what is due, and what is counted as due, no
    /// longer meets them. Their revision moves on, so that whoever has read one ahead is told by the save.
    ///
    /// - Returns: the number of the last row that was looked at; `nil` where there is none left.
    func restFiles(
        on device: UInt64, of mapping: MappingID, in state: PublicState, after last: Int64, limit: Int
    ) throws -> Int64? {
        let number = try mappingNumber(mapping)
        let rows = try database.rows(
            """
            SELECT id FROM delivery WHERE mapping = ? AND public = ? AND id > ? AND kind IN ('pending', 'opening')
                AND device = ? AND work IS NOT NULL ORDER BY id LIMIT ?
            """, [number, state.rawValue, last, Int64(bitPattern: device), limit])
        let takeOut = "UPDATE delivery SET work = NULL, due = NULL, revision = revision + 1 WHERE id = ?"
        for row in rows { try database.run(takeOut, [try row.integer(0)]) }
        return try rows.last?.integer(0)
    }

    /// Puts them back. Those of another device that is away are met once more and taken out again.
    func wakeFiles(of mapping: MappingID, run: UInt64?) throws {
        try settlePause(of: try mappingNumber(mapping), run: run)
    }

    /// What an earlier run took out of the work for a reason that is not known now is put back.
    func wakeFilesOfEarlierRuns() throws {
        let resting = try database.rows(
            """
            SELECT DISTINCT mapping FROM rowCount WHERE work = 0 AND state IN ('queued', 'uploading', 'waiting')
                AND count > 0
            """)
        for row in resting {
            let number = try row.integer(0)
            if try !database.isPaused(number) { try settlePause(of: number, run: nil) }
        }
    }
}
