import SyncCore
import SystemPackage
import Testing

@testable import SQLiteQueue

/// What was seen when, and where: what the queue keeps of looks, events and folders.
@Suite struct SeenWhenTests {
    private func seen(_ path: String, _ observation: FileObservation) throws -> SeenFile {
        SeenFile(path: try Sample.path(path), observation: observation, links: 1)
    }

    @Test func `a scan that began before an event does not erase what the event told`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.admit("a", Sample.observation(1))
        let scanBegan = QueueFixture.at(20).monotonic
        for (observation, began, isEvent) in [
            (Sample.observation(1, changed: 2), QueueFixture.at(21).monotonic, true),
            (Sample.observation(1), scanBegan, false),
        ] {
            _ = try await fixture.queue.noteSeen(
                [seen("a", observation)], in: QueueFixture.weather, lookAgainAfter: .seconds(30), began: began,
                at: QueueFixture.at(22), hastens: isEvent)
        }
        let settling = try await fixture.queue.reader.settling(at: Sample.path("a"), mapping: QueueFixture.weather)
        #expect(settling?.observation == Sample.observation(1, changed: 2))
        #expect(settling?.noticed == QueueFixture.at(21).monotonic)
    }

    @Test func `a settle look that began before an event changes nothing of what the event told`() async throws {
        let fixture = try await QueueFixture()
        let queue = fixture.queue
        func settling() async throws -> SettlingFile? {
            try await queue.reader.settling(at: Sample.path("a"), mapping: QueueFixture.weather)
        }
        func note(_ observation: FileObservation, at seconds: Int64) async throws {
            _ = try await queue.noteSeen(
                [seen("a", observation)], in: QueueFixture.weather, lookAgainAfter: .seconds(30),
                at: QueueFixture.at(seconds), hastens: true)
        }
        try await note(Sample.observation(1), at: 5)
        let before = try #require(try await settling())
        try await note(Sample.observation(1, changed: 2), at: 7)
        let told = try await settling()
        let began = QueueFixture.at(6).monotonic
        for outcome in [SettleOutcome.drop(before), .lookAgain(before, at: QueueFixture.at(60).monotonic)] {
            try await queue.recordLooks([outcome], began: began, at: QueueFixture.at(8))
            #expect(try await settling() == told)
            #expect(try await queue.nextLook() == QueueFixture.at(37).monotonic)
        }
    }

    // MARK: Writes that stat does not show

    private func noteWrite(_ fixture: QueueFixture, _ observation: FileObservation, at seconds: Int64) async throws {
        let path = try Sample.path("a")
        _ = try await fixture.queue.noteSeen(
            [SeenFile(path: path, observation: observation, links: 1, isWritten: true)], in: QueueFixture.weather,
            lookAgainAfter: .zero, at: QueueFixture.at(seconds), hastens: true)
    }

    private func admitAgain(_ fixture: QueueFixture, at seconds: Int64) async throws {
        let due = try await fixture.queue.settlingDue(at: QueueFixture.at(seconds).monotonic, limit: 9)
        try await fixture.queue.recordLooks(
            due.map { file in
                .admit(
                    AdmittedFile(
                        file: file, look: FileLook(observation: file.observation, links: 1, writers: .nobody),
                        table: QueueFixture.table, nameBase: file.path.bytes, disposition: .deliver))
            }, at: QueueFixture.at(seconds))
    }

    @Test func `a write voids an equal observation of a known content: it is examined again`() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        try await noteWrite(fixture, Sample.observation(1), at: 50)
        // A scan sees nothing new, and that proves nothing.
        _ = try await fixture.queue.noteSeen(
            [seen("a", Sample.observation(1))], in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(51)
        )
        #expect(try await fixture.queue.nextLook() != nil)
        try await admitAgain(fixture, at: 52)
        let now = try await fixture.current(Sample.path("a"))
        #expect(now.id != first.id)
        #expect(now.state == .working(.pending(.examine)))
        #expect(try await fixture.queue.nextLook() == nil)
    }

    @Test func `a write while a content is read or sent makes whoever does that begin again from the row`() async throws
    {
        let fixture = try await QueueFixture()
        let sending = try await fixture.admit("a", Sample.observation(1))
        try await noteWrite(fixture, Sample.observation(1), at: 50)
        try await admitAgain(fixture, at: 52)
        let now = try await fixture.current(Sample.path("a"))
        #expect(now.id == sending.id)
        #expect(now.state == sending.state)
        #expect(now.revision == sending.revision + 1)
    }

    // MARK: Places that the first scan could not see

    @Test func `however many places cannot be seen, the first scan closes and each of them stays known`() async throws {
        let fixture = try await QueueFixture()
        let places = try (0..<1500).map { try Sample.path("closed-\($0)") }
        try await fixture.queue.closeExisting(of: QueueFixture.weather, exceptBelow: places)
        #expect(try await fixture.queue.existingVerdict(of: QueueFixture.weather) == .closed)
        _ = try await fixture.queue.noteSeen(
            [
                seen("new.csv", Sample.observation(1)), seen("closed-1499/deep/old.csv", Sample.observation(2)),
                seen("closed-1499x/new.csv", Sample.observation(3)), seen("closed-7", Sample.observation(4)),
            ], in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(5))
        let due = try await fixture.queue.settlingDue(at: QueueFixture.at(6).monotonic, limit: 9)
        #expect(
            Set(due.filter(\.isExisting).map(\.path))
                == [try Sample.path("closed-1499/deep/old.csv"), try Sample.path("closed-7")])
        // What was seen once is a place like any other, also where it cannot be seen later.
        try await fixture.queue.closeExisting(of: QueueFixture.weather, exceptBelow: [])
        try await fixture.queue.closeExisting(of: QueueFixture.weather, exceptBelow: places)
        _ = try await fixture.queue.noteSeen(
            [seen("closed-3/new.csv", Sample.observation(5))], in: QueueFixture.weather, lookAgainAfter: .zero,
            at: QueueFixture.at(7))
        let later = try await fixture.queue.reader.settling(
            at: Sample.path("closed-3/new.csv"), mapping: QueueFixture.weather)
        #expect(later?.isExisting == false)
    }

    // MARK: Directories and file systems

    @Test func `a delivery knows which directory its folder was, whatever it is later`() async throws {
        let fixture = try await QueueFixture()
        let (one, two) = (FolderIdentity(device: 1, inode: 2), FolderIdentity(device: 1, inode: 3))
        func note(_ identity: FolderIdentity) async throws {
            try await fixture.queue.noteFolder(
                identity, of: QueueFixture.weather, at: "/data", now: QueueFixture.at(5))
        }
        let before = try await fixture.admit("before", Sample.observation(9))
        #expect(try await fixture.queue.folderIdentity(of: before.id) == nil)
        try await note(one)
        let first = try await fixture.admit("a", Sample.observation(1))
        try await note(two)
        let second = try await fixture.admit("b", Sample.observation(2))
        #expect(try await fixture.queue.folderIdentity(of: first.id) == one)
        #expect(try await fixture.queue.folderIdentity(of: second.id) == two)
        // What changed meanwhile was seen in the directory of now.
        let changed = try await fixture.admit("a", Sample.observation(1, changed: 2))
        #expect(changed.id == first.id)
        #expect(try await fixture.queue.folderIdentity(of: changed.id) == two)
    }

    @Test func `numbers of file systems are kept as they were first noted`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.queue.noteFileSystem("uuid:a", number: 2049)
        try await fixture.queue.noteFileSystem("uuid:b", number: .max)
        try await fixture.queue.noteFileSystem("uuid:a", number: 7)
        #expect(try await fixture.queue.fileSystems() == ["uuid:a": 2049, "uuid:b": .max])
    }
}
