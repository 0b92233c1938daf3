import GRDB
import SQLiteQueue

extension OpenedDatabase {
    /// Each before those that it refers to; what triggers count, after what is counted.
    private static let tables = [
        "fileSystem", "unseen", "twin", "secondLook", "adoption", "baseline", "receipt", "journal", "settling",
        "deliveredTotal", "delivery", "file", "listing", "remoteUpload", "rowCount", "destination", "remoteTable",
        "mapping", "meta",
        "apiFact",
    ]

    /// Takes every row out, so that another simulated agent begins with nothing; its statements stay compiled, which a
    /// pragma for the foreign keys would undo.
    func empty() throws {
        try pool.write { database in
            try database.execute(sql: "UPDATE file SET delivery = NULL WHERE delivery IS NOT NULL")
            for table in Self.tables { try database.execute(sql: "DELETE FROM \(table)") }
            try database.execute(sql: "DELETE FROM sqlite_sequence")
        }
    }

    /// After how many pages of journal they go to the database.
    func checkpoint(afterPages count: Int) throws {
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_autocheckpoint = \(count)") }
    }
}
