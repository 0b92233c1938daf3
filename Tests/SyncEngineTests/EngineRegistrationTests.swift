import SyncCore
import SyncEngine
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

extension Engine {
    @Suite struct RegistrationTests {
        private static let lost = Failure(.ambiguous, "the answer was lost")

        private static func expectOnce(_ bench: EngineBench, _ what: String = "") async throws {
            #expect(bench.contents() == ["one"], "\(what)\n\(bench.log)")
            #expect(try await bench.states()["a.csv"] == [.delivered], "\(what)\n\(bench.log)")
        }

        private static func bench(
            _ mapping: Mapping = EngineBench.mapping(), doubt: Duration = .seconds(10),
            switches: FakeRemote.Switches = FakeRemote.Switches()
        ) -> EngineBench {
            let bench = EngineBench([mapping], settings: EngineBench.settings(doubt: doubt), switches: switches)
            bench.write("a.csv", "one")
            return bench
        }

        // MARK: The taken name

        /// Its name was taken, so it was taken off the table again and sent once more. Meanwhile what it was to be has
        /// come up on the table, as after a list that lagged: that is looked for anew before it is registered.
        @Test func `what is sent once more is looked for on the table itself before it is registered`() async throws {
            let bench = Self.bench()
            let name = Made.uploadName("a.csv", "one")
            // Another name, which Redivis holds for the same.
            let other = name.prefix(1).uppercased() + name.dropFirst()
            var hands = EngineBench.Hands()
            let (isTaken, isThere) = (Flag(), Flag())
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                if operation == .register, isTaken.raisesFirst() {
                    remote.plant(Array("two".utf8), named: other, on: EngineBench.table)
                }
                if operation == .openSession, remote.calls(of: .withdraw).count == 1, isThere.raisesFirst() {
                    remote.plant(Array("one".utf8), named: name, on: EngineBench.table)
                }
            }
            try await bench.run(hands)
            #expect(try await bench.states()["a.csv"] == [.delivered], "\(bench.log)")
            #expect(bench.calls(.register) == 1 && bench.calls(.withdraw) == 1, "\(bench.log)")
        }

        // MARK: The lost answer

        @Test func `a post whose answer was lost is found, and not posted again`() async throws {
            let bench = Self.bench()
            bench.remote.script(.register, .losesAnswer(Self.lost))
            try await bench.run()
            try await Self.expectOnce(bench)
            #expect(bench.calls(.register) == 1)
        }

        /// With the default of registration_doubt, which is longer than a run's patience.
        @Test(arguments: [Duration.seconds(10), .seconds(120)])
        func `a post that was dropped is posted again after the doubt, not before`(doubt: Duration) async throws {
            let bench = Self.bench(doubt: doubt)
            bench.remote.script(.register, .fails(Self.lost))
            let times = Times()
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { operation, _ throws(Failure) in
                if operation == .register { times.note(bench.clock.now().monotonic) }
            }
            try await bench.run(hands)
            try await Self.expectOnce(bench)
            let all = times.all
            try #require(all.count == 2)
            #expect(all[1].since(all[0]) ?? .zero >= doubt)
        }

        @Test(arguments: [1, 5, 9])
        func `a post that is carried out late, within the doubt, is found`(seconds: Int) async throws {
            let bench = Self.bench()
            bench.remote.script(.register, .carriedOutLate(Self.lost))
            var hands = EngineBench.Hands()
            let first = Times()
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                let now = bench.clock.now().monotonic
                if operation == .register { first.note(now) }
                guard let begun = first.all.first, let passed = now.since(begun) else { return }
                if operation == .uploads, passed >= .seconds(seconds) { remote.carryOutLate() }
            }
            try await bench.run(hands)
            try await Self.expectOnce(bench)
            #expect(bench.calls(.register) == 1)
        }

        @Test func `a post that was carried out in a version released meanwhile is found`() async throws {
            let bench = Self.bench()
            bench.remote.script(.register, .losesAnswer(Self.lost))
            var hands = EngineBench.Hands()
            hands.afterRemote = .none
            let isReleased = Flag()
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                guard operation == .uploads || operation == .table, remote.calls(of: .register).count == 1 else {
                    return
                }
                if isReleased.raisesFirst() { remote.release(EngineBench.table) }
            }
            try await bench.run(hands)
            try await Self.expectOnce(bench)
            #expect(bench.calls(.register) == 1)
        }

        @Test(arguments: [true, false])
        func `a run that ends in doubt is taken up by the next, which asks before it posts`(
            isCarriedOut: Bool
        ) async throws {
            let bench = Self.bench()
            bench.remote.script(.register, isCarriedOut ? .losesAnswer(Self.lost) : .fails(Self.lost))
            var hands = EngineBench.Hands()
            // The look-up is under way when the signal comes.
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                guard [.uploads, .table].contains(operation), !remote.calls(of: .register).isEmpty else { return }
                try? await bench.clock.sleep(for: .seconds(10))
                if Task.isCancelled { throw Failure(.transient, "cancelled") }
            }
            hands.cancelAfter = .seconds(3)
            await #expect(throws: CancellationError.self) { try await bench.run(hands) }
            #expect(bench.calls(.register) == 1)
            try await bench.run()
            try await Self.expectOnce(bench)
            #expect(bench.calls(.register) == (isCarriedOut ? 1 : 2))
        }

        // MARK: Names and uploads of others

        @Test func `a name that comes back changed is taken off, tried once more, and told`() async throws {
            let bench = Self.bench(EngineBench.mapping(existing: .upload))
            // Redivis folds a dash to an underscore: our name is taken.
            let name = Made.uploadName("a.csv", "one").replacing("-", with: "_")
            bench.remote.plant(Array("strange".utf8), named: name, on: EngineBench.table)
            try await bench.run()
            #expect(bench.contents() == ["strange"], "\(bench.log)")
            #expect(try await bench.states()["a.csv"] == [.parked], "\(bench.log)")
            #expect(bench.calls(.register) == 2 && bench.calls(.withdraw) == 2)
        }

        @Test func `a name that is refused as taken and is nowhere to be found is told`() async throws {
            let bench = Self.bench()
            let taken = Failure(.conflict, "an upload of this name exists")
            bench.remote.script(.register, .fails(taken), .fails(taken), .fails(taken))
            try await bench.run()
            #expect(bench.contents().isEmpty)
            #expect(try await bench.states()["a.csv"] == [.parked], "\(bench.log)")
        }

        @Test func `what another agent registers meanwhile under our name is adopted`() async throws {
            var switches = FakeRemote.Switches()
            switches.takenName = .conflicts
            let bench = Self.bench(switches: switches)
            let name = Made.uploadName("a.csv", "one")
            var hands = EngineBench.Hands()
            let isPlanted = Flag()
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                guard operation == .register, isPlanted.raisesFirst() else { return }
                remote.plant(Array("one".utf8), named: name, on: EngineBench.table)
            }
            try await bench.run(hands)
            try await Self.expectOnce(bench)
        }

        // MARK: The import

        @Test func `a failed import is parked with its words and taken off`() async throws {
            let bench = Self.bench()
            bench.write("b.csv", "two")
            var plan = ImportPlan()
            plan.outcome = .fails("No variables found in row 1")
            let name = Made.uploadName("a.csv", "one")
            bench.remote.plan(plan, forUploadNamed: name)
            try await bench.run()
            #expect(bench.contents() == ["two"])
            let delivery = try await bench.deliveries("a.csv").last
            #expect(delivery?.state == .parked(.importFailed("No variables found in row 1")), "\(bench.log)")
        }

        @Test func `a wrong MD5 is sent once more, then parked`() async throws {
            for isWrongTwice in [false, true] {
                let bench = Self.bench()
                var plan = ImportPlan()
                plan.falseMD5 = .md5(of: [0])
                let wrong = plan
                bench.remote.change { $0.imports = wrong }
                var hands = EngineBench.Hands()
                hands.afterRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                    if operation == .withdraw, !isWrongTwice { remote.change { $0.imports = ImportPlan() } }
                }
                try await bench.run(hands)
                if isWrongTwice {
                    #expect(bench.contents().isEmpty)
                    #expect(try await bench.states()["a.csv"] == [.parked], "\(bench.log)")
                } else {
                    try await Self.expectOnce(bench)
                }
                #expect(bench.calls(.register) == 2)
            }
        }

        @Test func `a wrong MD5 does not matter where only the size is verified`() async throws {
            let bench = Self.bench(EngineBench.mapping(verification: .size))
            var plan = ImportPlan()
            plan.falseMD5 = .md5(of: [0])
            let wrong = plan
            bench.remote.change { $0.imports = wrong }
            try await bench.run()
            try await Self.expectOnce(bench)
        }

        /// The documented endpoint takes bytes and comes to nothing: the other is used, and remembered.
        @Test func `a size that is never told leads to the other endpoint, and that is remembered`() async throws {
            var switches = FakeRemote.Switches()
            switches.resumableImportsTellNothing = true
            let bench = Self.bench(switches: switches)
            try await bench.run()
            try await Self.expectOnce(bench)
            let sessions = bench.remote.calls(of: .send).map(\.subject)
            #expect(sessions.first?.hasPrefix("resumable") == true && sessions.last?.hasPrefix("temp") == true)
            bench.write("b.csv", "two")
            try await bench.run()
            #expect(bench.remote.calls(of: .send).last?.subject.hasPrefix("temp") == true)
            #expect(bench.calls(.send) == sessions.count + 1)
        }

        @Test func `a missing or refused documented endpoint leads to the other, and that is remembered`() async throws
        {
            for isMissing in [true, false] {
                var switches = FakeRemote.Switches()
                if isMissing { switches.lacksResumableUpload = true } else { switches.refusesResumableIDs = true }
                let bench = Self.bench(switches: switches)
                try await bench.run()
                try await Self.expectOnce(bench)
                let opened = bench.calls(.openSession)
                bench.write("b.csv", "two")
                try await bench.run()
                #expect(bench.contents() == ["one", "two"], "\(bench.log)")
                #expect(bench.calls(.openSession) == opened + 1, "missing: \(isMissing)")
            }
        }

        @Test(arguments: Endpoint.allCases)
        func `a fixed endpoint is the only one`(endpoint: Endpoint) async throws {
            let bench = Self.bench(EngineBench.mapping(endpoint: .fixed(endpoint)))
            try await bench.run()
            try await Self.expectOnce(bench)
            let prefix = endpoint == .tempUploads ? "temp" : "resumable"
            #expect(bench.remote.calls(of: .send).allSatisfy { $0.subject.hasPrefix(prefix) })
        }

        @Test func `a slow import is waited for`() async throws {
            let bench = Self.bench()
            var plan = ImportPlan()
            plan.listingsInProgress = 16
            let slow = plan
            bench.remote.change { $0.imports = slow }
            try await bench.run()
            try await Self.expectOnce(bench)
        }

        @Test func `a long table is not listed for one import`() async throws {
            let bench = Self.bench(EngineBench.mapping(existing: .upload))
            for index in 0..<30 { bench.remote.plant([1], named: "other-\(index).csv", on: EngineBench.table) }
            var plan = ImportPlan()
            plan.listingsInProgress = 8
            let slow = plan
            bench.remote.change {
                $0.pageSize = 10
                $0.imports = slow
            }
            try await bench.run()
            #expect(bench.contents().count { $0 == "one" } == 1)
            #expect(try await bench.states()["a.csv"] == [.delivered], "\(bench.log)")
            // One walk tells how long the table is; from then on the upload itself is asked.
            #expect(bench.remote.calls(of: .upload).count > 4, "\(bench.log)")
            #expect(bench.remote.calls(of: .uploads).count < 20, "\(bench.log)")
        }

        /// Two registrations, the second just as the follower has found nothing more to follow.
        @Test func `an import that begins while the follower looks away is followed`() async throws {
            let bench = EngineBench(settings: EngineBench.settings(uploads: 1))
            bench.write("a.csv", "one")
            bench.write("b.csv", "two")
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                guard operation == .register, remote.calls(of: .register).count == 1 else { return }
                try? await bench.clock.sleep(for: .seconds(5))
            }
            // Reading what is importing takes its time: what it read is old when it is looked at.
            hands.afterQueue = CallHook { call, _ throws(Failure) in
                if call.operation == .importing { try? await bench.clock.sleep(for: .seconds(2)) }
            }
            try await bench.run(hands)
            #expect(Set(bench.contents()) == ["one", "two"])
            #expect(try await bench.states() == ["a.csv": [.delivered], "b.csv": [.delivered]], "\(bench.log)")
        }
    }
}

/// When something happened.
final class Times: Sendable {
    private let state = Mutex<[MonotonicInstant]>([])

    var all: [MonotonicInstant] { state.withLock { $0 } }
    func note(_ instant: MonotonicInstant) { state.withLock { $0.append(instant) } }
}
