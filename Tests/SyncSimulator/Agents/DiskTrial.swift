import CSimulator
import GRDB
import SQLiteQueue
import SystemPackage

/// What a power failure leaves of a database on the simulated disk.
package enum DiskTrial {
    /// Commits so many rows, one by one, lets the power fail, and counts what is there when the database is opened again.
    package static func rows(committed: Int, synchronous: String, keepsSome: Bool, seed: UInt64) throws -> Int {
        let (directory, database) = try SimulatedDisk.take()
        try database.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = \(synchronous)") }
        for number in 0..<committed {
            try database.pool.write {
                try $0.execute(sql: "INSERT INTO mapping (name) VALUES (?)", arguments: ["m\(number)"])
            }
        }
        let after = SimulatedDisk.newDirectory()
        _ = simulated_disk_lose_power(directory, after, keepsSome ? 1 : 0, seed)
        let opened = try SimulatedDisk.open(after)
        return try opened.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM mapping") ?? 0 }
    }

    /// The rows that a database has which another world used before, by table.
    package static func rowsLeft() throws -> [String: Int] {
        let (directory, database) = try SimulatedDisk.take()
        defer { SimulatedDisk.give(directory, database) }
        return try database.pool.read { database in
            let tables = try String.fetchAll(
                database,
                sql: """
                    SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
                        AND name NOT LIKE 'grdb_%'
                    """)
            return try tables.reduce(into: [:]) { rows, table in
                let count = try Int.fetchOne(database, sql: "SELECT count(*) FROM \(table)") ?? 0
                if count > 0 { rows[table] = count }
            }
        }
    }
}
