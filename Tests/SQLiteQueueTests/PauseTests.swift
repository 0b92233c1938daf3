import SyncCore
import SystemPackage
import Testing

@testable import SQLiteQueue

@Suite struct PauseTests {
    private static let other = Sample.mapping("other")

    private func due(_ fixture: QueueFixture, at seconds: Int64 = 30) async throws -> [DeliveryID] {
        try await fixture.queue.due(
            at: QueueFixture.at(seconds).monotonic, tables: [QueueFixture.table], excluding: [], limit: 99
        ).map(\.id)
    }

    private func load(_ fixture: QueueFixture) async throws -> Workload {
        try await fixture.queue.workload(at: QueueFixture.at(30).monotonic, tables: [QueueFixture.table])
    }

    @Test func whatHasNoSessionWaitsAndWhatHasOneGoesOn() async throws {
        let fixture = try await QueueFixture()
        let fresh = try await fixture.admit("fresh", Sample.observation(1))
        let opening = try await fixture.admit("opening", Sample.observation(2))
        let sending = try await fixture.admit("sending", Sample.observation(3))
        try await fixture.save(opening, .working(.opening))
        try await fixture.save(sending, .working(.transferring(Sample.session, .none)))
        _ = try await fixture.queue.pause(QueueFixture.weather)
        #expect(try await due(fixture) == [sending.id])
        let paused = try await load(fixture)
        #expect(paused.live == 1)
        #expect(paused.paused == 2)
        let held = try await fixture.queue.reader.pauses()
        #expect(held.waiting == [QueueFixture.weather: 2])
        #expect(try await fixture.queue.tablesInUse() == [QueueFixture.table])

        _ = try await fixture.queue.resume(QueueFixture.weather, at: QueueFixture.at(31))
        #expect(try await due(fixture) == [fresh.id, opening.id, sending.id])
        #expect(try await load(fixture).paused == 0)
        #expect(try await fixture.queue.reader.pauses() == Pauses())
    }

    @Test func whoeverHasReadARowAheadIsTold() async throws {
        let fixture = try await QueueFixture()
        var ahead = try await fixture.admit("a", Sample.observation(1))
        _ = try await fixture.queue.pause(nil)
        ahead.state = .working(.opening)
        #expect(try await fixture.queue.save(Decision(ahead, "opening"), at: QueueFixture.at(20)) == .stale)
    }

    @Test func whatComesOrReturnsDuringAPauseWaitsToo() async throws {
        let fixture = try await QueueFixture()
        let sending = try await fixture.admit("sending", Sample.observation(1))
        try await fixture.save(sending, .working(.transferring(Sample.session, .none)))
        _ = try await fixture.queue.pause(QueueFixture.weather)
        let later = try await fixture.admit("later", Sample.observation(2))
        let elsewhere = try await fixture.admit("a", Sample.observation(3), in: Self.other)
        // Its session died: it would begin anew.
        try await fixture.save(sending, fixture.waiting(.opening, until: 25))
        #expect(try await due(fixture) == [elsewhere.id])
        _ = try await fixture.queue.resume(nil, at: QueueFixture.at(26))
        #expect(try await due(fixture) == [sending.id, later.id, elsewhere.id])
    }

    /// A version that goes on at another mapping's path is that mapping's from then on, and its pause holds.
    @Test(arguments: [true, false])
    func aVersionThatMovesToAnotherMappingWaitsOnlyForThatOnesPause(pausesOld: Bool) async throws {
        for state: DeliveryState in [.working(.opening), .abandoned(.gone)] {
            let fixture = try await QueueFixture()
            let first = try await fixture.admit("a", Sample.observation(1))
            _ = try await fixture.settle(first, Sample.content(1))
            try await fixture.save(first, state)
            _ = try await fixture.queue.pause(pausesOld ? QueueFixture.weather : Self.other)
            let found = try await fixture.admit("a", Sample.observation(1, changed: 2), in: Self.other)
            let name = Sample.uploadName(first.path, Sample.content(1))
            #expect(try await fixture.settle(found, Sample.content(1), name: name) == .joined(first.id))
            #expect(try await fixture.reload(first).mapping == Self.other)
            #expect(try await due(fixture) == (pausesOld ? [first.id] : []))
            _ = try await fixture.queue.resume(pausesOld ? QueueFixture.weather : Self.other, at: QueueFixture.at(30))
            #expect(try await due(fixture) == [first.id])
        }
    }

    @Test func aWaitGoesOnAfterThePause() async throws {
        let fixture = try await QueueFixture()
        let waiting = try await fixture.admit("a", Sample.observation(1))
        try await fixture.save(waiting, fixture.waiting(.opening, until: 100))
        _ = try await fixture.queue.pause(QueueFixture.weather)
        #expect(try await load(fixture).nextDue == nil)
        _ = try await fixture.queue.resume(QueueFixture.weather, at: QueueFixture.at(30))
        #expect(try await due(fixture) == [])
        #expect(try await due(fixture, at: 100) == [waiting.id])
        // In another run its instant means nothing: it is due.
        _ = try await fixture.queue.pause(QueueFixture.weather)
        _ = try await fixture.queue.resume(QueueFixture.weather, at: QueueFixture.at(30, run: 8))
        #expect(try await due(fixture, at: 0) == [waiting.id])
    }

    @Test func aPauseOutlivesARestart() async throws {
        let fixture = try await QueueFixture()
        try await fixture.admit("a", Sample.observation(1))
        _ = try await fixture.queue.pause(QueueFixture.weather)
        let next = try await fixture.afterKill()
        try await next.queue.beginRun([Sample.configured()])
        #expect(try await due(next) == [])
        #expect(try await next.queue.reader.pauses().byHand == [QueueFixture.weather])
    }

    @Test func everythingPausedHoldsForMappingsThatComeLater() async throws {
        let fixture = try await QueueFixture()
        _ = try await fixture.queue.pause(nil)
        try await fixture.admit("a", Sample.observation(1))
        try await fixture.admit("a", Sample.observation(2), in: Self.other)
        #expect(try await due(fixture) == [])
        // One alone cannot be taken up then.
        let change = try await fixture.queue.resume(Self.other, at: QueueFixture.at(30))
        #expect(change.after.reason(of: Self.other) == .everything)
        #expect(try await due(fixture) == [])
        _ = try await fixture.queue.resume(nil, at: QueueFixture.at(30))
        #expect(try await due(fixture).count == 2)
    }

    @Test func theMappingFilePausesByItself() async throws {
        let fixture = try await QueueFixture()
        try await fixture.queue.beginRun([Sample.configured(isPaused: true)])
        try await fixture.admit("a", Sample.observation(1))
        #expect(try await due(fixture) == [])
        let change = try await fixture.queue.resume(nil, at: QueueFixture.at(30))
        #expect(change.after.reason(of: QueueFixture.weather) == .byFile)
        #expect(try await due(fixture) == [])
        try await fixture.queue.takeUp([Sample.configured()], at: QueueFixture.at(30))
        #expect(try await due(fixture).count == 1)
        try await fixture.queue.takeUp([Sample.configured(isPaused: true)], at: QueueFixture.at(30))
        #expect(try await due(fixture) == [])
        try await fixture.queue.takeUp([Sample.configured()], at: QueueFixture.at(30))
        #expect(try await due(fixture).count == 1)
        // What belongs to a mapping that is not in the file any more rests until it is there again.
        try await fixture.queue.beginRun([])
        #expect(try await due(fixture) == [])
        try await fixture.queue.beginRun([Sample.configured()])
        #expect(try await due(fixture).count == 1)
    }

    @Test func aFolderThatIsNotThereBeginsNoTransfers() async throws {
        let fixture = try await QueueFixture()
        let root = FolderIdentity(device: 3, inode: .max)
        try await fixture.queue.beginRun([Sample.configured()])
        try await fixture.admit("a", Sample.observation(1))
        try await fixture.queue.noteFolder(root, of: QueueFixture.weather, at: "/data", now: QueueFixture.at(30))
        #expect(try await due(fixture).count == 1)
        try await fixture.queue.noteFolder(nil, of: QueueFixture.weather, at: "/data", now: QueueFixture.at(31))
        try await fixture.admit("b", Sample.observation(2))
        #expect(try await due(fixture) == [])
        #expect(try await fixture.queue.folderIdentity(of: QueueFixture.weather, at: "/data") == root)
        #expect(try await fixture.queue.folderIdentity(of: QueueFixture.weather, at: "/other") == nil)
        try await fixture.queue.noteFolder(root, of: QueueFixture.weather, at: "/data", now: QueueFixture.at(32))
        #expect(try await due(fixture).count == 2)
        // The next run looks for itself.
        try await fixture.queue.noteFolder(nil, of: QueueFixture.weather, at: "/data", now: QueueFixture.at(33))
        try await fixture.queue.beginRun([Sample.configured()])
        #expect(try await due(fixture).count == 2)
    }

    @Test func pausesAreCountedRightWhateverHappens() async throws {
        let fixture = try await QueueFixture()
        for number in 1...5 { try await fixture.admit("f\(number)", Sample.observation(UInt64(number))) }
        for _ in 0..<3 {
            _ = try await fixture.queue.pause(QueueFixture.weather)
            _ = try await fixture.queue.pause(nil)
        }
        #expect(try await load(fixture).paused == 5)
        #expect(try await load(fixture).live == 0)
        _ = try await fixture.queue.resume(nil, at: QueueFixture.at(30))
        #expect(try await load(fixture).live == 5)
        #expect(try await load(fixture).paused == 0)
    }
}
