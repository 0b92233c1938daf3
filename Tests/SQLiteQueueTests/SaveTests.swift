import GRDB
import SyncCore
import Testing

@testable import SQLiteQueue

@Suite struct SaveTests {
    @Test func savesAreThereAfterAKillAtAnyInstant() async throws {
        let fixture = try await QueueFixture()
        var delivery = try await fixture.admit("a", Sample.observation(1))
        let states: [DeliveryState] = [
            .working(.opening), .working(.transferring(Sample.session, Sample.progress)),
            fixture.waiting(.probing(Sample.session, Sample.progress), until: 60),
        ]
        for state in states {
            delivery.state = state
            #expect(try await fixture.queue.save(Decision(delivery, "step"), at: QueueFixture.at(20)) == .saved)
            delivery.revision += 1
            // Nothing is closed, nothing checkpointed: what lies on disk is what SIGKILL would leave.
            let killed = try await fixture.afterKill()
            #expect(try await killed.queue.delivery(delivery.id) == delivery)
        }
    }

    @Test func secondSaverOfOneRevisionIsStale() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        var first = delivery
        first.state = .working(.opening)
        var second = delivery
        second.state = .abandoned(.forgotten)
        #expect(try await fixture.queue.save(Decision(second, "forgotten"), at: QueueFixture.at(20)) == .saved)
        #expect(try await fixture.queue.save(Decision(first, "opened"), at: QueueFixture.at(20)) == .stale)
        #expect(try await fixture.reload(delivery).state == .abandoned(.forgotten))
        #expect(try await fixture.queue.reader.journal(of: delivery.id).map(\.note) == ["settled", "forgotten"])
    }

    @Test func fullKeyOfAnotherDeliveryEndsTheRow() async throws {
        let fixture = try await QueueFixture()
        let content = Sample.content(1)
        let first = try await fixture.deliver("a", Sample.observation(1), content)
        var twin = try await fixture.admit("b", Sample.observation(2))
        twin.content = content
        twin.uploadName = first.uploadName
        twin.tableKey = QueueFixture.key
        twin.state = .working(.lookingUp(Sample.object, .beforePost))
        #expect(try await fixture.queue.save(Decision(twin, "sent"), at: QueueFixture.at(30)) == .joined(first.id))
        #expect(try await fixture.queue.delivery(twin.id) == nil)
        #expect(try await fixture.current("b").id == first.id)
    }

    @Test func endOfAFreshTransferSupersedesWhatWasNotPosted() async throws {
        let fixture = try await QueueFixture()
        let old = try await fixture.admit("a", Sample.observation(1), links: 2)
        _ = try await fixture.settle(old, Sample.content(1))
        try await fixture.save(old, .held(.tableHasOtherUploads))
        let new = try await fixture.admit("a", Sample.observation(2))
        try await fixture.save(new, .working(.lookingUp(Sample.object, .beforePost)), content: Sample.content(2))
        #expect(try await fixture.reload(old).state == .abandoned(.superseded))
    }

    @Test func contentWithoutNameIsRefused() async throws {
        let fixture = try await QueueFixture()
        var delivery = try await fixture.admit("a", Sample.observation(1))
        delivery.content = Sample.content(1)
        await #expect(throws: Failure.self) {
            _ = try await fixture.queue.save(Decision(delivery, "half"), at: QueueFixture.at(20))
        }
        #expect(try await fixture.reload(delivery).content == nil)
    }

    @Test func endpointFactIsKeptPerAPI() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        #expect(try await fixture.queue.endpointFact(of: "https://api.example/v1") == nil)
        _ = try await fixture.queue.save(
            Decision(delivery, "refused", endpointFact: .documentedRefused), at: QueueFixture.at(20))
        let restarted = try await fixture.afterKill()
        #expect(try await restarted.queue.endpointFact(of: "https://api.example/v1") == .documentedRefused)
        #expect(try await restarted.queue.endpointFact(of: "https://other.example/v1") == nil)
    }

    @Test func manyCallersAtOnceEachGetTheirOwnAnswer() async throws {
        let fixture = try await QueueFixture()
        var deliveries: [Delivery] = []
        for number in 0..<64 {
            deliveries.append(try await fixture.admit("f\(number)", Sample.observation(UInt64(number) + 1)))
        }
        let stale = deliveries[7]
        try await fixture.save(stale, .held(.existing))
        let broken = deliveries[9]
        let outcomes = await withTaskGroup(of: (DeliveryID, String).self) { group in
            for var delivery in deliveries {
                delivery.state = .working(.opening)
                if delivery.id == broken.id { delivery.content = Sample.content(1) }
                let decision = Decision(delivery, "opening")
                group.addTask {
                    do {
                        return (
                            decision.delivery.id, "\(try await fixture.queue.save(decision, at: QueueFixture.at(30)))"
                        )
                    } catch {
                        return (decision.delivery.id, "failed")
                    }
                }
            }
            return await group.reduce(into: [DeliveryID: String]()) { $0[$1.0] = $1.1 }
        }
        for delivery in deliveries {
            let expected = delivery.id == stale.id ? "stale" : delivery.id == broken.id ? "failed" : "saved"
            #expect(outcomes[delivery.id] == expected)
        }
        // One failure in a group takes nobody with it.
        #expect(try await fixture.reload(deliveries[8]).state == .working(.opening))
        #expect(try await fixture.reload(broken).state == broken.state)
    }

    @Test func saveEndsEvenWhereItsTaskIsCancelled() async throws {
        let fixture = try await QueueFixture()
        var delivery = try await fixture.admit("a", Sample.observation(1))
        delivery.state = .working(.opening)
        let decision = Decision(delivery, "opening")
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await fixture.queue.save(decision, at: QueueFixture.at(20))
        }
        #expect(try await task.value == .saved)
        #expect(try await fixture.reload(delivery).state == .working(.opening))
    }

    // MARK: What is due

    private func due(_ fixture: QueueFixture, at seconds: Int64, excluding: Set<DeliveryID> = [], limit: Int = 99)
        async throws -> [String]
    {
        try await fixture.queue.due(
            at: QueueFixture.at(seconds).monotonic, tables: [QueueFixture.table], excluding: excluding, limit: limit
        ).map(\.path.description)
    }

    private func nextDue(_ fixture: QueueFixture, after seconds: Int64) async throws -> MonotonicInstant? {
        try await fixture.queue.nextDue(after: QueueFixture.at(seconds).monotonic, tables: [QueueFixture.table])
    }

    @Test func dueIsWhatCanBeDoneNowOldestFirst() async throws {
        let fixture = try await QueueFixture()
        var rows: [String: Delivery] = [:]
        for (number, name) in ["ready", "later", "importing", "held", "ready2", "over"].enumerated() {
            rows[name] = try await fixture.admit(name, Sample.observation(UInt64(number) + 1))
        }
        func row(_ name: String) throws -> Delivery { try #require(rows[name]) }
        try await fixture.save(row("later"), fixture.waiting(.opening, until: 100))
        try await fixture.save(row("over"), fixture.waiting(.opening, until: 50))
        try await fixture.save(
            row("importing"), .working(.importing(Sample.registration)), content: Sample.content(1))
        try await fixture.save(row("held"), .held(.existing))
        #expect(try await due(fixture, at: 60) == ["ready", "ready2", "over"])
        #expect(try await due(fixture, at: 100) == ["ready", "later", "ready2", "over"])
        #expect(try await due(fixture, at: 60, limit: 2) == ["ready", "ready2"])
        #expect(try await due(fixture, at: 60, excluding: [try row("ready").id], limit: 1) == ["ready2"])
        #expect(
            try await fixture.queue.due(
                at: QueueFixture.at(60).monotonic, tables: [Sample.table("other")], excluding: [], limit: 9
            ).isEmpty)
        let importing = try await fixture.queue.importing(in: QueueFixture.table, after: nil, limit: 9)
        #expect(importing.map(\.path.description) == ["importing"])
        #expect(
            try await fixture.queue.importing(in: QueueFixture.table, after: importing[0].id, limit: 9).isEmpty)
        let load = try await fixture.queue.workload(at: QueueFixture.at(60).monotonic, tables: [QueueFixture.table])
        #expect(load.live == 4 && load.importing == 1 && load.failing == 0 && load.settling == 0)
        #expect(load.nextDue == QueueFixture.at(50).monotonic)
        #expect(try await nextDue(fixture, after: 49) == QueueFixture.at(50).monotonic)
        #expect(try await nextDue(fixture, after: 50) == QueueFixture.at(100).monotonic)
        #expect(try await nextDue(fixture, after: 100) == nil)
        let blocked = try await fixture.queue.workload(at: QueueFixture.at(60).monotonic, tables: [])
        #expect(blocked.blocked == 5 && blocked.live == 0 && blocked.importing == 0 && blocked.nextDue == nil)
    }

    @Test func whatWaitedInAnEarlierRunIsDueNow() async throws {
        let fixture = try await QueueFixture()
        var delivery = try await fixture.admit("a", Sample.observation(1))
        delivery.state = fixture.waiting(.opening, until: 9_000_000)
        delivery.tally.failures = 3
        _ = try await fixture.queue.save(Decision(delivery, "failed"), at: QueueFixture.at(20))
        #expect(
            try await fixture.queue.workload(at: QueueFixture.at(20).monotonic, tables: [QueueFixture.table]).failing
                == 1)
        let restarted = try await fixture.afterKill()
        try await restarted.queue.beginRun([Sample.configured()])
        let found = try await restarted.queue.due(
            at: QueueFixture.at(1, run: 8).monotonic, tables: [QueueFixture.table], excluding: [], limit: 9)
        #expect(found.map(\.id) == [delivery.id])
        #expect(found.map(\.tally.failures) == [3])
    }

    @Test func rowThatCannotBeReadStopsNothingElse() async throws {
        let fixture = try await QueueFixture()
        let bad = try await fixture.admit("bad", Sample.observation(1))
        let newer = try await fixture.admit("newer", Sample.observation(2))
        try await fixture.admit("good", Sample.observation(3))
        try await fixture.queue.pool.write { database in
            try database.execute(
                sql: "UPDATE delivery SET state = '{\"no\":1}' WHERE id = ?", arguments: [bad.id.value])
            try database.execute(sql: "UPDATE delivery SET stateFormat = 99 WHERE id = ?", arguments: [newer.id.value])
        }
        #expect(try await due(fixture, at: 60, limit: 1) == ["good"])
        #expect(fixture.queue.unreadableRows.map(\.summary).contains { $0.contains("delivery \(bad.id) (bad)") })
        await #expect(throws: Failure.self) { _ = try await fixture.queue.delivery(newer.id) }
        let listed = try await fixture.queue.reader.list(limit: 9)
        #expect(listed.map(\.path.description) == ["good", "newer", "bad"])
        #expect(listed.map { $0.problem == nil } == [true, false, false])
        // The rows are as they were.
        let kept = try await fixture.queue.pool.read {
            try String.fetchOne($0, sql: "SELECT state FROM delivery WHERE id = ?", arguments: [bad.id.value])
        }
        #expect(kept == "{\"no\":1}")
    }

    // MARK: Giving up

    @Test func freshRowThatIsGivenUpSettlesAnew() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        try await fixture.queue.resettle(delivery, note: "the file changed", at: QueueFixture.at(40))
        #expect(try await fixture.queue.delivery(delivery.id) == nil)
        let due = try await fixture.queue.settlingDue(at: QueueFixture.at(40).monotonic, limit: 9)
        #expect(due.map(\.path.description) == ["a"])
        #expect(due.map(\.isExisting) == [false])
        let journal = try await fixture.queue.reader.journal(
            at: Sample.path("a"), mapping: QueueFixture.weather)
        #expect(journal.map(\.note) == ["settled", "the file changed"])
        #expect(journal.map(\.delivery) == [nil, nil])
        // And it can be admitted again.
        #expect(try await fixture.admit("a", Sample.observation(1)).state == .working(.pending(.fresh)))
    }

    @Test func provisionalRowThatIsGivenUpKeepsTheLinkToTheOlderVersion() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.deliver("a", Sample.observation(1), Sample.content(1))
        let second = try await fixture.admit("a", Sample.observation(1, changed: 2))
        try await fixture.queue.resettle(second, note: "the file changed", at: QueueFixture.at(40))
        #expect(try await fixture.current("a").id == first.id)
        // Even the observation that was accepted once is looked at again: what came between is not known.
        let summary = try await fixture.queue.noteSeen(
            [SeenFile(path: first.path, observation: Sample.observation(1), links: 1)], in: QueueFixture.weather,
            lookAgainAfter: .zero, at: QueueFixture.at(41))
        #expect(summary.settling == 1)
        let third = try await fixture.admit("a", Sample.observation(1, changed: 3))
        #expect(third.state == .working(.pending(.examine)))
        #expect(try await fixture.settle(third, Sample.content(1)) == .joined(first.id))
    }

    /// The path has another version by now, which was read: a look that sees just that has nothing read again.
    @Test func versionThatIsOverLeavesThePathsNewerOneAlone() async throws {
        let fixture = try await QueueFixture()
        let first = try await fixture.admit("a", Sample.observation(1))
        try await fixture.save(first, .working(.opening), content: Sample.content(1))
        let second = try await fixture.admit("a", Sample.observation(1, changed: 2))
        #expect(try await fixture.settle(second, Sample.content(2)) == .alone)
        try await fixture.save(first, .abandoned(.superseded))
        try await fixture.queue.resettle(
            fixture.reload(first), note: "the file changed", at: QueueFixture.at(40))
        // It is looked at once more, since it has just been seen to change.
        #expect(try await fixture.queue.settlingDue(at: QueueFixture.at(40).monotonic, limit: 9).count == 1)
        let summary = try await fixture.queue.noteSeen(
            [SeenFile(path: first.path, observation: Sample.observation(1, changed: 2), links: 1)],
            in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(41))
        #expect(summary == SeenSummary(known: 1, settling: 0))
        #expect(try await fixture.current("a").id == second.id)
    }

    @Test func whatMayBeRegisteredIsNeverGivenUp() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        let state = DeliveryState.working(.posting(Sample.object, Sample.attempt))
        try await fixture.save(delivery, state, content: Sample.content(1))
        try await fixture.queue.resettle(
            fixture.reload(delivery), note: "the file changed", at: QueueFixture.at(40))
        #expect(try await fixture.reload(delivery).state == state)
        #expect(try await fixture.queue.settlingDue(at: QueueFixture.at(40).monotonic, limit: 9).count == 1)
    }

    @Test func staleResettleDoesNothing() async throws {
        let fixture = try await QueueFixture()
        let delivery = try await fixture.admit("a", Sample.observation(1))
        try await fixture.save(delivery, .working(.opening))
        try await fixture.queue.resettle(delivery, note: "late", at: QueueFixture.at(40))
        #expect(try await fixture.reload(delivery).state == .working(.opening))
        #expect(try await fixture.queue.nextLook() == nil)
    }
}
