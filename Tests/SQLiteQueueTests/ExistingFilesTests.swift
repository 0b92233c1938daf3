import SyncCore
import Testing

@testable import SQLiteQueue

/// `existing: auto`.
@Suite struct ExistingFilesTests {
    /// A list may leave out what is there, and the address of its name leads to it.
    @Test func whatOnlyItsAddressLedToWasThereBefore() async throws {
        let fixture = try await QueueFixture()
        try await fixture.list([Sample.upload("other", Sample.content(9))])
        let upload = Sample.upload("a", Sample.content(1))
        let delivery = try await fixture.admit("a", Sample.observation(1), as: .judge)
        try await fixture.queue.recordMet(upload, of: QueueFixture.key, in: .draft)
        #expect(try await fixture.settle(delivery, Sample.content(1), admission: .existing) == .adopts(upload))
        #expect(try await judge(fixture, "b", Sample.content(2), inode: 2) == .strange(.tableHasOtherUploads))
    }

    private func judge(
        _ fixture: QueueFixture, _ path: String, _ content: Content, inode: UInt64
    ) async throws -> Standing {
        let delivery = try await fixture.admit(path, Sample.observation(inode), as: .judge)
        return try await fixture.settle(delivery, content, admission: .existing)
    }

    private func begun() async throws -> QueueFixture {
        let fixture = try await QueueFixture()
        try await fixture.queue.beginRun([Sample.configured()])
        return fixture
    }

    @Test func emptyTableTakesTheFile() async throws {
        let fixture = try await begun()
        try await fixture.list([])
        #expect(try await judge(fixture, "a", Sample.content(1), inode: 1) == .alone)
    }

    @Test func nothingIsJudgedBeforeTheTableIsListed() async throws {
        let fixture = try await begun()
        await #expect { _ = try await judge(fixture, "a", Sample.content(1), inode: 1) } throws: { error in
            (error as? Failure)?.kind == .transient
        }
    }

    @Test func exactNameAdopts() async throws {
        let fixture = try await begun()
        let upload = Sample.upload(Sample.uploadName(try Sample.path("a"), Sample.content(1)), Sample.content(1))
        try await fixture.list([upload])
        #expect(try await judge(fixture, "a", Sample.content(1), inode: 1) == .adopts(upload))
        #expect(try await fixture.current("a").content == Sample.content(1))
    }

    @Test func untaggedUploadAdoptsOneFileOnly() async throws {
        let fixture = try await begun()
        let upload = Sample.upload("theirs.csv", Sample.content(1))
        try await fixture.list([upload])
        #expect(try await judge(fixture, "a", Sample.content(1), inode: 1) == .adopts(upload))
        #expect(
            try await judge(fixture, "b", Sample.content(1), inode: 2) == .strange(.tableHasOtherUploads))
        // The same question again, after a crash between answer and save, has the same answer.
        #expect(
            try await fixture.settle(fixture.current("a"), Sample.content(1), admission: .existing) == .adopts(upload))
    }

    @Test func hardLinkOfAnAdoptedFileFollowsIt() async throws {
        let fixture = try await begun()
        try await fixture.list([Sample.upload("theirs.csv", Sample.content(1))])
        _ = try await judge(fixture, "a", Sample.content(1), inode: 1)
        let adopted = try await fixture.current("a")
        let link = try await fixture.admit("b", Sample.observation(1), links: 2, as: .judge)
        #expect(try await fixture.settle(link, Sample.content(1), admission: .existing) == .joined(adopted.id))
    }

    @Test func equalUploadWithAnotherTagHoldsTheFile() async throws {
        let fixture = try await begun()
        let name = "other-0123456789ab.csv"
        try await fixture.list([Sample.upload(name, Sample.content(1))])
        #expect(try await judge(fixture, "a", Sample.content(1), inode: 1) == .strange(.equalsUpload(name)))
    }

    @Test func otherUntaggedUploadsHoldTheFile() async throws {
        let fixture = try await begun()
        try await fixture.list([Sample.upload("theirs.csv", Sample.content(7))])
        #expect(try await judge(fixture, "a", Sample.content(1), inode: 1) == .strange(.tableHasOtherUploads))
    }

    @Test func failedUploadsCountForNothing() async throws {
        let fixture = try await begun()
        try await fixture.list([Sample.upload("theirs.csv", Sample.content(1), status: .failed("bad row"))])
        #expect(try await judge(fixture, "a", Sample.content(1), inode: 1) == .alone)
    }

    @Test func releasedVersionsCount() async throws {
        let fixture = try await begun()
        let upload = Sample.upload("theirs.csv", Sample.content(1))
        try await fixture.list([upload], in: .released(VersionTag(major: 1, minor: 0)))
        #expect(try await judge(fixture, "a", Sample.content(1), inode: 1) == .adopts(upload))
    }

    /// A crash in the first minute: the next run lists our own first upload, and must not take it for somebody's.
    @Test func ourOwnFirstUploadsAreNotTakenForOthers() async throws {
        let fixture = try await begun()
        try await fixture.list([])
        #expect(try await judge(fixture, "a", Sample.content(1), inode: 1) == .alone)
        let first = try await fixture.current("a")
        try await fixture.save(first, .delivered(Sample.receipt(first.path, Sample.content(1))))
        let restarted = try await fixture.afterKill()
        try await restarted.queue.beginRun([Sample.configured()])
        let ours = Sample.upload(Sample.uploadName(first.path, Sample.content(1)), Sample.content(1))
        try await restarted.list([ours])
        try await restarted.list([ours], in: .released(VersionTag(major: 1, minor: 0)))
        // A copy of the same bytes, there before the mapping: sent, not held.
        #expect(try await judge(restarted, "b", Sample.content(1), inode: 2) == .alone)
    }

    /// The draft is released between two listings: what was there before the mapping still was.
    @Test func uploadKeepsItsAgeThroughARelease() async throws {
        let fixture = try await begun()
        try await fixture.list([Sample.upload("theirs.csv", Sample.content(1), uri: "/next/theirs.csv")])
        try await fixture.list([])
        let released = Sample.upload("theirs.csv", Sample.content(1), uri: "/v1/theirs.csv")
        try await fixture.list([released], in: .released(VersionTag(major: 1, minor: 0)))
        #expect(try await judge(fixture, "a", Sample.content(1), inode: 1) == .adopts(released))
    }

    @Test func laterMappingHasABaselineOfItsOwn() async throws {
        let fixture = try await begun()
        try await fixture.list([])
        let ours = Sample.upload("a-0123456789ab.csv", Sample.content(1))
        try await fixture.list([ours])
        let second = Sample.mapping("second")
        try await fixture.queue.beginRun([Sample.configured(), Sample.configured(second)])
        try await fixture.list([ours])
        let delivery = try await fixture.admit("z", Sample.observation(5), as: .judge, in: second)
        #expect(
            try await fixture.settle(delivery, Sample.content(1), admission: .existing)
                == .strange(.equalsUpload(ours.name)))
    }
}
