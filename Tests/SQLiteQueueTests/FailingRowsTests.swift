import GRDB
import SyncCore
import Testing

@testable import SQLiteQueue

/// Rows that fail again and again: what they hold up, and what they leave in the journal.
@Suite struct FailingRowsTests {
    private func due(_ fixture: QueueFixture, at seconds: Int64 = 30, limit: Int = 99) async throws -> [DeliveryID] {
        try await fixture.queue.due(
            at: QueueFixture.at(seconds).monotonic, tables: [QueueFixture.table], excluding: [], limit: limit
        ).map(\.id)
    }

    private func fail(_ fixture: QueueFixture, _ delivery: Delivery, until seconds: Int64 = 25) async throws {
        var failing = try await fixture.reload(delivery)
        failing.tally.failures += 1
        failing.state = fixture.waiting(.pending(.fresh), until: seconds)
        _ = try await fixture.queue.save(Decision(failing, "it is not there"), at: QueueFixture.at(20))
    }

    @Test(
        arguments: [
            ([1, 2, 3], [], 2, [1, 2]), ([9], [1, 2, 3, 4], 4, [9, 1, 2, 3]), ([7, 8, 9], [1, 2], 4, [7, 8, 9, 1]),
            ([], [1, 2], 1, [1]), ([5, 6], [1], 1, [5]), ([5], [1, 2], 8, [5, 1, 2]),
        ] as [([Int64], [Int64], Int, [Int64])])
    func `rows that have not failed come first, and a quarter is kept for the others`(
        fresh: [Int64], failing: [Int64], limit: Int, expected: [Int64]
    ) {
        #expect(Array(Database.order(fresh, failing, limit: limit).prefix(limit)) == expected)
    }

    @Test func `a new row is handed out before older ones that fail`() async throws {
        let fixture = try await QueueFixture()
        let old = try await fixture.admit("old", Sample.observation(1))
        try await fail(fixture, old)
        let new = try await fixture.admit("new", Sample.observation(2))
        #expect(try await due(fixture) == [new.id, old.id])
    }

    @Test func `the files of a device that is away rest together, and come back together`() async throws {
        let fixture = try await QueueFixture()
        let here = try await fixture.admit("here", Sample.observation(1, device: 4))
        var ahead: [Delivery] = []
        for number in 2..<6 {
            ahead.append(try await fixture.admit("\(number)", Sample.observation(UInt64(number))))
        }
        try await fail(fixture, ahead[0], until: 900)
        try await fixture.queue.noteDevice(3, isAway: true, of: QueueFixture.weather, now: QueueFixture.at(26))
        #expect(try await due(fixture) == [here.id])
        // Whoever has read one ahead is told.
        #expect(try await fixture.queue.save(Decision(ahead[1], "opening"), at: QueueFixture.at(27)) == .stale)
        try await fixture.queue.noteDevice(3, isAway: false, of: QueueFixture.weather, now: QueueFixture.at(28))
        #expect(Set(try await due(fixture)) == Set([here.id] + ahead.dropFirst().map(\.id)))
        #expect(try await due(fixture, at: 901).count == 5)
    }

    @Test func `what an earlier run left out of the work is in it again`() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        try await fixture.queue.noteDevice(3, isAway: true, of: QueueFixture.weather, now: QueueFixture.at(26))
        let restarted = try await fixture.afterKill()
        try await restarted.queue.beginRun([Sample.configured()])
        #expect(try await due(restarted) == [delivery.id])
    }

    // MARK: The journal

    @Test func `a failure that lasts is one line of the journal`() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        for _ in 0..<50 { try await fail(fixture, delivery) }
        let lines = try await fixture.queue.reader.journal(of: delivery.id).map(\.note)
        #expect(lines.count == 2)
        #expect(lines[1].hasPrefix("it is not there (50 times, the last at "))
    }

    @Test func `the journal of one delivery keeps how it began and what came last`() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        for number in 0..<500 {
            var row = try await fixture.reload(delivery)
            row.state = .working(.transferring(Sample.session, .none))
            _ = try await fixture.queue.save(Decision(row, "\(number) confirmed"), at: QueueFixture.at(20))
        }
        let lines = try await fixture.queue.reader.journal(of: delivery.id).map(\.note)
        #expect(lines.count <= JournalLimit.lines)
        #expect(lines.prefix(2) == ["settled", "0 confirmed"])
        #expect(lines.suffix(2) == ["498 confirmed", "499 confirmed"])
    }
}
