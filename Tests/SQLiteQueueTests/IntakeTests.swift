import GRDB
import SyncCore
import SystemPackage
import Testing

@testable import SQLiteQueue

@Suite struct IntakeTests {
    private func seen(_ path: String, _ observation: FileObservation) throws -> SeenFile {
        SeenFile(path: try Sample.path(path), observation: observation, links: 1)
    }

    @Test func unknownFileBeginsToSettle() async throws {
        let fixture = try await QueueFixture()
        let summary = try await fixture.queue.noteSeen(
            [seen("a", Sample.observation(1))], in: QueueFixture.weather, lookAgainAfter: .seconds(30),
            at: QueueFixture.at(5))
        #expect(summary == SeenSummary(known: 0, settling: 1))
        #expect(try await fixture.queue.nextLook() == QueueFixture.at(35).monotonic)
        #expect(try await fixture.queue.settlingDue(at: QueueFixture.at(34).monotonic, limit: 9).isEmpty)
        let due = try await fixture.queue.settlingDue(at: QueueFixture.at(35).monotonic, limit: 9)
        #expect(due.map(\.quietSince) == [QueueFixture.at(5).monotonic])
        #expect(due.map(\.isExisting) == [true])
    }

    @Test func sameObservationGoesOnSettlingAndAnotherBeginsAnew() async throws {
        let fixture = try await QueueFixture()
        let queue = fixture.queue
        func note(_ observation: FileObservation, at seconds: Int64) async throws -> SettlingFile? {
            _ = try await queue.noteSeen(
                [seen("a", observation)], in: QueueFixture.weather, lookAgainAfter: .seconds(30),
                at: QueueFixture.at(seconds))
            return try await queue.reader.settling(at: Sample.path("a"), mapping: QueueFixture.weather)
        }
        _ = try await note(Sample.observation(1), at: 5)
        #expect(try await note(Sample.observation(1), at: 9)?.quietSince == QueueFixture.at(5).monotonic)
        #expect(try await note(Sample.observation(1, changed: 2), at: 12)?.quietSince == QueueFixture.at(12).monotonic)
        #expect(try await queue.nextLook() == QueueFixture.at(42).monotonic)
    }

    @Test func knownObservationNeedsNothingAndDropsALeftoverSettlingRow() async throws {
        let fixture = try await QueueFixture()
        try await fixture.admit("a", Sample.observation(1))
        // It changes, and changes back before it settled (a rename away and back keeps even ctime of a parent's move).
        for observation in [Sample.observation(1, changed: 2), Sample.observation(1)] {
            _ = try await fixture.queue.noteSeen(
                [seen("a", observation)], in: QueueFixture.weather, lookAgainAfter: .seconds(30),
                at: QueueFixture.at(20))
        }
        #expect(try await fixture.queue.nextLook() == nil)
        #expect(
            try await fixture.queue.workload(at: QueueFixture.at(20).monotonic, tables: [QueueFixture.table]).settling
                == 0)
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

    @Test func filesMetAfterTheFirstScanAreNew() async throws {
        let fixture = try await QueueFixture()
        #expect(try await fixture.queue.existingVerdict(of: QueueFixture.weather) == .open)
        try await fixture.queue.closeExisting(of: QueueFixture.weather)
        #expect(try await fixture.queue.existingVerdict(of: QueueFixture.weather) == .closed)
        _ = try await fixture.queue.noteSeen(
            [seen("a", Sample.observation(1))], in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(5))
        let file = try await fixture.queue.reader.settling(at: Sample.path("a"), mapping: QueueFixture.weather)
        #expect(file?.isExisting == false)
        try await fixture.queue.beginRun([Sample.configured()])
        #expect(try await fixture.queue.existingVerdict(of: QueueFixture.weather) == .closed)
    }

    @Test func fileThatWasThereBeforeStaysSoThroughARestartAndAChange() async throws {
        let fixture = try await QueueFixture()
        try await fixture.admit("a", Sample.observation(1), as: .judge)
        try await fixture.queue.closeExisting(of: QueueFixture.weather)
        let restarted = try await fixture.afterKill()
        try await restarted.queue.beginRun([Sample.configured()])
        let again = try await restarted.admit("a", Sample.observation(1, changed: 5), as: .judge)
        #expect(again.state == .working(.pending(.existing)))
        let file = try await restarted.queue.pool.read { try Bool.fetchOne($0, sql: "SELECT isExisting FROM delivery") }
        #expect(file == true)
    }

    @Test func whatSettledInAnEarlierRunBeginsAnew() async throws {
        let fixture = try await QueueFixture()
        _ = try await fixture.queue.noteSeen(
            [seen("a", Sample.observation(1))], in: QueueFixture.weather, lookAgainAfter: .seconds(9_000),
            at: QueueFixture.at(5))
        let restarted = try await fixture.afterKill()
        try await restarted.queue.beginRun([Sample.configured()])
        let now = QueueFixture.at(1, run: 8)
        let due = try await restarted.queue.settlingDue(at: now.monotonic, limit: 9)
        #expect(due.count == 1)
        #expect(due.first.map { now.monotonic.since($0.quietSince) } == .some(nil))
        #expect(try await restarted.queue.nextLook().map { now.monotonic.reached($0) } == .some(true))
    }

    @Test func dispositionsBecomeStates() async throws {
        let fixture = try await QueueFixture()
        let cases: [(AdmittedFile.Disposition, DeliveryState)] = [
            (.deliver, .working(.pending(.fresh))), (.judge, .working(.pending(.existing))),
            (.hold(.existing), .held(.existing)),
            (.ignore("empty_files: skip"), .abandoned(.ignored("empty_files: skip"))),
        ]
        for (number, (disposition, state)) in cases.enumerated() {
            let inode = UInt64(number) + 1
            let delivery = try await fixture.admit("f\(number)", Sample.observation(inode), as: disposition)
            #expect(delivery.state == state)
            #expect(delivery.content == nil)
            #expect(delivery.table == QueueFixture.table)
        }
    }

    @Test func fileWithOtherNamesIsExaminedBeforeItIsSent() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1), links: 2)
        #expect(delivery.state == .working(.pending(.examine)))
    }

    @Test func inodeOfAnotherPathIsExaminedOnlyAtTheSameSize() async throws {
        let fixture = try await QueueFixture()
        try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let moved = try await fixture.admit("b", Sample.observation(1, changed: 9))
        #expect(moved.state == .working(.pending(.examine)))
        // The file system gave the number again to another file.
        let reused = try await fixture.admit("c", Sample.observation(1, changed: 11, size: 7))
        #expect(reused.state == .working(.pending(.fresh)))
    }

    @Test func changeBeforeTheContentIsKnownTakesTheSameRowAndDropsItsSession() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        try await fixture.save(delivery, .working(.transferring(Sample.session, Sample.progress)))
        let held = try await fixture.reload(delivery)
        let again = try await fixture.admit("a", Sample.observation(1, changed: 2))
        #expect(again.id == delivery.id)
        #expect(again.state == .working(.pending(.fresh)))
        #expect(again.observation == Sample.observation(1, changed: 2))
        // The runner that still holds the old row is told.
        #expect(try await fixture.queue.save(Decision(held, "late"), at: QueueFixture.at(30)) == .stale)
        let journal = try await fixture.queue.reader.journal(of: delivery.id)
        #expect(journal.contains { $0.note.contains("session is dropped") })
        #expect(!journal.contains { $0.note.contains("secret") })
    }

    @Test func changeOfAKnownContentGetsAProvisionalRow() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let second = try await fixture.admit("a", Sample.observation(1, changed: 2))
        #expect(second.id != first.id)
        #expect(second.state == .working(.pending(.examine)))
        // And a change of that takes the same provisional row.
        let third = try await fixture.admit("a", Sample.observation(1, changed: 3))
        #expect(third.id == second.id)
        #expect(third.state == .working(.pending(.examine)))
        #expect(try await fixture.queue.reader.deliveries(at: Sample.path("a")).map(\.id) == [first.id, second.id])
    }

    @Test func forgottenPathStaysIgnoredHoweverItChanges() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        try await fixture.save(delivery, .abandoned(.forgotten))
        let summary = try await fixture.queue.noteSeen(
            [seen("a", Sample.observation(2, changed: 9))], in: QueueFixture.weather, lookAgainAfter: .zero,
            at: QueueFixture.at(50))
        #expect(summary == SeenSummary(known: 1, settling: 0))
        #expect(try await fixture.queue.nextLook() == nil)
        #expect(try await fixture.reload(delivery).state == .abandoned(.forgotten))
    }

    @Test func pathIsForgottenBeforeItIsSettled() async throws {
        let fixture = try await QueueFixture()
        _ = try await fixture.queue.noteSeen(
            [seen("a", Sample.observation(1))], in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(5))
        try await fixture.queue.ignoreByHand(
            Sample.path("a"), in: QueueFixture.weather, table: QueueFixture.table, at: QueueFixture.at(6))
        #expect(try await fixture.queue.nextLook() == nil)
        for inode in [1, 2] as [UInt64] {
            let summary = try await fixture.queue.noteSeen(
                [seen("a", Sample.observation(inode))], in: QueueFixture.weather, lookAgainAfter: .zero,
                at: QueueFixture.at(7))
            #expect(summary == SeenSummary(known: 1, settling: 0))
        }
        #expect(try await fixture.queue.reader.list(state: .ignored, limit: 5).map(\.path.description) == ["a"])
    }

    @Test func editedRulesLookAgainAtIgnoredFilesWithoutMakingThemNew() async throws {
        let fixture = try await QueueFixture()
        try await fixture.queue.beginRun([Sample.configured(include: ["*.csv"])])
        try await fixture.admit("a.txt", Sample.observation(1), as: .ignore("include"))
        try await fixture.queue.closeExisting(of: QueueFixture.weather)
        try await fixture.queue.beginRun([Sample.configured(include: ["*.csv"])])
        let same = try await fixture.queue.noteSeen(
            [seen("a.txt", Sample.observation(1))], in: QueueFixture.weather, lookAgainAfter: .zero,
            at: QueueFixture.at(30))
        #expect(same.known == 1)
        try await fixture.queue.beginRun([Sample.configured(include: ["**"])])
        let again = try await fixture.admit("a.txt", Sample.observation(1), as: .judge)
        #expect(again.state == .working(.pending(.existing)))
    }

    @Test func unsentFilesFollowTheMappingToAnotherTable() async throws {
        let fixture = try await QueueFixture()
        try await fixture.queue.beginRun([Sample.configured()])
        let unsent = try await fixture.admit("a", Sample.observation(1))
        let examined = try await fixture.admit("b", Sample.observation(2), links: 2)
        #expect(try await fixture.settle(examined, Sample.content(2)) == .alone)
        try await fixture.save(examined, .working(.pending(.examined)))
        let sending = try await fixture.admit("c", Sample.observation(3))
        try await fixture.save(sending, .working(.transferring(Sample.session, .none)))
        let other = Sample.table("other")
        try await fixture.queue.beginRun([Sample.configured(table: other)])
        #expect(try await fixture.reload(unsent).table == other)
        #expect(try await fixture.reload(sending).table == QueueFixture.table)
        let moved = try await fixture.reload(examined)
        #expect(moved.table == other)
        #expect(moved.state == .working(.pending(.existing)) || moved.state == .working(.pending(.examine)))
        #expect(moved.uploadName == nil && moved.tableKey == nil)
        #expect(try await fixture.queue.tablesInUse() == [other, QueueFixture.table])
    }

    @Test func droppedFileLeavesNothing() async throws {
        let fixture = try await QueueFixture()
        _ = try await fixture.queue.noteSeen(
            [seen("a", Sample.observation(1))], in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(5))
        let gone = try await fixture.queue.settlingDue(at: QueueFixture.at(6).monotonic, limit: 9)
        try await fixture.queue.recordLooks(gone.map { .drop($0) }, at: QueueFixture.at(6))
        #expect(try await fixture.queue.nextLook() == nil)
        #expect(try await fixture.queue.reader.list(limit: 9).isEmpty)
        #expect(try await fixture.queue.reader.counts() == [:])
    }

    /// An event is told once: what it told of must not be forgotten because of a look that began before it.
    @Test(arguments: ["dropped", "admitted"])
    func whatIsSeenDuringALookSettlesOn(_ outcome: String) async throws {
        let fixture = try await QueueFixture()
        let queue = fixture.queue
        _ = try await queue.noteSeen(
            [seen("a", Sample.observation(1))], in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(5))
        let before = try #require(await queue.settlingDue(at: QueueFixture.at(6).monotonic, limit: 9).first)
        _ = try await queue.noteSeen(
            [seen("a", Sample.observation(2))], in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(7))
        let look = FileLook(observation: before.observation, links: 1, writers: .nobody)
        try await queue.recordLooks(
            [
                outcome == "dropped"
                    ? .drop(before)
                    : .admit(
                        AdmittedFile(
                            file: before, look: look, table: QueueFixture.table, nameBase: before.path.bytes,
                            disposition: .deliver))
            ], began: QueueFixture.at(6).monotonic, at: QueueFixture.at(8))
        let after = try await queue.settlingDue(at: QueueFixture.at(9).monotonic, limit: 9)
        #expect(after.map(\.observation) == [Sample.observation(2)])
    }

    @Test func pathsAreBytes() async throws {
        let fixture = try await QueueFixture()
        let names: [[UInt8]] = [[0xFF, 0xFE], Array("é".utf8), Array("e\u{301}".utf8), [0x0A, 0x27, 0x25]]
        let files = names.enumerated().compactMap { number, name in
            RelativePath(bytes: name).map {
                SeenFile(path: $0, observation: Sample.observation(UInt64(number) + 1), links: 1)
            }
        }
        let summary = try await fixture.queue.noteSeen(
            files, in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(5))
        #expect(summary.settling == 4)
        let due = try await fixture.queue.settlingDue(at: QueueFixture.at(5).monotonic, limit: 9)
        #expect(Set(due.map(\.path.bytes)) == Set(names))
    }
}
