import SyncCore
import SyncEngine
import SyncTestSupport
import Testing

extension Engine {
    /// Small files, which travel inside the request that registers them.
    @Suite struct InlineTests {
        private static let lost = Failure(.ambiguous, "the answer was lost")

        private static func bench(limit: Int64 = 1000) -> EngineBench {
            EngineBench(settings: EngineBench.settings(inlineLimit: limit))
        }

        private static func expectDelivered(_ bench: EngineBench, _ contents: Set<[UInt8]>) async throws {
            let uploads = bench.remote.registrations(on: EngineBench.table).map(\.bytes)
            #expect(uploads.count == contents.count && Set(uploads) == contents, "\(bench.log)")
            let states = try await bench.states()
            #expect(states.values.allSatisfy { $0 == [.delivered] }, "\(states)\n\(bench.log)")
        }

        @Test func `up to the limit a file takes one request, above it a session`() async throws {
            let bench = Self.bench()
            let (small, large) = (Made.bytes(1000), Made.bytes(1001))
            bench.write("small.csv", small)
            bench.write("large.csv", large)
            try await bench.run()
            try await Self.expectDelivered(bench, [small, large])
            #expect(bench.calls(.register) == 2 && bench.calls(.openSession) == 1 && bench.calls(.send) == 1)
        }

        @Test func `an empty file that is to be registered goes by a session`() async throws {
            let bench = Self.bench()
            bench.configure(
                [EngineBench.mapping(emptyFiles: .register)], settings: EngineBench.settings(inlineLimit: 1000))
            bench.write("empty.csv", "")
            try await bench.run()
            try await Self.expectDelivered(bench, [[]])
            #expect(bench.calls(.openSession) == 1)
        }

        @Test func `a lost answer to what was carried out is found, and not posted again`() async throws {
            let bench = Self.bench()
            bench.write("a.csv", "one")
            bench.remote.script(.register, .losesAnswer(Self.lost))
            try await bench.run()
            try await Self.expectDelivered(bench, [Array("one".utf8)])
            #expect(bench.calls(.register) == 1)
        }

        /// A second look follows, as after any post that was made twice.
        @Test func `what was dropped goes by a session, after the doubt`() async throws {
            let bench = Self.bench()
            bench.write("a.csv", "one")
            bench.remote.script(.register, .fails(Self.lost))
            let times = Times()
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { operation, _ throws(Failure) in
                if operation == .register { times.note(bench.clock.now().monotonic) }
            }
            try await bench.run(hands)
            try await Self.expectDelivered(bench, [Array("one".utf8)])
            let all = times.all
            try #require(all.count == 2)
            #expect(all[1].since(all[0]) ?? .zero >= .seconds(10))
            #expect(bench.calls(.openSession) == 1)
        }

        @Test func `what is refused inside the request goes by a session`() async throws {
            let bench = Self.bench()
            bench.write("a.csv", "one")
            bench.remote.script(.register, .fails(Failure(.rejected, "413: too large")))
            try await bench.run()
            try await Self.expectDelivered(bench, [Array("one".utf8)])
            #expect(bench.calls(.register) == 2 && bench.calls(.openSession) == 1)
        }

        @Test func `a file that changes before its request leaves is not posted as it was`() async throws {
            let bench = Self.bench()
            bench.write("a.csv", "one")
            let isChanged = Flag()
            var hands = EngineBench.Hands()
            hands.afterQueue = CallHook { call, _ throws(Failure) in
                guard call.operation == .save, isChanged.raisesFirst() else { return }
                bench.write("a.csv", "two")
            }
            try await bench.run(hands)
            #expect(bench.contents() == ["two"], "\(bench.log)")
            #expect(try await bench.states()["a.csv"] == [.superseded, .delivered], "\(bench.log)")
        }

        /// What has its registration saved as begun is in doubt after a restart, and goes by a session then.
        @Test func `ended while others wait for their place, only what was sent is in doubt`() async throws {
            let bench = EngineBench(settings: EngineBench.settings(uploads: 1, inlineLimit: 1 << 20))
            let contents = (0..<3).map { Made.bytes(100_000, salt: $0) }
            for (index, bytes) in contents.enumerated() { bench.write("\(index).csv", bytes) }
            var hands = EngineBench.Hands()
            hands.cancelAfter = .seconds(3)
            hands.beforeRemote = CallHook { operation, _ throws(Failure) in
                if operation == .register { try? await bench.clock.sleep(for: .seconds(60)) }
            }
            await #expect(throws: CancellationError.self) { try await bench.run(hands) }
            try await bench.run()
            try await Self.expectDelivered(bench, Set(contents))
            #expect(bench.calls(.openSession) <= 1, "\(bench.log)")
        }

        @Test func `the answer to a request without a file says as much as any`() async throws {
            let bench = Self.bench()
            bench.write("a.csv", "one")
            bench.remote.change { $0.imports.falseMD5 = .md5(of: [0]) }
            let isMended = Flag()
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                if operation == .withdraw, isMended.raisesFirst() { remote.change { $0.imports = ImportPlan() } }
            }
            try await bench.run(hands)
            try await Self.expectDelivered(bench, [Array("one".utf8)])
            #expect(bench.calls(.withdraw) == 1 && bench.calls(.openSession) == 1)
        }
    }
}
