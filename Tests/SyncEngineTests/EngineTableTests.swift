import SyncCore
import SyncEngine
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

extension Engine {
    /// Tables that refuse, that have a past, that cannot be reached.
    @Suite struct TableTests {
        private static let other = Made.mappingID("other")
        private static let otherTable = EngineBench.table("others")

        private static func two() -> EngineBench {
            let bench = EngineBench([
                EngineBench.mapping(), EngineBench.mapping(other, folder: "/data/other", table: otherTable),
            ])
            bench.write("a.csv", "one")
            bench.write("b.csv", "two", in: "/data/other")
            return bench
        }

        @Test func `one refused table does not stop another`() async throws {
            let bench = Self.two()
            bench.remote.setVisible(false, EngineBench.table)
            let result = try await bench.run(atMost: .seconds(30))
            #expect(bench.contents(of: Self.otherTable) == ["two"], "\(bench.log)")
            #expect(Set(result.tableFailures.keys) == [EngineBench.table])
            #expect(result.workload.blocked == 1)
            bench.remote.setVisible(true, EngineBench.table)
            try await bench.run()
            #expect(bench.contents() == ["one"], "\(bench.log)")
        }

        @Test func `two mappings may share a table`() async throws {
            let bench = EngineBench([
                EngineBench.mapping(), EngineBench.mapping(Self.other, folder: "/data/other"),
            ])
            bench.write("a.csv", "one")
            bench.write("a.csv", "two", in: "/data/other")
            try await bench.run()
            #expect(Set(bench.contents()) == ["one", "two"], "\(bench.log)")
        }

        // MARK: Out of reach

        @Test func `while Redivis is out of reach a run ends after its patience with everything queued`() async throws {
            let bench = Self.two()
            bench.remote.change { $0.isOffline = true }
            let result = try await bench.run(atMost: .seconds(300))
            #expect(result.tableFailures.count == 2)
            let states = try await bench.states()
            #expect(states == ["a.csv": [.queued], "b.csv": [.queued]], "\(bench.log)")
            let elapsed = Duration.nanoseconds(bench.clock.now().monotonic.nanoseconds)
            #expect(elapsed >= OnceRun.patience && elapsed < OnceRun.patience + .seconds(90), "\(elapsed)")
            bench.remote.change { $0.isOffline = false }
            try await bench.run()
            #expect(bench.contents() == ["one"] && bench.contents(of: Self.otherTable) == ["two"])
        }

        @Test func `a short outage is sat out`() async throws {
            let bench = Self.two()
            bench.remote.change { $0.isOffline = true }
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { [remote = bench.remote] _, _ throws(Failure) in
                if bench.clock.now().monotonic.nanoseconds > 21_000_000_000 { remote.change { $0.isOffline = false } }
            }
            try await bench.run(hands)
            #expect(bench.contents() == ["one"] && bench.contents(of: Self.otherTable) == ["two"], "\(bench.log)")
        }

        @Test func `imports out of reach are left for the next run`() async throws {
            let bench = Self.two()
            let isOver = Flag()
            var hands = EngineBench.Hands()
            hands.afterRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                guard operation == .register, remote.calls(of: .register).count == 2 else { return }
                if isOver.raisesFirst() { remote.change { $0.isOffline = true } }
            }
            let result = try await bench.run(hands, atMost: .seconds(600))
            #expect(result.workload.importing + result.workload.live + result.workload.failing == 2, "\(bench.log)")
            bench.remote.change { $0.isOffline = false }
            try await bench.run()
            #expect(bench.contents() == ["one"] && bench.contents(of: Self.otherTable) == ["two"])
            #expect(try await bench.states() == ["a.csv": [.delivered], "b.csv": [.delivered]], "\(bench.log)")
        }

        // MARK: Versions

        @Test func `without an open version the next is opened, where the mapping allows it`() async throws {
            for mayOpen in [true, false] {
                let bench = EngineBench([EngineBench.mapping(createsVersion: mayOpen)])
                bench.write("a.csv", "one")
                bench.remote.release(EngineBench.table)
                try await bench.run(atMost: .seconds(600))
                #expect(bench.contents() == (mayOpen ? ["one"] : []), "\(bench.log)")
                #expect(bench.calls(.openVersion) == (mayOpen ? 1 : 0))
                guard !mayOpen else { continue }
                #expect(try await bench.states() == ["a.csv": [.waiting]], "\(bench.log)")
                try await bench.remote.openVersion(of: EngineBench.table)
                try await bench.run()
                #expect(bench.contents() == ["one"], "\(bench.log)")
            }
        }

        // MARK: A lost database

        @Test func `after the state is lost what is on the table is adopted, and nothing sent`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "one")
            bench.write("b.csv", Made.bytes(600_000))
            try await bench.run()
            bench.remote.release(EngineBench.table)
            bench.loseState()
            let sessions = bench.calls(.openSession)
            try await bench.run()
            #expect(bench.calls(.openSession) == sessions)
            #expect(bench.calls(.register) == 2)
            #expect(try await bench.states() == ["a.csv": [.delivered], "b.csv": [.delivered]], "\(bench.log)")
        }

        /// With the default of registration_doubt, which is longer than a run's patience.
        @Test(arguments: [Duration.seconds(10), .seconds(120)])
        func `a new database posts nothing to a table with our uploads before the doubt is over`(
            doubt: Duration
        ) async throws {
            let bench = EngineBench(settings: EngineBench.settings(doubt: doubt))
            bench.write("a.csv", "one")
            try await bench.run()
            bench.loseState()
            bench.write("b.csv", "two")
            let times = Times()
            let listings = Times()
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { operation, _ throws(Failure) in
                if operation == .register { times.note(bench.clock.now().monotonic) }
                if operation == .uploads { listings.note(bench.clock.now().monotonic) }
            }
            try await bench.run(hands)
            #expect(bench.contents() == ["one", "two"], "\(bench.log)")
            let posted = try #require(times.all.first)
            let opened = MonotonicInstant(run: posted.run, nanoseconds: 1_000_000_000).advanced(by: doubt)
            #expect(posted.reached(opened) == true)
            let asked = listings.all.filter { $0.reached(opened) == true && posted.reached($0) == true }
            #expect(!asked.isEmpty, "no listing between the end of the doubt and the post")
        }

        @Test func `a post of the lost past that is carried out within the doubt is not made twice`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "one")
            try await bench.run()
            bench.write("b.csv", "two")
            bench.remote.script(.register, .carriedOutLate(Failure(.ambiguous, "lost")))
            var hands = EngineBench.Hands()
            hands.cancelAfter = .seconds(3)
            await #expect(throws: CancellationError.self) { try await bench.run(hands) }
            #expect(bench.contents() == ["one"])
            bench.loseState()
            var late = EngineBench.Hands()
            late.beforeRemote = CallHook { [remote = bench.remote] _, _ throws(Failure) in
                if bench.clock.now().monotonic.nanoseconds > 9_000_000_000 { remote.carryOutLate() }
            }
            try await bench.run(late)
            #expect(bench.contents() == ["one", "two"], "\(bench.log)")
            #expect(try await bench.states() == ["a.csv": [.delivered], "b.csv": [.delivered]], "\(bench.log)")
        }

        @Test func `an empty table starts at once, also with a new database`() async throws {
            let bench = EngineBench(settings: EngineBench.settings(doubt: .seconds(120)))
            bench.write("a.csv", "one")
            try await bench.run(atMost: .seconds(20))
            #expect(bench.contents() == ["one"])
        }

        // MARK: Files that were there before

        @Test(arguments: ExistingFiles.allCases)
        func `existing files go the way that the mapping says`(existing: ExistingFiles) async throws {
            let bench = EngineBench([EngineBench.mapping(existing: existing)])
            bench.write("a.csv", "one")
            try await bench.run()
            bench.write("late.csv", "late")
            try await bench.run()
            let states = try await bench.states()
            #expect(states["late.csv"] == [.delivered], "\(bench.log)")
            switch existing {
            case .auto, .upload: #expect(states["a.csv"] == [.delivered])
            case .skip: #expect(states["a.csv"] == [.ignored])
            case .hold: #expect(states["a.csv"] == [.held])
            }
            #expect(Set(bench.contents()) == (states["a.csv"] == [.delivered] ? ["one", "late"] : ["late"]))
        }

        @Test func `on a table that others filled, equal files are adopted and the rest is held`() async throws {
            let bench = EngineBench()
            bench.remote.plant(Array("one".utf8), named: "first upload.csv", on: EngineBench.table)
            bench.write("a.csv", "one")
            bench.write("copy of a.csv", "one")
            bench.write("b.csv", "two")
            try await bench.run()
            #expect(bench.contents() == ["one"], "\(bench.log)")
            let states = try await bench.states()
            #expect(states["b.csv"] == [.held])
            #expect(Set([states["a.csv"], states["copy of a.csv"]]) == [[.delivered], [.held]], "\(states)")
            bench.write("new.csv", "new")
            try await bench.run()
            #expect(bench.contents() == ["one", "new"], "\(bench.log)")
        }

        @Test func `a crash in the first minute does not make our own uploads somebody else's`() async throws {
            let bench = EngineBench(settings: EngineBench.settings(uploads: 1))
            for index in 0..<6 { bench.write("\(index).csv", "content \(index)") }
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { operation, _ throws(Failure) in
                if operation == .send { try? await bench.clock.sleep(for: .seconds(1)) }
            }
            hands.cancelAfter = .milliseconds(3500)
            await #expect(throws: CancellationError.self) { try await bench.run(hands) }
            #expect((1..<6).contains(bench.contents().count), "\(bench.contents())")
            try await bench.run()
            #expect(Set(bench.contents()).count == 6 && bench.contents().count == 6, "\(bench.log)")
        }
    }
}
