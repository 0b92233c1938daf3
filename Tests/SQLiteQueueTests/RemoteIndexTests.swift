import GRDB
import SyncCore
import Testing

@testable import SQLiteQueue

@Suite struct RemoteIndexTests {
    private let key = QueueFixture.key

    @Test func unknownTableIsClosedAndIncomplete() async throws {
        let fixture = try await QueueFixture()
        #expect(
            try await fixture.queue.remoteIndex(of: key)
                == RemoteIndexState(
                    isComplete: false, newestReleased: nil, gate: .closed, hasTaggedUploads: false,
                    hasUntaggedUploads: false))
    }

    @Test func listingEndsWhatItDidNotConfirmAndKeepsNumbers() async throws {
        let fixture = try await QueueFixture()
        let queue = fixture.queue
        let a = Sample.upload("a", Sample.content(1))
        let b = Sample.upload("b", Sample.content(2))
        try await fixture.list([a, b])
        let numbers = try await queue.pool.read { try Int64.fetchAll($0, sql: "SELECT id FROM remoteUpload") }
        // In two pages; what the first half does not hold is not gone before the last page.
        try await queue.recordListing([a], of: key, in: .draft, isFirst: true, isLast: false)
        #expect(try await queue.knownUpload(named: "b", of: key) == b)
        try await queue.recordListing([], of: key, in: .draft, isFirst: false, isLast: true)
        #expect(try await queue.knownUpload(named: "b", of: key) == nil)
        #expect(try await queue.knownUpload(named: "a", of: key) == a)
        try await fixture.list([a, b])
        #expect(try await queue.pool.read { try Int64.fetchAll($0, sql: "SELECT id FROM remoteUpload") } == numbers)
    }

    @Test func cutListingRemovesNothingAtItsNextBeginning() async throws {
        let fixture = try await QueueFixture()
        let a = Sample.upload("a", Sample.content(1))
        try await fixture.list([a])
        try await fixture.queue.recordListing([], of: key, in: .draft, isFirst: true, isLast: false)
        let restarted = try await fixture.afterKill()
        #expect(try await restarted.queue.knownUpload(named: "a", of: key) == a)
        try await restarted.queue.recordListing([a], of: key, in: .draft, isFirst: true, isLast: true)
        #expect(try await restarted.queue.knownUpload(named: "a", of: key) == a)
    }

    @Test func oneUploadCanBeNotedBetweenListings() async throws {
        let fixture = try await QueueFixture()
        try await fixture.list([])
        let a = Sample.upload("a", nil, status: .inProgress)
        try await fixture.queue.recordListing([a], of: key, in: .draft, isFirst: false, isLast: false)
        #expect(try await fixture.queue.knownUpload(named: "a", of: key) == a)
    }

    @Test func namesAreComparedAsBytesAndTheDraftComesFirst() async throws {
        let fixture = try await QueueFixture()
        let composed = Sample.upload("é", Sample.content(1), uri: "/1")
        let released = VersionTag(major: 2, minor: 1)
        try await fixture.list([Sample.upload("é", Sample.content(1), uri: "/v")], in: .released(released))
        try await fixture.list([composed])
        #expect(try await fixture.queue.knownUpload(named: "é", of: key)?.uri == "/1")
        #expect(try await fixture.queue.knownUpload(named: "e\u{301}", of: key) == nil)
        #expect(try await fixture.queue.knownUpload(named: "É", of: key) == nil)
    }

    @Test func failedUploadIsNotKnownUntilItIsForgotten() async throws {
        let fixture = try await QueueFixture()
        let failed = Sample.upload("a", Sample.content(1), status: .failed("bad row"))
        try await fixture.list([failed])
        #expect(try await fixture.queue.knownUpload(named: "a", of: key) == nil)
        try await fixture.queue.forgetUpload(uri: failed.uri, of: key)
        #expect(
            try await fixture.queue.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM remoteUpload") } == 0)
    }

    @Test func closingRemembersHowFarTheListingReached() async throws {
        let fixture = try await QueueFixture()
        try await fixture.queue.recordListing(
            [Sample.upload("a-0123456789ab.csv", nil)], of: key, in: .draft, isFirst: true, isLast: true)
        try await fixture.queue.closeListing(
            of: key, newestReleased: VersionTag(major: 3, minor: 2), gate: .closed)
        #expect(
            try await fixture.afterKill().queue.remoteIndex(of: key)
                == RemoteIndexState(
                    isComplete: true, newestReleased: VersionTag(major: 3, minor: 2), gate: .closed,
                    hasTaggedUploads: true, hasUntaggedUploads: false))
    }
}
