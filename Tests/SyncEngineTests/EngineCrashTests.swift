import SyncCore
import SyncEngine
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

extension Engine {
    /// T-15: the program ends anywhere: after every write to the database, before and after every request.
    @Suite struct CrashTests {
        /// Lets so many steps be taken, and nothing afterwards: what a killed program does.
        final class Life: Sendable {
            private struct State {
                var steps = 0
                var isOver = false
            }

            private let limit: Int
            private let state = Mutex(State())

            init(steps limit: Int) { self.limit = limit }

            var isOver: Bool { state.withLock(\.isOver) }

            func step(_ counts: Bool = true) throws(Failure) {
                let isOver = state.withLock { state in
                    if counts { state.steps += 1 }
                    if state.steps > limit { state.isOver = true }
                    return state.isOver
                }
                if isOver { throw Failure(.stateUnavailable, scope: .agent, "the program was killed") }
            }

            var hands: EngineBench.Hands {
                var hands = EngineBench.Hands()
                let remote = CallHook<RemoteOperation> { [self] _, _ throws(Failure) in try step() }
                (hands.beforeRemote, hands.afterRemote) = (remote, remote)
                hands.beforeQueue = CallHook { [self] _, _ throws(Failure) in try step(false) }
                hands.afterQueue = CallHook { [self] call, _ throws(Failure) in try step(call.operation.writes) }
                return hands
            }
        }

        private static func runAndDie(_ bench: EngineBench, after steps: Int) async throws -> Bool {
            let life = Life(steps: steps)
            var hands = life.hands
            hands.afterRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                // What failed once succeeds the second time.
                if operation == .withdraw { remote.change { $0.imports = ImportPlan() } }
                try life.step()
            }
            do {
                try await bench.run(hands)
            } catch let failure as Failure where failure.kind == .stateUnavailable && life.isOver {
            } catch is CancellationError where life.isOver {
            }
            return life.isOver
        }

        @Test(arguments: [
            "existing", "fresh", "documented endpoint refused", "import fails at first", "inside its registration",
        ])
        func `killed at any step, the next run ends it with one registration`(way: String) async throws {
            // One way at every step, the others at some, others each time.
            var random = SeededRandom()
            print("engine, killed at steps, \(way): seed \(random.seed)")
            let stride = way == "fresh" ? 1 : 5
            var steps = stride > 1 ? Int.random(in: 0..<stride, using: &random) : 0
            while true {
                var switches = FakeRemote.Switches()
                if way == "documented endpoint refused" { switches.refusesResumableIDs = true }
                if way == "import fails at first" { switches.imports.falseMD5 = .md5(of: [0]) }
                let limit: Int64 = way == "inside its registration" ? 1 << 20 : 0
                let bench = EngineBench(
                    settings: EngineBench.settings(doubt: .seconds(5), inlineLimit: limit), switches: switches)
                if way != "existing" { try await bench.run() }
                bench.write("a.bin", Made.bytes(2 * 262_144 + 9))
                bench.write("b.csv", "small")
                let hasDied = try await Self.runAndDie(bench, after: steps)
                bench.remote.change { $0.imports = ImportPlan() }
                try await bench.run()
                let uploads = bench.remote.registrations(on: EngineBench.table).map(\.bytes)
                let what = "\(way), killed after \(steps) steps"
                #expect(uploads.count == 2 && Set(uploads).count == 2, "\(what): \(uploads.count)\n\(bench.log)")
                let states = try await bench.states()
                #expect(states == ["a.bin": [.delivered], "b.csv": [.delivered]], "\(what): \(states)\n\(bench.log)")
                if !hasDied { break }
                steps += stride
            }
            #expect(steps > (way == "inside its registration" ? 10 : 20))
        }

        /// Kills, signals, failures, lost and late answers, all at random, until one run ends by itself.
        @Test(arguments: 0..<12)
        func `through random trouble every file arrives once`(round: Int) async throws {
            var random = SeededRandom()
            print("engine, random trouble, round \(round): seed \(random.seed)")
            let what = "seed \(random.seed)"
            let limit: Int64 = [0, 1000, 300_000].randomElement(using: &random) ?? 0
            let bench = EngineBench(
                settings: EngineBench.settings(uploads: 3, doubt: .seconds(5), inlineLimit: limit))
            if Bool.random(using: &random) { try await bench.run() }
            var expected: Set<[UInt8]> = []
            for index in 0..<Int.random(in: 2...7, using: &random) {
                let bytes = random.bytes([0, 1, 1000, 262_144, 300_000, 600_000].randomElement(using: &random) ?? 1)
                bench.write("\(index).bin", bytes)
                if !bytes.isEmpty { expected.insert(bytes) }
            }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let trouble = Trouble(random: random, bench: bench)
                _ = random.next()
                bench.remote.carryOutLate()
                do {
                    try await bench.run(trouble.hands)
                } catch is CancellationError {
                } catch let failure as Failure where failure.kind == .stateUnavailable {
                }
            }
            // What was put off reaches the server before the doubt of the last run is over.
            bench.remote.carryOutLate()
            try await bench.run()
            let uploads = bench.remote.registrations(on: EngineBench.table).map(\.bytes)
            #expect(uploads.count == expected.count && Set(uploads) == expected, "\(what)\n\(bench.log)")
            let states = try await bench.states()
            #expect(
                states.values.allSatisfy { $0 == [.delivered] || $0 == [.ignored] }, "\(what): \(states)\n\(bench.log)")
        }
    }

    /// What goes wrong in one run of a random test.
    final class Trouble: Sendable {
        private let random: Mutex<SeededRandom>
        private let bench: EngineBench
        private let life: CrashTests.Life
        private let cancelAfter: Duration?
        /// When the last post was put off. The server carries it out within registration_doubt: the one assumption.
        private let putOff = Times()

        init(random: SeededRandom, bench: EngineBench) {
            var random = random
            let isKilled = Bool.random(using: &random)
            life = CrashTests.Life(steps: isKilled ? Int.random(in: 0...120, using: &random) : .max)
            cancelAfter = isKilled ? nil : .milliseconds(Int.random(in: 0...8000, using: &random))
            self.random = Mutex(random)
            self.bench = bench
        }

        private func draw(_ bound: Int) -> Int { random.withLock { Int.random(in: 0..<bound, using: &$0) } }

        var hands: EngineBench.Hands {
            var hands = life.hands
            hands.cancelAfter = cancelAfter
            hands.beforeRemote = CallHook { [self] operation, _ throws(Failure) in
                try life.step()
                try? await bench.clock.sleep(for: .milliseconds(draw(300)))
                // A request of a cancelled task never leaves.
                if Task.isCancelled { throw Failure(operation == .register ? .ambiguous : .transient, "cancelled") }
                try life.step(false)
                let now = bench.clock.now().monotonic
                if let last = putOff.all.last, now.since(last) ?? .zero > .seconds(3) { bench.remote.carryOutLate() }
                if draw(8) == 0 { try misbehave(operation) }
            }
            hands.afterRemote = CallHook { [self] operation, _ throws(Failure) in
                try life.step()
                if draw(12) == 0 {
                    throw Failure(operation == .register ? .ambiguous : .transient, "the answer was lost")
                }
            }
            hands.beforeQueue = CallHook { [self] call, _ throws(Failure) in
                try life.step(false)
                // A full disk, now and then; not for the run's own loop, which would end.
                if call.operation == .save || call.operation == .settleContent, draw(15) == 0 {
                    throw Failure(.stateUnavailable, scope: .agent, "disk full")
                }
            }
            return hands
        }

        private func misbehave(_ operation: RemoteOperation) throws(Failure) {
            switch operation {
            case .send:
                switch draw(5) {
                case 0: bench.remote.script(.send, .keeps(draw(262_144)))
                case 1: bench.remote.script(.send, .keepsAndLosesAnswer(draw(262_144), Failure(.transient, "cut")))
                case 2: throw Failure(.transient, "cut")
                case 3: bench.remote.script(.send, .answers(.stored(nil)))
                default: bench.remote.killSessions()
                }
            case .register:
                switch draw(3) {
                case 0: throw Failure(.ambiguous, "never arrived")
                case 1:
                    putOff.note(bench.clock.now().monotonic)
                    bench.remote.script(.register, .carriedOutLate(Failure(.ambiguous, "put off")))
                default: bench.remote.release(EngineBench.table)
                }
            case .uploads:
                bench.remote.carryOutLate()
                throw Failure(.transient, "the listing broke off")
            case .openSession: throw Failure(.throttled, "slower", retryAfter: .seconds(1))
            case .table, .openVersion, .upload, .status, .withdraw: throw Failure(.transient, "the network")
            }
        }
    }
}
