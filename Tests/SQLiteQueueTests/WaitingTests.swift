import SyncCore
import Testing

@testable import SQLiteQueue

/// What `wait` and `plan` read.
@Suite struct WaitingTests {
    private static let weather = QueueFixture.weather

    private func see(_ fixture: QueueFixture, _ path: String, _ inode: UInt64) async throws {
        _ = try await fixture.queue.noteSeen(
            [SeenFile(path: Sample.path(path), observation: Sample.observation(inode), links: 1)], in: Self.weather,
            lookAgainAfter: .seconds(1), at: QueueFixture.at(10))
    }

    @Test func whatComesAfterTheMarkIsNotWaitedFor() async throws {
        let fixture = try await QueueFixture()
        let reader = fixture.queue.reader
        let first = try await fixture.admit("first", Sample.observation(1))
        let mark = try await reader.mark(of: [Self.weather])
        try await fixture.admit("later", Sample.observation(2))
        #expect(mark.last == first.id && mark.settling.isEmpty)
        #expect(try await reader.progress(of: Self.weather, upTo: mark.last) == .underWay)
        try await fixture.save(first, fixture.waiting(.opening, until: 60))
        #expect(try await reader.progress(of: Self.weather, upTo: mark.last) == .underWay)
        try await fixture.save(first, .held(.changed))
        #expect(try await reader.progress(of: Self.weather, upTo: mark.last) == .atRest)
        #expect(try await reader.progress(of: Sample.mapping("unknown"), upTo: mark.last) == .atRest)
    }

    @Test func whatSettlesIsFollowed() async throws {
        let fixture = try await QueueFixture()
        let reader = fixture.queue.reader
        try await see(fixture, "settles", 1)
        try await see(fixture, "goes", 2)
        let mark = try await reader.mark(of: [Self.weather, Sample.mapping("unknown")])
        #expect(Set(mark.settling.map(\.path.description)) == ["settles", "goes"])
        #expect(try await reader.whereabouts(of: mark.settling) == [.settling, .settling])
        let delivery = try await fixture.admit("settles", Sample.observation(1))
        let due = try await fixture.queue.settlingDue(at: QueueFixture.at(11).monotonic, limit: 10)
        let gone = due.filter { $0.path.text == "goes" }
        try await fixture.queue.recordLooks(gone.map { .drop($0) }, at: QueueFixture.at(11))
        let found = try await reader.whereabouts(
            of: ["settles", "goes"].map { QueuePlace(mapping: Self.weather, path: try Sample.path($0)) })
        #expect(found == [.delivery(delivery.id), .nowhere])
        #expect(try await reader.states(of: [delivery.id, DeliveryID(999)]) == [.queued, nil])
    }

    @Test func whatWaitsForAPauseIsNotUnderWay() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        _ = try await fixture.queue.pause(Self.weather)
        let reader = fixture.queue.reader
        #expect(try await reader.progress(of: Self.weather, upTo: delivery.id) == .paused)
        let sending = try await fixture.admit("b", Sample.observation(2))
        try await fixture.save(sending, .working(.transferring(Sample.session, Sample.progress)))
        #expect(try await reader.progress(of: Self.weather, upTo: sending.id) == .underWay)
        _ = try await fixture.queue.resume(Self.weather, at: QueueFixture.at(30))
        #expect(try await reader.progress(of: Self.weather, upTo: delivery.id) == .underWay)
    }

    @Test func aScanIsHeldAgainstTheQueueWithoutWriting() async throws {
        let fixture = try await QueueFixture()
        let reader = fixture.queue.reader
        try await fixture.deliver("delivered", Sample.observation(1), Sample.content(1))
        try await fixture.admit("queued", Sample.observation(2))
        try await see(fixture, "settling", 3)
        _ = try await fixture.queue.ignoreByHand(
            Sample.path("forgotten"), in: Self.weather, table: QueueFixture.table, at: QueueFixture.at(12))
        let seen = [
            ("delivered", 1, 1), ("delivered", 1, 9), ("queued", 2, 1), ("queued", 2, 9), ("settling", 3, 1),
            ("forgotten", 4, 1), ("new", 5, 1),
        ].map { name, inode, changed in
            SeenFile(
                path: RelativePath(name) ?? Sample.anyPath,
                observation: Sample.observation(UInt64(inode), changed: Int64(changed)), links: 1)
        }
        let counts = try await reader.counts()
        #expect(
            try await reader.familiarity(of: seen, in: Self.weather)
                == [.known, .changed(deliveredTo: QueueFixture.table), .known, .new, .settling, .forgotten, .new])
        #expect(try await reader.familiarity(of: seen, in: Sample.mapping("other")) == seen.map { _ in .new })
        #expect(try await reader.counts() == counts)
        #expect(try await reader.unsent(of: Self.weather) == FileCount(files: 1, bytes: 100))
        #expect(try await reader.knowsExistingFiles(of: Self.weather) == false)
        try await fixture.queue.closeExisting(of: Self.weather)
        #expect(try await reader.knowsExistingFiles(of: Self.weather))
    }

    @Test func countsSaturate() {
        var count = FileCount(files: .max, bytes: .max)
        count.add(5)
        #expect(count == FileCount(files: .max, bytes: .max))
    }
}

extension Sample {
    /// Of one letter, which cannot fail.
    fileprivate static var anyPath: RelativePath {
        guard let path = RelativePath("x") else { preconditionFailure("x is a path") }
        return path
    }
}
