import GRDB
import SyncCore
import Testing

@testable import SQLiteQueue

/// Full disks, read-only disks and broken rules: told in words, and over when they are over.
@Suite struct TroubleTests {
    @Test func fullDiskIsToldAndPasses() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        let pages = try await fixture.queue.pool.writeWithoutTransaction { database in
            try Int.fetchOne(database, sql: "PRAGMA max_page_count = 1")
        }
        var refused: Failure?
        for number in 0..<2000 where refused == nil {
            do {
                var next = try await fixture.reload(delivery)
                next.tally.sessionsOpened = number
                _ = try await fixture.queue.save(
                    Decision(next, String(repeating: "x", count: 500)), at: QueueFixture.at(20))
            } catch let failure {
                refused = failure as? Failure
            }
        }
        let failure = try #require(refused)
        #expect(failure.kind == .stateUnavailable && failure.scope == .agent)
        #expect(failure.hint?.contains("free space on the file system of \(fixture.folder)") == true)
        #expect(pages != nil)
        try await fixture.queue.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        #expect(try await fixture.save(delivery, .working(.opening)) == .saved)
    }

    @Test func readOnlyDiskIsTold() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        try await fixture.queue.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = 1") }
        await #expect { try await fixture.save(delivery, .working(.opening)) } throws: { error in
            (error as? Failure)?.hint?.contains("writable again") == true
        }
        try await fixture.queue.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = 0") }
        #expect(try await fixture.save(delivery, .working(.opening)) == .saved)
    }

    @Test func noFailureTellsAStoredSecret() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        try await fixture.save(delivery, .working(.transferring(Sample.session, .none)))
        try await fixture.queue.pool.write { database in
            try database.execute(sql: "UPDATE delivery SET state = replace(state, 'transport', 'vehicle')")
        }
        await #expect { _ = try await fixture.queue.delivery(delivery.id) } throws: { error in
            let words = "\(error) \((error as? Failure)?.description ?? "")"
            return !words.contains("secret") && words.contains("delivery \(delivery.id)")
        }
        // And a statement that is refused does not quote what it was given.
        try await fixture.queue.pool.writeWithoutTransaction { database in
            try database.execute(
                sql: """
                    CREATE TEMP TRIGGER refuse BEFORE UPDATE OF state ON delivery
                    BEGIN SELECT RAISE (ABORT, 'no'); END
                    """)
            try database.execute(sql: "UPDATE delivery SET revision = revision WHERE false")
        }
        var next = delivery
        next.state = .working(.transferring(Sample.session, .none))
        next.revision = 1
        let decision = Decision(next, "step")
        await #expect { _ = try await fixture.queue.save(decision, at: QueueFixture.at(9)) } throws: { error in
            !"\(error)".contains("secret")
        }
    }

    @Test func endOfATransactionThatIsLostFailsAllThatShareIt() async throws {
        let fixture = try await QueueFixture()
        var deliveries: [Delivery] = []
        for number in 0..<16 {
            deliveries.append(try await fixture.admit("f\(number)", Sample.observation(UInt64(number) + 1)))
        }
        // The connection refuses every COMMIT: nobody may go on as if it had happened.
        try await fixture.queue.pool.writeWithoutTransaction {
            $0.add(transactionObserver: RefusesCommit(), extent: .databaseLifetime)
        }
        let saved = await withTaskGroup(of: Bool.self) { group in
            for var delivery in deliveries {
                delivery.state = .working(.opening)
                let decision = Decision(delivery, "opening")
                group.addTask { (try? await fixture.queue.save(decision, at: QueueFixture.at(30))) != nil }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(saved == 0)
        for delivery in deliveries {
            #expect(try await fixture.reload(delivery).state == .working(.pending(.fresh)))
        }
    }
}

private final class RefusesCommit: TransactionObserver {
    struct Refused: Error {}
    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseWillCommit() throws { throw Refused() }
    func databaseDidCommit(_ db: Database) {}
    func databaseDidRollback(_ db: Database) {}
}
