import SyncCore
import Testing

@testable import SQLiteQueue

/// Files whose ctime moves, or that move, while they are sent.
@Suite struct FollowTests {
    private static func observation(_ inode: UInt64, modified: Int64 = 1, changed: Int64 = 1) -> FileObservation {
        FileObservation(device: 3, inode: inode, size: 100, modified: modified, changed: changed)
    }

    private func sending(_ fixture: QueueFixture, _ path: String = "a") async throws -> Delivery {
        let delivery = try await fixture.admit(path, Self.observation(1))
        try await fixture.save(delivery, .working(.transferring(Sample.session, Sample.progress)))
        return try await fixture.reload(delivery)
    }

    @Test func `a file that is being sent keeps its session when its ctime moves`() async throws {
        let fixture = try await QueueFixture()
        let before = try await sending(fixture)
        let after = try await fixture.admit("a", Self.observation(1, changed: 2), at: 40)
        // Its own observation stays, so that whoever sends it sees that it is to be compared.
        #expect(after == before)
        let path = try Sample.path("a")
        let known = try await fixture.queue.noteSeen(
            [SeenFile(path: path, observation: Self.observation(1, changed: 2), links: 1)], in: QueueFixture.weather,
            lookAgainAfter: .zero, at: QueueFixture.at(41))
        #expect(known == SeenSummary(known: 1, settling: 0))
    }

    @Test func `a transfer that waits goes on when its file has settled again`() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await sending(fixture)
        try await fixture.save(delivery, fixture.waiting(.probing(Sample.session, Sample.progress), until: 900))
        let after = try await fixture.admit("a", Self.observation(1, changed: 2), at: 40)
        #expect(after.state == .working(.probing(Sample.session, Sample.progress)))
    }

    @Test func `a file whose mtime moves is a change`() async throws {
        let fixture = try await QueueFixture()
        _ = try await sending(fixture)
        let after = try await fixture.admit("a", Self.observation(1, modified: 2, changed: 2), at: 40)
        #expect(after.state.stage?.sending == nil)
    }

    @Test func `the observation that a delivery takes over is that of its path too`() async throws {
        let fixture = try await QueueFixture()
        var delivery = try await sending(fixture)
        delivery.observation = Self.observation(1, changed: 2)
        _ = try await fixture.queue.save(Decision(delivery, "compared"), at: QueueFixture.at(30))
        #expect(
            try await fixture.queue.reader.observation(of: delivery.path, mapping: delivery.mapping)
                == Self.observation(1, changed: 2))
    }

    @Test func `a file that moves while it is sent takes its session along`() async throws {
        let fixture = try await QueueFixture()
        let before = try await sending(fixture)
        try await fixture.save(before, fixture.waiting(.probing(Sample.session, Sample.progress), until: 900))
        let after = try await fixture.admit("b", Self.observation(1, changed: 2), at: 40)
        #expect(after.id == before.id)
        #expect(after.path == (try Sample.path("b")))
        #expect(after.nameBase == Array("b".utf8))
        #expect(after.state == .working(.probing(Sample.session, Sample.progress)))
        #expect(after.observation == Self.observation(1, changed: 2))
        #expect(
            try await fixture.queue.reader.observation(of: Sample.path("a"), mapping: QueueFixture.weather) == nil)
    }

    @Test func `a hard link, another content and a path with contents of its own are read first`() async throws {
        let fixture = try await QueueFixture()
        let before = try await sending(fixture)
        let linked = try await fixture.admit("b", Self.observation(1, changed: 2), links: 2, at: 40)
        #expect(linked.id != before.id)
        try await fixture.deliver("c", Self.observation(5), Sample.content(5))
        let replaced = try await fixture.admit("c", Self.observation(1, changed: 3), at: 50)
        #expect(replaced.id != before.id)
        #expect(replaced.state == .working(.pending(.examine)))
        let rewritten = try await fixture.admit("d", Self.observation(1, modified: 9, changed: 9), at: 60)
        #expect(rewritten.id != before.id)
    }
}
