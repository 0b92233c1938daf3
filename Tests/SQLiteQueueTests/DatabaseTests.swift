// FoundationEssentials: temporary folders are removed with FileManager.
import FoundationEssentials
import GRDB
import SyncCore
import Synchronization
import SystemPackage
import Testing

@testable import SQLiteQueue

@Suite struct DatabaseTests {
    @Test func writerKeepsEveryCommitThroughPowerLoss() async throws {
        let fixture = try await QueueFixture()
        // Through the very connection that saves go through, and after some have.
        try await fixture.queue.beginRun([Sample.configured()])
        let pragmas = try await fixture.queue.pool.writeWithoutTransaction { database in
            [
                "synchronous": try Int.fetchOne(database, sql: "PRAGMA synchronous"),
                "foreign_keys": try Int.fetchOne(database, sql: "PRAGMA foreign_keys"),
                "temp_store": try Int.fetchOne(database, sql: "PRAGMA temp_store"),
            ]
        }
        #expect(pragmas == ["synchronous": 2, "foreign_keys": 1, "temp_store": 2])
        let mode = try await fixture.queue.pool.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") }
        #expect(mode == "wal")
    }

    @Test func everyTableIsStrict() async throws {
        let fixture = try await QueueFixture()
        let loose = try await fixture.queue.pool.read { database in
            try String.fetchAll(
                database,
                sql: """
                    SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0
                        AND name NOT LIKE 'sqlite_%' AND name <> 'grdb_migrations'
                    """)
        }
        #expect(loose.isEmpty)
    }

    @Test func newerDatabaseIsRefusedAndLeftAlone() async throws {
        let fixture = try await QueueFixture()
        try await fixture.queue.pool.write { database in
            try database.execute(sql: "INSERT INTO grdb_migrations VALUES ('99 of the future')")
        }
        let before = try await fixture.queue.pool.read { try Int.fetchOne($0, sql: "PRAGMA schema_version") }
        await #expect { _ = try await QueueFixture.open(fixture.folder) } throws: { error in
            let failure = error as? Failure
            return failure?.kind == .stateUnavailable && failure?.summary.contains("newer version") == true
        }
        #expect { _ = try QueueReader(in: fixture.folder) } throws: { error in
            (error as? Failure)?.summary.contains("newer version") == true
        }
        #expect(try await fixture.queue.pool.read { try Int.fetchOne($0, sql: "PRAGMA schema_version") } == before)
    }

    /// As a command finds it that is called while the agent makes its tables.
    @Test func readerWaitsForAnAgentThatMakesItsTables() async throws {
        let folder = try QueueFixture.makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        let path = folder.appending(QueueDatabase.fileName)
        let pool = try DatabasePool(path: path.string)
        try Schema.migrator.migrate(pool, upTo: "3 pauses")
        #expect { _ = try QueueDatabase.openForReading(path, patience: .milliseconds(50)) } throws: { error in
            (error as? Failure)?.summary.contains("older version") == true
        }
        async let reading = Task.detached { try QueueDatabase.openForReading(path, patience: .seconds(60)) }.value
        try await Task.sleep(for: .milliseconds(50))
        try Schema.migrator.migrate(pool)
        #expect(try await reading != nil)
    }

    @Test func unknownMigrationInPlaceOfAKnownOneIsDamage() async throws {
        let fixture = try await QueueFixture()
        try await fixture.queue.pool.write { database in
            try database.execute(
                sql: "UPDATE grdb_migrations SET identifier = '3 qauses' WHERE identifier = '3 pauses'")
        }
        await #expect { _ = try await QueueFixture.open(fixture.folder) } throws: { error in
            (error as? Failure)?.hint?.contains("redivis-sync rebuild") == true
        }
        #expect { _ = try QueueReader(in: fixture.folder) } throws: { error in
            (error as? Failure)?.hint?.contains("redivis-sync rebuild") == true
        }
    }

    @Test func databaseRefusesASecondOwnerOfTableNameAndContent() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let second = try await fixture.admit("b", Sample.observation(2))
        await #expect(throws: DatabaseError.self) {
            try await fixture.queue.pool.write { database in
                try database.execute(
                    sql: """
                        UPDATE delivery SET (contentSize, sha256, md5, uploadName, remoteTable) =
                            (SELECT contentSize, sha256, md5, uploadName, remoteTable FROM delivery WHERE id = ?)
                        WHERE id = ?
                        """, arguments: [first.id.value, second.id.value])
            }
        }
    }

    @Test func databaseRefusesToReplaceAContentOnceKnown() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        await #expect(throws: DatabaseError.self) {
            try await fixture.queue.pool.write { database in
                try database.execute(
                    sql: "UPDATE delivery SET uploadName = 'other' WHERE id = ?", arguments: [delivery.id.value])
            }
        }
        var other = delivery
        other.content = Sample.content(2)
        await #expect(throws: Failure.self) {
            _ = try await fixture.queue.save(Decision(other, "no"), at: QueueFixture.at(1))
        }
    }

    /// Every statement that the queue runs in a whole history finds its rows by an index: none gets slow with the
    /// number of rows. The tables that stay small (mappings, destinations, counts) may be read through.
    @Test func everyStatementSearchesAnIndex() async throws {
        let fixture = try await QueueFixture()
        let seen = Mutex<Set<String>>([])
        try await fixture.queue.pool.writeWithoutTransaction { database in
            database.trace { event in
                if case .statement(let statement) = event { seen.withLock { _ = $0.insert(statement.sql) } }
            }
        }
        try await history(fixture)
        // What readers run, on the connection that is watched.
        try await fixture.queue.pool.writeWithoutTransaction { database in
            let table: Set = [QueueFixture.table]
            let now = QueueFixture.at(50).monotonic
            _ = try database.due(at: now, tables: table, excluding: [], limit: 9)
            _ = try database.importing(in: QueueFixture.table, after: nil, limit: 9)
            _ = try database.workload(run: 1, tables: table)
            _ = try database.nextDue(after: now, tables: table)
            _ = try database.tablesInUse()
            _ = try database.settlingDue(at: now, limit: 9)
            _ = try database.remoteIndex(QueueFixture.key)
            _ = try database.summaries(state: .held, mapping: nil, limit: 9)
            _ = try database.summaries(state: nil, mapping: QueueFixture.weather, limit: 9)
            _ = try database.versions(at: Sample.path("a"), mapping: nil)
            _ = try database.counts()
            _ = try database.receipts(since: nil, after: 0, limit: 9)
            _ = try database.lastReceipt()
        }
        let statements = seen.withLock { $0 }.filter { sql in
            ["SELECT", "UPDATE", "DELETE", "INSERT"].contains { sql.hasPrefix($0) }
        }
        #expect(statements.count > 60)
        let plans = try await fixture.queue.pool.read { database in
            try statements.map { sql in
                let plan = try database.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
                plan.setUncheckedArguments(StatementArguments())
                return Plan(sql: sql, steps: try Row.fetchAll(plan).compactMap { $0["detail"] as String? })
            }
        }
        for plan in plans {
            #expect(!plan.readsThroughALargeTable)
            #expect(!plan.sortsWhatAnIndexShouldOrder)
            #expect(!plan.goesThroughATablesUploads)
        }
    }

    private struct Plan: CustomStringConvertible {
        let sql: String
        let steps: [String]

        var description: String { "\(sql)\n\(steps)" }

        var readsThroughALargeTable: Bool {
            let large = ["delivery", "file", "settling", "journal", "receipt", "remoteUpload", "d", "f", "s"]
            let scans = steps.contains { step in
                let words = step.split(separator: " ").map(String.init)
                return words.first == "SCAN" && words.count > 1 && large.contains(words[1])
            }
            // The first or last rows in a table's own order are no reading through.
            let isOrdered = sql.contains("LIMIT") && !sorts
            let isLeast = sql.contains("SELECT min(")
            return scans && !isOrdered && !isLeast && !isRare
        }

        /// Once at each start; and once for each new table, where the plan only names what a foreign key would look
        /// through if one were broken.
        private var isRare: Bool {
            ["UPDATE settling SET quietRun = 0", "INSERT INTO remoteTable", "INSERT INTO destination"]
                .contains { sql.contains($0) }
        }

        /// By the table alone: it may have a million. Once a listing has ended, what it did not confirm is looked for.
        var goesThroughATablesUploads: Bool {
            !isRare && steps.contains { $0.contains("remoteUpload") && $0.hasSuffix("(remoteTable=?)") }
        }

        var sortsWhatAnIndexShouldOrder: Bool {
            // What is due among what waits; a handful of uploads of one name or digest; a list for a person.
            let isSmall = [
                "due <= ? ORDER BY id", "d.mapping = ? AND d.public IN", "ORDER BY version", "ORDER BY seen",
                "ORDER BY s.id DESC",
            ].contains { sql.contains($0) }
            return sorts && !isSmall
        }

        private var sorts: Bool { steps.contains { $0.contains("TEMP B-TREE") && $0.contains("ORDER BY") } }
    }

    /// Every verb at least once.
    private func history(_ fixture: QueueFixture) async throws {
        let queue = fixture.queue
        try await queue.beginRun([Sample.configured()])
        try await queue.beginRun([Sample.configured(include: ["*.csv"])])
        try await fixture.list([Sample.upload("theirs.csv", Sample.content(5))])
        try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let changed = try await fixture.admit("a", Sample.observation(1, changed: 2))
        _ = try await fixture.settle(changed, Sample.content(2))
        try await fixture.save(changed, .held(.changed))
        let back = try await fixture.admit("a", Sample.observation(1, changed: 3))
        _ = try await fixture.settle(back, Sample.content(1))
        let judged = try await fixture.admit("e", Sample.observation(5), as: .judge)
        _ = try await fixture.settle(judged, Sample.content(5), admission: .existing)
        let moved = try await fixture.admit("b", Sample.observation(1, changed: 4))
        _ = try await fixture.settle(moved, Sample.content(1))
        let fresh = try await fixture.admit("c", Sample.observation(6))
        try await fixture.admit("c", Sample.observation(6, changed: 2))
        try await queue.resettle(fixture.reload(fresh), note: "changed", at: QueueFixture.at(9))
        let settling = try await queue.settlingDue(at: QueueFixture.at(9_000).monotonic, limit: 99)
        try await queue.recordLooks(
            settling.filter { $0.path.text == "c" }.map { .drop($0) }, at: QueueFixture.at(9))
        try await queue.ignoreByHand(
            Sample.path("g"), in: QueueFixture.weather, table: QueueFixture.table, at: QueueFixture.at(9))
        try await queue.closeExisting(of: QueueFixture.weather)
        try await queue.forgetUpload(uri: "x", of: QueueFixture.key)
        try await queue.beginRun([Sample.configured(table: Sample.table("other"))])
    }
}
