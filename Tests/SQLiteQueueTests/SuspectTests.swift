import SyncCore
import Testing

@testable import SQLiteQueue

/// Deliveries whose upload was met beside another one.
@Suite struct SuspectTests {
    private static let later = Timestamp(milliseconds: 1_800_000_000_000)

    @Test func `only deliveries with an upload of their own are looked at`() async throws {
        let fixture = try await QueueFixture()
        let queue = fixture.queue
        let delivered = try await fixture.deliver("a.csv", Sample.observation(1), Sample.content(1))
        let name = try #require(delivered.uploadName)
        let key = try #require(delivered.tableKey)
        let now = QueueFixture.at(10).wall
        let looks = try await queue.suspect(
            [name, "other-0123456789ab.csv"], of: key, newestReleased: nil, until: Self.later, at: now)
        #expect(looks.map(\.delivery.id) == [delivered.id])
        #expect(try await queue.secondLooks(in: delivered.table, at: now, limit: 10).count == 1)
        // What is known to stand is looked at daily, whatever the lists show.
        let stands = Twin(
            upload: RemoteUpload(uri: "uploads/9", name: name, status: .completed, size: 1, md5: nil),
            version: .released(VersionTag(major: 1, minor: 0)), fate: .stands("its version is released"))
        try await queue.record([stands], of: looks[0], next: Self.later, at: QueueFixture.at(10))
        #expect(try await queue.suspect([name], of: key, newestReleased: nil, until: Self.later, at: now).isEmpty)
        #expect(try await queue.hasOthers(among: [name], of: key) == false)
        #expect(try await queue.hasOthers(among: [name, "other-0123456789ab.csv"], of: key))
    }
}
