// FoundationEssentials: blobs are Data to GRDB.
import FoundationEssentials
import GRDB
import SQLiteQueue
import SyncCore

/// What a state database says, read by SQL of our own.
extension SimulatedState {
    struct Claim {
        let path: String
        let state: String
        let kind: String
        /// The stored state, for its reason.
        let json: String
        let md5: Digest?
    }

    struct OpenDelivery {
        let path: String
        let state: String
        /// The last line of its journal.
        let reason: String
        /// The inode of the directory that was its folder when it was admitted.
        let folder: UInt64?
    }

    private func read<Value>(_ fallback: Value, _ body: (Database) throws -> Value) -> Value {
        (try? database.pool.read(body)) ?? fallback
    }

    /// Whether a row is saved as being registered under that name.
    func claims(posting name: String) -> Bool {
        read(false) { database in
            try Bool.fetchOne(
                try database.cachedStatement(
                    sql: "SELECT EXISTS (SELECT 1 FROM delivery WHERE uploadName = ? AND kind = 'posting')"),
                arguments: [name]) ?? false
        }
    }

    /// Whether a row that is on its way is saved with that session.
    func claims(session: String) -> Bool {
        read(false) { database in
            try Bool.fetchOne(
                try database.cachedStatement(
                    sql: """
                        SELECT EXISTS (SELECT 1 FROM delivery WHERE kind IN ('transferring', 'probing', 'concluding')
                            AND instr(state, '"' || ? || '"') > 0)
                        """),
                arguments: [session]) ?? false
        }
    }

    /// What the path is said to be now; `nil`: nothing is known of it.
    func claim(of path: String) -> Claim? {
        read(nil) { database in
            try Row.fetchOne(
                try database.cachedStatement(
                    sql: """
                        SELECT d.public, d.kind, d.state, d.md5 FROM file AS f JOIN delivery AS d ON d.id = f.delivery
                        WHERE f.path = ?
                        """),
                arguments: [Data(path.utf8)]
            ).map { Self.claim($0, path) }
        }
    }

    private static func claim(_ row: Row, _ path: String) -> Claim {
        let md5: Data? = row[3]
        return Claim(
            path: path, state: row[0], kind: row[1], json: row[2], md5: md5.map { Digest(bytes: Array($0)) })
    }

    func isSettling(_ path: String) -> Bool {
        read(false) { database in
            try Bool.fetchOne(
                try database.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM settling WHERE path = ?)"),
                arguments: [Data(path.utf8)])
                ?? false
        }
    }

    /// Names of uploads that are told to stand beside a delivery's own.
    func toldTwins() -> [String] {
        read([]) { database in
            try String.fetchAll(
                try database.cachedStatement(sql: "SELECT name FROM twin WHERE standing IS NOT NULL"))
        }
    }

    /// What is said to be delivered: table, name and content.
    func delivered() -> [(table: TableKey, name: String, md5: Digest)] {
        read([]) { database in
            try Row.fetchAll(
                try database.cachedStatement(
                    sql: """
                        SELECT t.key, d.uploadName, d.md5 FROM delivery AS d JOIN remoteTable AS t ON t.id = d.remoteTable
                        WHERE d.kind = 'delivered'
                        """)
            ).map { row in
                let md5: Data = row[2]
                return (TableKey(row[0]), row[1], Digest(bytes: Array(md5)))
            }
        }
    }

    /// The deliveries that are still on their way, each with the last line of its journal.
    ///
    /// What lies in another directory than the one that the folder's path leads to waits for as long as that lasts, but
    /// only where it still has to be read.
    func openDeliveries() -> [OpenDelivery] {
        read([]) { database in
            let rows = try Row.fetchAll(
                try database.cachedStatement(
                    sql: """
                        SELECT f.path, d.public,
                            (SELECT note FROM journal WHERE delivery = d.id ORDER BY id DESC LIMIT 1), d.rootInode
                        FROM delivery AS d JOIN file AS f ON f.id = d.file
                        WHERE d.public IN ('queued', 'uploading', 'registering', 'importing', 'waiting')
                            AND NOT (d.kind IN ('pending', 'opening', 'transferring', 'probing', 'concluding')
                                AND d.rootInode IS NOT NULL AND EXISTS (
                                SELECT 1 FROM mapping AS m WHERE m.id = d.mapping
                                    AND (m.folderDevice, m.folderInode) <> (d.rootDevice, d.rootInode)))
                        """))
            return rows.map { row in
                let (path, note, root): (Data, String?, Int64?) = (row[0], row[2], row[3])
                return OpenDelivery(
                    path: String(decoding: path, as: UTF8.self), state: row[1], reason: note ?? "",
                    folder: root.map { UInt64(bitPattern: $0) })
            }
        }
    }

    /// The most lines that the journal has about one delivery, and its path.
    func longestJournal() -> (lines: Int, path: String) {
        read((0, "")) { database in
            let row = try Row.fetchOne(
                try database.cachedStatement(
                    sql: """
                        SELECT count(*) AS lines, f.path FROM journal AS j JOIN file AS f ON f.id = j.file
                        GROUP BY j.delivery ORDER BY lines DESC LIMIT 1
                        """))
            guard let row else { return (0, "") }
            let path: Data = row[1]
            return (row[0], String(decoding: path, as: UTF8.self))
        }
    }

    func count(of table: String) -> Int {
        read(0) { try Int.fetchOne($0.cachedStatement(sql: "SELECT count(*) FROM \(table)")) ?? 0 }
    }

    func count(in state: PublicState) -> Int {
        read(0) { database in
            try Int.fetchOne(
                try database.cachedStatement(sql: "SELECT count(*) FROM delivery WHERE public = ?"),
                arguments: [state.rawValue]) ?? 0
        }
    }
}
