import SyncCore
import SyncEngine
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

extension Engine {
    /// The storage host answers what it may answer, and dies where it may die.
    @Suite struct TransferTests {
        private static let bytes = Made.bytes(4 * 262_144 + 77)

        /// A bench whose next run sends one fresh file in five chunks.
        private static func bench(_ switches: FakeRemote.Switches = FakeRemote.Switches()) async throws -> EngineBench {
            let bench = EngineBench(switches: switches)
            try await bench.run()
            bench.write("a.bin", bytes)
            return bench
        }

        private static func expectOnce(_ bench: EngineBench, _ what: String = "") async throws {
            let uploads = bench.remote.registrations(on: EngineBench.table)
            #expect(uploads.count == 1 && uploads.first?.bytes == bytes, "\(what): \(uploads.count)\n\(bench.log)")
            #expect(try await bench.states()["a.bin"] == [.delivered], "\(what)\n\(bench.log)")
        }

        static let oddAnswers: [(String, [FakeFault])] = [
            ("a part of a chunk is kept", [.none, .keeps(262_144 / 2)]),
            ("an odd number of bytes is kept", [.keeps(1), .keeps(100_001), .none, .keeps(3)]),
            ("nothing is kept", [.none, .keeps(0), .keeps(0), .keeps(0)]),
            ("308 without a range", [.none, .answers(.stored(nil)), .none, .answers(.stored(nil))]),
            ("308 with the offset from before", [.none, .answers(.stored(262_144))]),
            ("308 with a smaller offset than before", [.none, .none, .answers(.stored(262_144))]),
            ("308 with more than was sent", [.none, .answers(.stored(3 * 262_144))]),
            ("200 in the middle", [.none, .answers(.finished(size: nil, md5: nil))]),
            ("200 in the middle, with a wrong size", [.none, .answers(.finished(size: 262_144, md5: nil))]),
            (
                "200 at the end, with a wrong size",
                [.none, .none, .none, .none, .answers(.finished(size: 9, md5: nil))]
            ),
            (
                "200 at the end, with a wrong MD5",
                [.none, .none, .none, .none, .answers(.finished(size: nil, md5: .md5(of: [1])))]
            ),
            ("a part is kept and the answer lost", [.none, .keepsAndLosesAnswer(1000, Failure(.ambiguous, "lost"))]),
            ("all is kept and the answer lost", [.none, .losesAnswer(Failure(.transient, "lost"))]),
            (
                "the last answer is lost",
                [.none, .none, .none, .none, .losesAnswer(Failure(.transient, "lost"))]
            ),
            ("throttled", [.fails(Failure(.throttled, "slower, please", retryAfter: .seconds(30)))]),
            ("refused chunks", [.none, .fails(Failure(.rejected, "416")), .fails(Failure(.rejected, "416"))]),
            ("the session's url is refused", [.none, .fails(Failure(.sessionRefused, "403"))]),
        ]

        @Test(arguments: oddAnswers.indices)
        func `an odd answer costs bytes at most`(index: Int) async throws {
            let (what, faults) = Self.oddAnswers[index]
            let bench = try await Self.bench()
            for fault in faults { bench.remote.script(.send, fault) }
            try await bench.run()
            try await Self.expectOnce(bench, what)
        }

        @Test func `a session that finishes itself early is not registered`() async throws {
            let bench = try await Self.bench()
            bench.remote.script(.send, .none, .answers(.finished(size: 2 * 262_144, md5: nil)))
            bench.remote.script(.status, .answers(.finished(size: 2 * 262_144, md5: nil)))
            try await bench.run()
            try await Self.expectOnce(bench)
            #expect(bench.calls(.openSession) == 2)
        }

        @Test(arguments: [Failure.Kind.transient, .sessionLost, .throttled, .stateUnavailable, .unauthorized])
        func `one failure anywhere is got over`(kind: Failure.Kind) async throws {
            try await Self.atEachCall { bench, step in
                let isHit = Flag()
                var hands = EngineBench.Hands()
                hands.beforeRemote = CallHook { operation, number throws(Failure) in
                    guard number == step else { return }
                    isHit.raise()
                    // A table that is refused at the start is a run that has ended.
                    if operation == .table || operation == .uploads, kind != .transient { return }
                    if operation == .register { throw Failure(.ambiguous, "lost at \(step)") }
                    throw Failure(kind, "failed at \(step)")
                }
                try await bench.run(hands)
                // A refused token is left alone for longer than a run's patience.
                if kind == .unauthorized { try await bench.run() }
                try await Self.expectOnce(bench, "\(kind) at \(step)")
                return isHit.isRaised
            }
        }

        @Test func `one lost answer anywhere is got over`() async throws {
            try await Self.atEachCall { bench, step in
                let isHit = Flag()
                var hands = EngineBench.Hands()
                hands.afterRemote = CallHook { operation, number throws(Failure) in
                    guard number == step else { return }
                    isHit.raise()
                    throw Failure(operation == .register ? .ambiguous : .transient, "lost at \(step)")
                }
                try await bench.run(hands)
                try await Self.expectOnce(bench, "lost at \(step)")
                return isHit.isRaised
            }
        }

        @Test func `all sessions dying anywhere is got over`() async throws {
            try await Self.atEachCall { bench, step in
                let isHit = Flag()
                var hands = EngineBench.Hands()
                hands.beforeRemote = CallHook { [remote = bench.remote] _, number throws(Failure) in
                    guard number == step else { return }
                    isHit.raise()
                    remote.killSessions()
                }
                try await bench.run(hands)
                try await Self.expectOnce(bench, "sessions dead at \(step)")
                return isHit.isRaised
            }
        }

        @Test(arguments: [true, false])
        func `a day passing anywhere is got over`(killsSessions: Bool) async throws {
            try await Self.atEachCall { bench, step in
                let isHit = Flag()
                var hands = EngineBench.Hands()
                hands.afterRemote = CallHook { [remote = bench.remote] _, number throws(Failure) in
                    guard number == step else { return }
                    isHit.raise()
                    // A machine that slept: nobody noticed, and every session is over.
                    bench.clock.stepWall(by: .seconds(25 * 3600))
                    if killsSessions { remote.killSessions() }
                }
                try await bench.run(hands)
                try await Self.expectOnce(bench, "a day at \(step)")
                return isHit.isRaised
            }
        }

        @Test func `the release of the version anywhere is got over`() async throws {
            try await Self.atEachCall { bench, step in
                let isHit = Flag()
                var hands = EngineBench.Hands()
                hands.beforeRemote = CallHook { [remote = bench.remote] _, number throws(Failure) in
                    guard number == step else { return }
                    isHit.raise()
                    remote.release(EngineBench.table)
                }
                try await bench.run(hands)
                try await Self.expectOnce(bench, "released at \(step)")
                return isHit.isRaised
            }
        }

        /// Runs `body` with each number of a call, until it says that there were not so many calls.
        private static func atEachCall(
            _ body: (EngineBench, Int) async throws -> Bool
        ) async throws {
            var step = 0
            while try await body(try await bench(), step) { step += 1 }
            #expect(step > 8)
        }

        @Test func `a file whose sessions die without an end is given up`() async throws {
            let bench = try await Self.bench()
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { operation, _ throws(Failure) in
                if operation == .send { throw Failure(.sessionLost, "410") }
            }
            // The pauses between the last sessions are longer than the patience of one run.
            for _ in 0..<4 { try await bench.run(hands) }
            #expect(try await bench.states()["a.bin"] == [.parked], "\(bench.log)")
            #expect(bench.calls(.openSession) == 9)
        }

        @Test func `a one-put url carries a whole file, and is repeated after a loss`() async throws {
            var switches = FakeRemote.Switches()
            switches.wholeBelow = .max
            let bench = EngineBench([EngineBench.mapping(endpoint: .fixed(.tempUploads))], switches: switches)
            bench.remote.script(.send, .fails(Failure(.transient, "cut")), .losesAnswer(Failure(.transient, "lost")))
            bench.write("a.bin", Self.bytes)
            try await bench.run()
            try await Self.expectOnce(bench)
            #expect(bench.remote.calls(of: .send).allSatisfy { $0.range == 0..<Int64(Self.bytes.count) })
        }
    }
}
