import GRDB
import SyncCore
import Testing

@testable import SQLiteQueue

/// What `status` reads.
@Suite struct FiguresTests {
    private static func receipt(_ name: String, _ content: Content, at seconds: Int64, adopted: Bool = false) -> Receipt
    {
        Receipt(
            table: QueueFixture.key, uploadName: name, uri: "/uploads/\(name)", content: content, md5Confirmed: true,
            isAdopted: adopted, deliveredAt: QueueFixture.at(seconds).wall)
    }

    /// Settled at second 10.
    @discardableResult
    private static func deliver(
        _ fixture: QueueFixture, _ number: UInt8, at seconds: Int64, adopted: Bool = false
    ) async throws -> Delivery {
        let content = Sample.content(number, size: Int64(number) * 100)
        let delivery = try await fixture.admit("\(number).csv", Sample.observation(UInt64(number)))
        let name = Sample.uploadName(delivery.path, content)
        try await fixture.save(
            delivery, .delivered(receipt(name, content, at: seconds, adopted: adopted)), content: content)
        return try await fixture.reload(delivery)
    }

    @Test func totalsAreOfWhatWasDeliveredHere() async throws {
        let fixture = try await QueueFixture()
        #expect(try await fixture.queue.reader.figures().totals == [:])
        try await Self.deliver(fixture, 1, at: 12)
        try await Self.deliver(fixture, 2, at: 14)
        try await Self.deliver(fixture, 3, at: 16, adopted: true)
        let figures = try await fixture.queue.reader.figures()
        #expect(figures.totals == [QueueFixture.weather: DeliveredTotal(files: 2, bytes: 300)])
        #expect(figures.counts[QueueFixture.weather] == [.delivered: 3])
    }

    @Test func aSumThatNoLongerFitsSaturates() async throws {
        let fixture = try await QueueFixture()
        for number in [1, 2] as [UInt8] {
            let content = Sample.content(number, size: .max - 5)
            let delivery = try await fixture.admit("\(number)", Sample.observation(UInt64(number)))
            try await fixture.save(
                delivery, .delivered(Self.receipt("\(number)", content, at: 20)), content: content)
        }
        let total = try await fixture.queue.reader.figures().totals?[QueueFixture.weather]
        #expect(total == DeliveredTotal(files: 2, bytes: 9_000_000_000_000_000_000))
    }

    @Test func aDatabaseOfBeforeIsAddedUpOnce() async throws {
        let fixture = try await QueueFixture()
        try await Self.deliver(fixture, 1, at: 12)
        try await Self.deliver(fixture, 2, at: 14, adopted: true)
        try await Self.deliver(fixture, 4, at: 14)
        try await fixture.queue.pool.write { database in
            try database.execute(
                sql: """
                    DROP TRIGGER receiptTotalled;
                    DROP TABLE deliveredTotal;
                    DELETE FROM grdb_migrations WHERE identifier LIKE '5 %';
                    """)
        }
        #expect(try await fixture.queue.reader.figures().totals == nil)
        let reopened = try await fixture.afterKill()
        let totals = try await reopened.queue.reader.figures().totals
        #expect(totals == [QueueFixture.weather: DeliveredTotal(files: 2, bytes: 500)])
    }

    @Test func recentDeliveriesAreThoseOfTheTimeAskedFor() async throws {
        let fixture = try await QueueFixture()
        try await Self.deliver(fixture, 1, at: 12)
        try await Self.deliver(fixture, 2, at: 20)
        try await Self.deliver(fixture, 3, at: 30, adopted: true)
        let reader = fixture.queue.reader
        let all = try await reader.recentDeliveries(since: QueueFixture.at(0).wall, limit: 10)
        #expect(all.deliveries.map(\.took).sorted() == [.seconds(2), .seconds(10)])
        #expect(all.lastSequence == 3 && !all.isCut)
        let late = try await reader.recentDeliveries(since: QueueFixture.at(20).wall, limit: 10)
        #expect(late.deliveries.map(\.size) == [200])
        let cut = try await reader.recentDeliveries(since: QueueFixture.at(0).wall, limit: 1)
        #expect(cut.deliveries.map(\.size) == [200] && cut.isCut)

        try await Self.deliver(fixture, 5, at: 11)
        let next = try await reader.recentDeliveries(since: QueueFixture.at(0).wall, after: 3, limit: 10)
        #expect(next.deliveries.map(\.size) == [500] && next.lastSequence == 4)
        let none = try await reader.recentDeliveries(since: QueueFixture.at(0).wall, after: 4, limit: 10)
        #expect(none.deliveries.isEmpty && none.lastSequence == 4)
    }

    @Test func aClockThatWasSetBackGivesNoNegativeTime() async throws {
        let fixture = try await QueueFixture()
        try await Self.deliver(fixture, 1, at: 3)
        let recent = try await fixture.queue.reader.recentDeliveries(since: QueueFixture.at(0).wall, limit: 10)
        #expect(recent.deliveries.map(\.took) == [.zero])
    }

    @Test func theOldestReadyFileIsQueuedOrWaits() async throws {
        let fixture = try await QueueFixture()
        #expect(try await fixture.queue.reader.figures().oldestReady == [:])
        let first = try await fixture.admit("first", Sample.observation(1), at: 11)
        try await fixture.admit("second", Sample.observation(2), at: 12)
        let oldest = try await fixture.queue.reader.figures().oldestReady[QueueFixture.weather]
        #expect(oldest == ReadyFile(path: first.path, state: .queued, since: QueueFixture.at(11).wall))
        try await fixture.save(first, fixture.waiting(.pending(.fresh), until: 60))
        #expect(try await fixture.queue.reader.figures().oldestReady[QueueFixture.weather]?.state == .waiting)
        try await fixture.save(first, .parked(.removedFromTable))
        let next = try await fixture.queue.reader.figures().oldestReady[QueueFixture.weather]
        #expect(next?.path == (try Sample.path("second")))
    }

    @Test func whatIsUnreleasedAreFilesOfOursInTheDraft() async throws {
        let fixture = try await QueueFixture()
        let ours = try await Self.deliver(fixture, 1, at: 12)
        let released = try await Self.deliver(fixture, 2, at: 12)
        let name = { (delivery: Delivery) in delivery.uploadName ?? "" }
        try await fixture.list(
            [Sample.upload(name(released), released.content)], in: .released(.init(major: 1, minor: 0)))
        let others = Sample.upload("somebody's.csv", Sample.content(9))
        let draft = [Sample.upload(name(ours), ours.content), others]
        try await fixture.queue.recordListing(
            draft, of: QueueFixture.key, in: .draft, isFirst: true, isLast: true)
        try await fixture.queue.closeListing(
            of: QueueFixture.key, newestReleased: VersionTag(major: 1, minor: 0), gate: .open)
        let unreleased = try await fixture.queue.reader.unreleased(limit: 10)
        #expect(
            unreleased == [
                UnreleasedFiles(
                    table: QueueFixture.key, files: 1, bytes: 100, isCut: false,
                    newestReleased: VersionTag(major: 1, minor: 0))
            ])
        #expect(try await fixture.queue.reader.unreleased(limit: 1).first?.isCut == true)
    }

    /// It is asked every second: nothing may go through all rows.
    @Test(arguments: [
        """
        SELECT d.mapping FROM receipt AS r INDEXED BY receiptByTime CROSS JOIN delivery AS d ON d.id = r.delivery
        WHERE r.at >= 1 AND json_extract(r.line, '$.adopted') = 0 ORDER BY r.at DESC LIMIT 9
        """,
        """
        SELECT d.mapping FROM receipt AS r CROSS JOIN delivery AS d ON d.id = r.delivery
        WHERE r.seq > 1 AND r.at >= 1 ORDER BY r.seq DESC LIMIT 9
        """,
        """
        SELECT d.id, f.path, d.created FROM delivery AS d JOIN file AS f ON f.id = d.file
        WHERE d.mapping = 1 AND d.public = 'queued' ORDER BY d.id LIMIT 1
        """,
        """
        SELECT d.contentSize AS size FROM remoteUpload AS u
        CROSS JOIN delivery AS d ON d.remoteTable = u.remoteTable AND d.uploadName = u.name
        WHERE u.remoteTable = 1 AND u.version = 'next' AND u.isPresent = 1 AND d.public = 'delivered' LIMIT 9
        """,
    ])
    func nothingIsReadBeyondWhatIsAskedFor(sql: String) async throws {
        let fixture = try await QueueFixture()
        let plan = try await fixture.queue.pool.read { database in
            try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN " + sql).map { try $0.text(3) }
        }
        #expect(!plan.isEmpty)
        for step in plan {
            #expect(step.hasPrefix("SEARCH"), "\(plan)")
        }
    }
}
