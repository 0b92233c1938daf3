import GRDB
import SyncCore
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

    /// The path that a person named is left out; another path of that version has it while the content is the same.
    @Test func newContentAtAnotherPathOfAForgottenVersionIsExamined() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1))
        try await fixture.save(first, .abandoned(.forgotten), content: Sample.content(1))
        let moved = try await fixture.admit("b", Sample.observation(1, changed: 2))
        #expect(try await fixture.settle(moved, Sample.content(1)) == .joined(first.id))
        #expect(try await fixture.admit("b", Sample.observation(1, changed: 3)).state == .working(.pending(.examine)))
        let atItsPath = try await fixture.queue.noteSeen(
            [seen("a", Sample.observation(5))], in: QueueFixture.weather, lookAgainAfter: .zero,
            at: QueueFixture.at(20))
        #expect(atItsPath == SeenSummary(known: 1, settling: 0))
    }

    /// A touch is none: only its ctime has moved.
    @Test func fileThatIsWrittenToWhileItSettlesIsRewritten() async throws {
        let fixture = try await QueueFixture()
        func settling(_ observation: FileObservation, at seconds: Int64) async throws -> Bool? {
            _ = try await fixture.queue.noteSeen(
                [seen("a", observation)], in: QueueFixture.weather, lookAgainAfter: .seconds(30),
                at: QueueFixture.at(seconds))
            return try await fixture.queue.reader.settling(at: Sample.path("a"), mapping: QueueFixture.weather)?
                .isRewritten
        }
        let touched = FileObservation(device: 3, inode: 1, size: 100, modified: 1, changed: 2)
        #expect(try await settling(Sample.observation(1), at: 5) == false)
        #expect(try await settling(touched, at: 6) == false)
        #expect(try await settling(Sample.observation(1, changed: 7), at: 7) == true)
        // It stays so, whatever comes.
        #expect(try await settling(Sample.observation(1), at: 8) == true)
    }

    @Test func otherNamesOfAFileThatLeftAPathAreLookedAtAgain() async throws {
        let fixture = try await QueueFixture()
        try await fixture.admit("a", Sample.observation(1))
        let linked = FileObservation(device: 3, inode: 1, size: 100, modified: 1, changed: 2)
        try await fixture.admit("b", linked, links: 2)
        try await fixture.admit("c", Sample.observation(3))
        let queue = fixture.queue
        func settling() async throws -> [String] {
            try await queue.settlingDue(at: QueueFixture.at(90).monotonic, limit: 9).map(\.path.description)
        }
        #expect(try await !queue.noteLeft([Sample.path("c"), Sample.path("never")], in: QueueFixture.weather))
        #expect(try await settling() == [])
        #expect(try await queue.noteLeft([Sample.path("a")], in: QueueFixture.weather))
        #expect(try await settling() == ["b"])
    }

    /// The kernel tells of the name that was written to, and another file has taken it.
    @Test func otherNamesAreLookedAtWhereAPathNamesAnotherFile() async throws {
        let fixture = try await QueueFixture()
        try await fixture.admit("a", Sample.observation(1))
        try await fixture.admit("b", Sample.observation(1, changed: 2), links: 2)
        _ = try await fixture.queue.noteSeen(
            [seen("a", Sample.observation(2))], in: QueueFixture.weather, lookAgainAfter: .zero,
            at: QueueFixture.at(20), hastens: true)
        let due = try await fixture.queue.settlingDue(at: QueueFixture.at(90).monotonic, limit: 9)
        #expect(Set(due.map(\.path.description)) == ["a", "b"])
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
        try await fixture.queue.rerouteUnsent([Sample.configured(table: other)], at: QueueFixture.at(30))
        #expect(try await fixture.reload(unsent).table == other)
        #expect(try await fixture.reload(sending).table == QueueFixture.table)
        #expect(try await fixture.queue.tablesInUse() == [other, QueueFixture.table])
        // What it has to pass there is known only when the table is.
        let moved = try await fixture.reload(examined)
        #expect(moved.table == other && moved.state == .working(.pending(.examined)))
        try await fixture.queue.reroute(moved, to: other, key: TableKey("demo.other"), at: QueueFixture.at(31))
        let judged = try await fixture.reload(examined)
        #expect(judged.state == .working(.pending(.examine)))
        #expect(judged.uploadName == nil && judged.tableKey == nil && judged.content == nil)
    }

    @Test func anotherSpellingOfOneTableChangesNothingButTheSpelling() async throws {
        let fixture = try await QueueFixture()
        let examined = try await fixture.admit("b", Sample.observation(2), links: 2)
        #expect(try await fixture.settle(examined, Sample.content(2)) == .alone)
        try await fixture.save(examined, .working(.pending(.examined)))
        let before = try await fixture.reload(examined)
        let spelled = Sample.table("spelled-otherwise")
        try await fixture.queue.reroute(before, to: spelled, key: QueueFixture.key, at: QueueFixture.at(30))
        let after = try await fixture.reload(examined)
        #expect(after.table == spelled)
        #expect(after.state == before.state && after.content == before.content && after.tableKey == before.tableKey)
    }

    /// More than a batch, and nothing that had its turn comes again.
    @Test func everyUnsentFileOfALongQueueIsRerouted() async throws {
        let fixture = try await QueueFixture()
        for number in 0..<1_203 {
            try await fixture.admit("\(number)", Sample.observation(UInt64(number + 1)))
        }
        let other = Sample.table("other")
        try await fixture.queue.rerouteUnsent([Sample.configured(table: other)], at: QueueFixture.at(30))
        let destinations = try await fixture.queue.pool.read { database in
            try Int.fetchAll(database, sql: "SELECT count(*) FROM delivery GROUP BY destination")
        }
        #expect(destinations == [1_203])
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
