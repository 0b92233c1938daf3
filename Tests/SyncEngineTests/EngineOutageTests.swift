import SyncCore
import SyncTestSupport
import Synchronization
import Testing

@testable import SyncEngine

extension Engine {
    /// What lasts: hosts that are away for days (T-22, T-23).
    @Suite struct OutageTests {
        private static let files = 200

        private static func bench() -> EngineBench {
            let bench = EngineBench([EngineBench.mapping(watch: .poll, poll: .seconds(3600))])
            for index in 0..<files { bench.write("\(index).csv", "content \(index)") }
            return bench
        }

        /// When what was asked, in seconds since the start.
        private final class Requests: Sendable {
            private let state = Mutex<[(at: Double, operation: RemoteOperation)]>([])

            func note(_ operation: RemoteOperation, at instant: MonotonicInstant) {
                state.withLock { $0.append((Double(instant.nanoseconds) / 1e9, operation)) }
            }

            func count(in seconds: Range<Double>) -> Int { state.withLock { $0.count { seconds.contains($0.at) } } }
            func first(after second: Double) -> Double? { state.withLock { $0.first { $0.at > second }?.at } }
        }

        /// Time goes to the next sleeper at once, up to a minute: what takes none is over by then.
        @Test(arguments: [
            (Failure(.transient, scope: .agent, "the name redivis.com cannot be resolved"), 72.0),
            (Failure(.transient, "Redivis answered 502"), 2.0),
            (Failure(.transient, "a web page (200) answered in the place of Redivis"), 2.0),
        ])
        func `T-23: after an outage everything goes on by itself`(_ failure: Failure, hours: Double) async throws {
            let bench = Self.bench()
            let requests = Requests()
            let end = hours * 3600
            var hands = EngineBench.Hands()
            var jitter = SeededRandom(seed: 23)
            let draws = Mutex((0..<4096).map { _ in Double.random(in: 0..<1, using: &jitter) })
            hands.random = {
                draws.withLock { draws in
                    draws.append(draws.removeFirst()); return draws.last ?? 0
                }
            }
            hands.beforeRemote = CallHook { operation, _ throws(Failure) in
                let now = bench.clock.now().monotonic
                requests.note(operation, at: now)
                if Double(now.nanoseconds) / 1e9 < end { throw failure }
            }
            try await bench.runAgent(hands, for: .seconds(end + 3600), step: .seconds(60))
            #expect(Set(bench.contents()).count == Self.files && bench.contents().count == Self.files, "\(bench.log)")
            let back = try #require(requests.first(after: end))
            #expect(back - end <= 61, "the first request came \(back - end) s after the end")
            // One probe at a time, half a minute apart on average; the files do not count.
            let asked = requests.count(in: 600..<end)
            #expect(asked <= Int((end - 600) / 60 * 4), "\(asked) requests")
            #expect(asked >= Int((end - 600) / 60), "\(asked) requests")
        }

        /// A network that drops everything lets each question hang; others than the dispatcher ask, too.
        @Test func `T-23: nobody spins while somebody's question hangs`() async throws {
            let bench = Self.bench()
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { operation, _ throws(Failure) in
                try? await bench.clock.sleep(for: .seconds(120))
                throw Failure(.transient, scope: .agent, "127.0.0.1 does not answer")
            }
            try await bench.runAgent(hands, for: .seconds(3600), step: .seconds(1))
            for (service, count) in bench.signs {
                #expect(count <= 2 * 3600, "\(service) went through its loop \(count) times in an hour")
            }
        }

        @Test func `T-22: patience that is asked for holds for every worker`() async throws {
            let bench = Self.bench()
            let requests = Requests()
            let busy = Failure(.throttled, scope: .agent, "Redivis answered 429", retryAfter: .seconds(600))
            var hands = EngineBench.Hands()
            let told = Flag()
            hands.beforeRemote = CallHook { operation, _ throws(Failure) in
                requests.note(operation, at: bench.clock.now().monotonic)
                if operation == .register, told.raisesFirst() { throw busy }
            }
            try await bench.runAgent(hands, for: .seconds(3600), step: .milliseconds(100))
            #expect(Set(bench.contents()).count == Self.files && bench.contents().count == Self.files, "\(bench.log)")
            // What was under way when it was said may have asked once more; nobody else did.
            #expect(requests.count(in: 20..<590) == 0)
        }
    }
}
