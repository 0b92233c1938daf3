import GRDB
import SyncCore
import Testing

@testable import SQLiteQueue

/// How a content that has become known stands to what the queue knows.
@Suite struct StandingTests {
    @Test func newContentStandsAlone() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1), links: 2)
        #expect(try await fixture.settle(delivery, Sample.content(1)) == .alone)
        let row = try await fixture.reload(delivery)
        #expect(row.content == Sample.content(1))
        #expect(row.uploadName == Sample.uploadName(row.path, Sample.content(1)))
        #expect(row.tableKey == QueueFixture.key)
        // The decision that follows is saved on the copy that asked.
        #expect(row.revision == delivery.revision)
    }

    @Test func touchJoinsTheDeliveredVersion() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let touched = try await fixture.admit("a", Sample.observation(1, changed: 2))
        #expect(try await fixture.settle(touched, Sample.content(1)) == .joined(first.id))
        #expect(try await fixture.queue.delivery(touched.id) == nil)
        #expect(try await fixture.reload(first).state == first.state)
        #expect(
            try await fixture.queue.reader.observation(of: first.path, mapping: QueueFixture.weather)
                == Sample.observation(1, changed: 2))
        let summary = try await fixture.queue.noteSeen(
            [SeenFile(path: first.path, observation: Sample.observation(1, changed: 2), links: 1)],
            in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(30))
        #expect(summary.known == 1)
        let journal = try await fixture.queue.reader.journal(of: first.id)
        #expect(journal.contains { $0.note.contains("the path is known") })
    }

    @Test func moveTakesItsVersionAlong() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let moved = try await fixture.admit("b", Sample.observation(1, changed: 2))
        #expect(try await fixture.settle(moved, Sample.content(1)) == .joined(first.id))
        #expect(try await fixture.reload(first).path.description == "b")
        #expect(try await fixture.reload(first).uploadName == first.uploadName)
    }

    @Test func hardLinkIsOneVersionAndKeepsItsPath() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let link = try await fixture.admit("b", Sample.observation(1, changed: 2), links: 2)
        #expect(try await fixture.settle(link, Sample.content(1)) == .joined(first.id))
        #expect(try await fixture.reload(first).path.description == "a")
        #expect(try await fixture.queue.reader.deliveries(at: Sample.path("b")).map(\.id) == [first.id])
    }

    @Test func copyOfTheSameBytesIsAnotherVersion() async throws {
        let fixture = try await QueueFixture()
        try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let copy = try await fixture.admit("b", Sample.observation(2), links: 2)
        #expect(try await fixture.settle(copy, Sample.content(1)) == .alone)
    }

    @Test func sameUploadNameIsTheSameVersion() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let other = try await fixture.admit("a", Sample.observation(9), links: 2, in: Sample.mapping("second"))
        #expect(try await fixture.settle(other, Sample.content(1), name: first.uploadName) == .joined(first.id))
    }

    @Test func moveOfAWaitingVersionGoesOnAtTheNewPath() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1), links: 2)
        _ = try await fixture.settle(first, Sample.content(1))
        try await fixture.save(first, .working(.transferring(Sample.session, Sample.progress)))
        let before = try await fixture.reload(first)
        let moved = try await fixture.admit("b", Sample.observation(1, changed: 2))
        #expect(try await fixture.settle(moved, Sample.content(1)) == .joined(first.id))
        let after = try await fixture.reload(first)
        #expect(after.path.description == "b")
        #expect(after.observation == Sample.observation(1, changed: 2))
        #expect(after.state == before.state)
        #expect(after.revision > before.revision)
    }

    /// A move is a move in whatever state; whoever registers meanwhile finds its row as it was but for the path.
    @Test(arguments: [
        Stage.posting(Sample.object, Sample.attempt), .importing(Sample.registration),
        .withdrawing(Sample.registration, .importFailed("no")),
    ])
    func registrationUnderWayGoesAlongUndisturbed(stage: Stage) async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1))
        try await fixture.save(first, .working(stage), content: Sample.content(1))
        let before = try await fixture.reload(first)
        let moved = try await fixture.admit("b", Sample.observation(1, changed: 2))
        #expect(try await fixture.settle(moved, Sample.content(1)) == .joined(first.id))
        let after = try await fixture.reload(first)
        #expect(after.path.description == "b")
        #expect(after.state == before.state && after.revision == before.revision)
        #expect(after.observation == before.observation)
    }

    /// The newer content does not wait for a version that has moved away in the middle of its import.
    @Test func newFileAtThePlaceOfAMovedOneIsNew() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("log", Sample.observation(1))
        try await fixture.save(first, .working(.importing(Sample.registration)), content: Sample.content(1))
        let rotated = try await fixture.admit("log.1", Sample.observation(1, changed: 2))
        #expect(try await fixture.settle(rotated, Sample.content(1)) == .joined(first.id))
        let new = try await fixture.admit("log", Sample.observation(2))
        #expect(try await fixture.settle(new, Sample.content(2)) == .alone)
    }

    @Test func endOfTheOlderTakesUpWhatWaitsForIt() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1))
        try await fixture.save(first, .working(.importing(Sample.registration)), content: Sample.content(1))
        let second = try await fixture.admit("a", Sample.observation(2))
        #expect(try await fixture.settle(second, Sample.content(2)) == .behind(first.id))
        var waiting = try await fixture.reload(second)
        waiting.state = fixture.waiting(.pending(.examine), until: 1_000)
        var decision = Decision(waiting, "waits")
        decision.awaits = first.id
        #expect(try await fixture.queue.save(decision, at: QueueFixture.at(21)) == .saved)
        #expect(try await fixture.due(at: 22).isEmpty)
        let outcome = try await fixture.save(
            first, .delivered(Sample.receipt(first.path, Sample.content(1))), at: 23)
        #expect(outcome == .savedAndWoke)
        #expect(try await fixture.due(at: 24) == [second.id])
        #expect(try await fixture.settle(second, Sample.content(2)) == .successor(first.id))
    }

    /// Two names of one inode that settle at once: the second that is sent finds the first.
    @Test func contentThatBecomesKnownByItsSendingIsAskedAboutToo() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1))
        let second = try await fixture.admit("b", Sample.observation(1))
        try await fixture.save(first, .working(.transferring(Sample.session, .none)))
        try await fixture.save(second, .working(.transferring(Sample.session, .none)))
        let outcome = try await fixture.save(
            second, .working(.lookingUp(Sample.object, .beforePost)), content: Sample.content(1))
        // The one with the lower number is on its way.
        #expect(outcome == .stands(.behind(first.id)))
        #expect(
            try await fixture.save(
                first, .working(.lookingUp(Sample.object, .beforePost)), content: Sample.content(1)) == .saved)
        #expect(
            try await fixture.save(
                second, .working(.lookingUp(Sample.object, .beforePost)), content: Sample.content(1))
                == .joined(first.id))
    }

    @Test func nothingIsPostedAsNewThatIsAChange() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let second = try await fixture.admit("a", Sample.observation(2))
        let begun = DeliveryState.working(.posting(Sample.object, Sample.firstAttempt))
        #expect(try await fixture.save(second, begun, content: Sample.content(2)) == .stands(.successor(first.id)))
        #expect(try await fixture.reload(second).state == second.state)
        // Unless a person has decided.
        var decided = try await fixture.reload(second)
        decided.tally.isDecidedByHand = true
        #expect(try await fixture.queue.save(Decision(decided, "decided"), at: QueueFixture.at(20)) == .saved)
        #expect(try await fixture.save(second, begun, content: Sample.content(2)) == .saved)
    }

    @Test func newerContentWaitsWhileTheOlderMayBeRegistered() async throws {
        for state: DeliveryState in [
            .working(.posting(Sample.object, Sample.attempt)), .working(.importing(Sample.registration)),
            .working(
                .lookingUp(Sample.object, .inDoubt(Sample.attempt, connectionEnded: QueueFixture.at(1).monotonic))),
        ] {
            let fixture = try await QueueFixture()
            let first = try await fixture.admit("a", Sample.observation(1))
            try await fixture.save(first, state, content: Sample.content(1))
            let second = try await fixture.admit("a", Sample.observation(2))
            #expect(try await fixture.settle(second, Sample.content(2)) == .behind(first.id))
            // What was read is kept.
            #expect(try await fixture.reload(second).content == Sample.content(2))
            #expect(try await fixture.reload(first).state == state)
        }
    }

    @Test func newerContentSupersedesWhatWasNotPosted() async throws {
        for state: DeliveryState in [
            .working(.pending(.examined)), .working(.transferring(Sample.session, .none)), .held(.changed),
            .parked(.rejected("no")), .working(.lookingUp(Sample.object, .beforePost)),
        ] {
            let fixture = try await QueueFixture()
            let first = try await fixture.admit("a", Sample.observation(1), links: 2)
            _ = try await fixture.settle(first, Sample.content(1))
            try await fixture.save(first, state)
            let held = try await fixture.reload(first)
            let second = try await fixture.admit("a", Sample.observation(2))
            #expect(try await fixture.settle(second, Sample.content(2)) == .alone)
            #expect(try await fixture.reload(first).state == .abandoned(.superseded))
            #expect(try await fixture.queue.save(Decision(held, "late"), at: QueueFixture.at(30)) == .stale)
        }
    }

    @Test func changeOfADeliveredFileIsASuccessor() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let second = try await fixture.admit("a", Sample.observation(1, changed: 2))
        #expect(try await fixture.settle(second, Sample.content(2)) == .successor(first.id))
        let row = try await fixture.reload(second)
        #expect(row.content == Sample.content(2))
        try await fixture.save(row, .held(.changed))
        // A third content: the held one can no longer be read.
        let third = try await fixture.admit("a", Sample.observation(1, changed: 3))
        #expect(try await fixture.settle(third, Sample.content(3)) == .successor(first.id))
        #expect(try await fixture.reload(second).state == .abandoned(.superseded))
    }

    @Test func contentThatReturnsIsJudgedAsIfNewlyFound() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let second = try await fixture.admit("a", Sample.observation(1, changed: 2))
        _ = try await fixture.settle(second, Sample.content(2))
        try await fixture.save(second, .held(.changed))
        // Back to the delivered content: delivered stays delivered, the held one is over.
        let back = try await fixture.admit("a", Sample.observation(1, changed: 3))
        #expect(try await fixture.settle(back, Sample.content(1)) == .joined(first.id))
        #expect(try await fixture.reload(second).state == .abandoned(.superseded))
        // And to the other again: examined once more, so that `on_change` decides about it.
        let forth = try await fixture.admit("a", Sample.observation(1, changed: 4))
        #expect(try await fixture.settle(forth, Sample.content(2)) == .joined(second.id))
        #expect(try await fixture.reload(second).state == .working(.pending(.examine)))
        #expect(try await fixture.settle(second, Sample.content(2)) == .successor(first.id))
    }

    @Test func supersededContentThatReturnsToANeverDeliveredPathIsSent() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1), links: 2)
        _ = try await fixture.settle(first, Sample.content(1))
        try await fixture.save(first, .working(.pending(.examined)))
        let second = try await fixture.admit("a", Sample.observation(2))
        _ = try await fixture.settle(second, Sample.content(2))
        try await fixture.save(second, .working(.pending(.examined)))
        let back = try await fixture.admit("a", Sample.observation(3))
        #expect(try await fixture.settle(back, Sample.content(1)) == .joined(first.id))
        let revived = try await fixture.reload(first)
        #expect(revived.state == .working(.pending(.examine)))
        #expect(try await fixture.settle(first, Sample.content(1)) == .alone)
        #expect(revived.observation == Sample.observation(3))
        #expect(try await fixture.reload(second).state == .abandoned(.superseded))
    }

    @Test func goneFileThatComesBackUnchangedIsFoundAgain() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1), links: 2)
        _ = try await fixture.settle(first, Sample.content(1))
        try await fixture.save(first, .abandoned(.gone))
        // A parent folder was moved away and back: the observation is the very same.
        let back = try await fixture.admit("a", Sample.observation(1))
        #expect(back.id != first.id)
        #expect(try await fixture.settle(back, Sample.content(1)) == .joined(first.id))
        #expect(try await fixture.reload(first).state == .working(.pending(.examine)))
    }

    @Test func hardLinkWhoseOtherNameWasRewrittenIsSentFromTheNameThatStays() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1), links: 2)
        _ = try await fixture.settle(first, Sample.content(1))
        try await fixture.save(first, .working(.pending(.examined)))
        let link = try await fixture.admit("b", Sample.observation(1), links: 2)
        #expect(try await fixture.settle(link, Sample.content(1)) == .joined(first.id))
        let current = try await fixture.reload(first).path
        let other = current.description == "a" ? "b" : "a"
        let rewritten = try await fixture.admit(current.description, Sample.observation(5))
        #expect(try await fixture.settle(rewritten, Sample.content(2)) == .alone)
        #expect(try await fixture.reload(first).state == .abandoned(.superseded))
        let found = try await fixture.admit(other, Sample.observation(1))
        #expect(try await fixture.settle(found, Sample.content(1)) == .joined(first.id))
        #expect(try await fixture.reload(first).path.description == other)
        #expect(try await fixture.reload(first).state == .working(.pending(.examine)))
    }

    @Test func linkWaitsForTheTransferOfItsInode() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1))
        try await fixture.save(first, .working(.transferring(Sample.session, .none)))
        let link = try await fixture.admit("b", Sample.observation(1), links: 2)
        #expect(try await fixture.settle(link, Sample.content(1)) == .behind(first.id))
        try await fixture.save(first, .working(.lookingUp(Sample.object, .beforePost)), content: Sample.content(1))
        #expect(try await fixture.settle(link, Sample.content(1)) == .joined(first.id))
    }

    /// `log` was rotated: `log.1` has its inode, and a new `log` is there. Neither is a change of a delivered file.
    @Test(arguments: [true, false]) func logRotationIsAMoveAndANewFile(newFirst: Bool) async throws {
        let fixture = try await QueueFixture()
        let old = try await fixture.deliver("log", Sample.observation(1), Sample.content(1))
        let new = try await fixture.admit("log", Sample.observation(2))
        let rotated = try await fixture.admit("log.1", Sample.observation(1, changed: 2))
        if newFirst {
            #expect(try await fixture.settle(new, Sample.content(2)) == .behind(rotated.id))
        }
        #expect(try await fixture.settle(rotated, Sample.content(1)) == .joined(old.id))
        #expect(try await fixture.reload(old).path.description == "log.1")
        #expect(try await fixture.settle(new, Sample.content(2)) == .alone)
    }

    @Test func sameInodeNumberWithAnotherContentIsAnotherFile() async throws {
        let fixture = try await QueueFixture()
        try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let other = try await fixture.admit("b", Sample.observation(1, changed: 2))
        #expect(try await fixture.settle(other, Sample.content(2)) == .alone)
    }

    @Test func staleCopyWritesNothing() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1), links: 2)
        try await fixture.admit("a", Sample.observation(1, changed: 2), links: 2)
        let standing = try await fixture.queue.settleContent(
            Sample.content(1), uploadName: "a", table: QueueFixture.key, of: delivery, admission: .examine,
            at: QueueFixture.at(20))
        #expect(standing == .alone)
        #expect(try await fixture.reload(delivery).content == nil)
        #expect(try await fixture.queue.save(Decision(delivery, "late"), at: QueueFixture.at(30)) == .stale)
    }

    /// Its name follows from the content that it has: the decision ends the row, and its file settles anew.
    @Test func rowWithAContentNeverTakesAnother() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1), links: 2)
        _ = try await fixture.settle(first, Sample.content(1))
        #expect(try await fixture.settle(first, Sample.content(2)) == .alone)
        #expect(try await fixture.reload(first).content == Sample.content(1))
    }
}
