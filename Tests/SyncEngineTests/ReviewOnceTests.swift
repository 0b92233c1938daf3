import SyncCore
import SyncTestSupport
import Synchronization
import Testing

@testable import SyncEngine

extension Review {
    /// When a single run ends: not before what it can still do, and not never.
    @Suite struct ReviewOnceTests {
        @Test func waitsOutAQuietTimeThatIsLongerThanItsPatience() async throws {
            let fixture = try ReviewFixture()
            try fixture.write("a/one.csv", [1, 2, 3])
            let result = try await fixture.run([try fixture.mapping(quiet: .seconds(150))])
            #expect(fixture.names().count == 1)
            #expect(result.unsettled == 0)
        }

        @Test func waitsOutADoubtThatIsLongerThanItsPatience() async throws {
            let fixture = try ReviewFixture()
            try fixture.write("a/one.csv", [1, 2, 3])
            fixture.remote.script(.register, .fails(Failure(.ambiguous, "no answer")))
            let result = try await fixture.run([try fixture.mapping()], doubt: .seconds(150))
            #expect(fixture.names().count == 1)
            #expect(result.workload.live == 0)
            #expect(fixture.clock.elapsed >= .seconds(150))
        }

        @Test func waitsForAnImportThatTakesMinutes() async throws {
            let fixture = try ReviewFixture()
            var plan = ImportPlan()
            plan.listingsInProgress = 20
            let slow = plan
            fixture.remote.change { $0.imports = slow }
            try fixture.write("a/one.csv", [1, 2, 3])
            let result = try await fixture.run([try fixture.mapping()])
            #expect(result.workload.importing == 0)
            #expect(fixture.clock.elapsed > .seconds(70))
        }

        @Test func givesUpAnImportThatNeverEndsAndSaysSo() async throws {
            let fixture = try ReviewFixture(clock: LeapingClock(largestLeap: .seconds(2)))
            var plan = ImportPlan()
            plan.listingsInProgress = .max
            let endless = plan
            fixture.remote.change { $0.imports = endless }
            try fixture.write("a/one.csv", [1, 2, 3])
            let result = try await fixture.run([try fixture.mapping()])
            #expect(result.workload.importing == 1)
        }

        @Test func doesNotSitOutItsPatienceForWhatIsTriedLater() async throws {
            let fixture = try ReviewFixture()
            try fixture.write("a/one.csv", [1, 2, 3])
            let refusal = Failure(.throttled, "429", retryAfter: .seconds(600))
            fixture.remote.script(.openSession, .fails(refusal))
            let result = try await fixture.run([try fixture.mapping()])
            #expect(result.workload.failing == 1)
            #expect(fixture.clock.elapsed < .seconds(30))
        }

        @Test func aLongListingIsNoStandstill() async throws {
            var switches = FakeRemote.Switches()
            switches.pageSize = 2
            let fixture = try ReviewFixture(switches)
            for number in 0..<20 {
                fixture.remote.plant([UInt8(number)], named: "other\(number).csv", on: ReviewFixture.table)
            }
            try fixture.write("a/one.csv", [1, 2, 3])
            let clock = fixture.clock
            let slow = WatchedRemote(inner: fixture.remote) { operation, _ throws(Failure) in
                if operation == .uploads { try? await clock.sleep(for: .seconds(10)) }
            }
            let result = try await fixture.run([try fixture.mapping()], remote: slow)
            #expect(fixture.names().count == 21)
            #expect(result.workload.blocked == 0)
        }

        @Test func endsWhereAListingFailsAtTheSamePageAgainAndAgain() async throws {
            var switches = FakeRemote.Switches()
            switches.pageSize = 2
            let fixture = try ReviewFixture(switches)
            for number in 0..<10 {
                fixture.remote.plant([UInt8(number)], named: "other\(number).csv", on: ReviewFixture.table)
            }
            try fixture.write("a/one.csv", [1, 2, 3])
            let met = Mutex<[String?]>([])
            let broken = WatchedRemote(
                inner: fixture.remote,
                onPage: { page throws(Failure) in
                    let number = met.withLock { pages in
                        if !pages.contains(page) { pages.append(page) }
                        return pages.firstIndex(of: page)
                    }
                    if number == 2 { throw Failure(.transient, scope: .agent, "500") }
                }, before: { _, _ in })
            let result = try await fixture.run([try fixture.mapping()], remote: broken)
            #expect(result.workload.blocked == 1)
            #expect(result.tableFailures.count == 1)
        }
    }
}
