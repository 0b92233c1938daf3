import GRDB
import SyncCore

// A journal tells people what happened to a file. A failure that lasts for days is one line of it, and a transfer of ten
// thousand chunks is not ten thousand.

/// How much of a delivery's journal is kept: how it began, and what came last.
enum JournalLimit {
    static let lines = 100
    static let first = 16
    static let last = 64
    /// In how many of the last lines one that says the same is looked for: a failure and what led to it take turns.
    static let repeated = 4
}

extension Transaction {
    /// A line about a delivery that waits or fails: where one of the last says the same, that one is counted on.
    func noteAgain(_ note: String, delivery: Int64, file: Int64, at now: Timestamp) throws {
        let lines = try database.rows(
            "SELECT id, note FROM journal WHERE delivery = ? ORDER BY id DESC LIMIT ?",
            [delivery, JournalLimit.repeated])
        guard let same = try lines.first(where: { try $0.text(1) == note }) else {
            return try self.note(note, delivery: delivery, file: file, at: now)
        }
        try database.run(
            "UPDATE journal SET times = times + 1, last = ? WHERE id = ?", [now.milliseconds, try same.integer(0)])
    }

    func capJournal(of delivery: Int64) throws {
        guard
            try database.exists(
                "SELECT 1 FROM journal WHERE delivery = ? LIMIT 1 OFFSET ?", [delivery, JournalLimit.lines])
        else { return }
        try database.run(
            """
            DELETE FROM journal WHERE delivery = ?1
                AND id > (SELECT id FROM journal WHERE delivery = ?1 ORDER BY id LIMIT 1 OFFSET ?2)
                AND id < (SELECT id FROM journal WHERE delivery = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?3)
            """, [delivery, JournalLimit.first - 1, JournalLimit.last - 1])
    }
}
