import SQLiteQueue
import SyncCore
import SyncTestSupport
import Testing

@testable import SyncEngine

extension Engine {
    /// A registration that Redivis carries out after its connection died.
    @Suite struct TwinTests {
        private static let lost = Failure(.ambiguous, "the connection was closed")

        private static func bench(_ takenName: FakeRemote.Switches.TakenName, inlineLimit: Int64 = 0) -> EngineBench {
            var switches = FakeRemote.Switches()
            switches.takenName = takenName
            let bench = EngineBench(
                [EngineBench.mapping(watch: .poll, poll: .seconds(3600))],
                settings: EngineBench.settings(doubt: .seconds(10), inlineLimit: inlineLimit), switches: switches)
            bench.write("a.csv", "one")
            bench.remote.script(.register, .carriedOutLate(lost))
            return bench
        }

        /// Carries the lost request out so long after it was sent; `meanwhile` comes just before, `afterwards` just
        /// behind it.
        private static func run(
            _ bench: EngineBench, late: Duration, meanwhile: @escaping @Sendable () async -> Void = {},
            afterwards: @escaping @Sendable () -> Void = {}
        ) async throws {
            var hands = EngineBench.Hands()
            let (isSent, isDone) = (Flag(), Flag())
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                guard operation == .register, isSent.raisesFirst() else { return }
                Task {
                    try? await bench.clock.sleep(for: late)
                    await meanwhile()
                    remote.carryOutLate()
                    afterwards()
                    isDone.raise()
                }
            }
            try await bench.runAgent(hands, for: .seconds(3600), step: .milliseconds(500))
            #expect(isDone.isRaised)
        }

        @Test(arguments: [FakeRemote.Switches.TakenName.accepts, .renames], [0, 1000])
        func `inside the window it is the one registration`(
            _ takenName: FakeRemote.Switches.TakenName, inlineLimit: Int64
        ) async throws {
            let bench = Self.bench(takenName, inlineLimit: inlineLimit)
            try await Self.run(bench, late: .seconds(5))
            #expect(bench.contents() == ["one"])
            #expect(bench.calls(.register) == 1)
            #expect(try await bench.states() == ["a.csv": [.delivered]], "\(bench.log)")
        }

        @Test(arguments: [FakeRemote.Switches.TakenName.accepts, .renames], [0, 1000])
        func `beyond it the twin is found and removed`(
            _ takenName: FakeRemote.Switches.TakenName, inlineLimit: Int64
        ) async throws {
            let bench = Self.bench(takenName, inlineLimit: inlineLimit)
            try await Self.run(bench, late: .seconds(60))
            #expect(bench.calls(.register) == 2)
            #expect(bench.contents() == ["one"], "\(bench.log)")
            #expect(try await bench.states() == ["a.csv": [.delivered]])
            let twins = try await bench.figures().twins
            #expect(twins.removed == 1 && twins.standing.isEmpty)
        }

        @Test func `one that comes after a release is taken off the next version`() async throws {
            let bench = Self.bench(.accepts)
            try await Self.run(
                bench, late: .seconds(60),
                meanwhile: {
                    bench.remote.release(EngineBench.table)
                    try? await bench.remote.openVersion(of: EngineBench.table)
                })
            #expect(bench.contents() == ["one"], "\(bench.log)")
            #expect(try await bench.figures().twins.removed == 1)
        }

        @Test func `one that is released is told, and never silent`() async throws {
            let bench = Self.bench(.accepts)
            try await Self.run(bench, late: .seconds(60), afterwards: { bench.remote.release(EngineBench.table) })
            #expect(bench.contents() == ["one", "one"])
            let twins = try await bench.figures().twins
            #expect(twins.removed == 0 && twins.standingCount == 1)
            #expect(twins.standing.first?.path == Made.path("a.csv"))
        }

        @Test func `a crash between the second post and the look forgets nothing`() async throws {
            let bench = Self.bench(.accepts)
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                if operation == .upload || operation == .uploads, remote.calls(of: .register).count == 2 {
                    throw Failure(.transient, "killed")
                }
            }
            try await bench.runAgent(hands, for: .seconds(30), step: .milliseconds(500))
            #expect(bench.calls(.register) == 2)
            bench.remote.carryOutLate()
            #expect(bench.contents() == ["one", "one"])
            try await bench.runAgent(for: .seconds(600), step: .milliseconds(500))
            #expect(bench.contents() == ["one"], "\(bench.log)")
            #expect(try await bench.states() == ["a.csv": [.delivered]])
        }
    }
}
