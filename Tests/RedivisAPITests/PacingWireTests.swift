import SyncCore
import SyncTestSupport
import Synchronization
import Testing

@testable import RedivisAPI

@Suite("The pace of requests", .timeLimit(.minutes(1)))
struct PacingWireTests {
    /// Answers everything with 404 and what `fields` says to the n-th request.
    private static func serving<Result: Sendable>(
        _ fields: @escaping @Sendable (Int) -> [String],
        _ body: @escaping @Sendable (RawServer, Int) async throws -> Result
    ) async throws -> Result {
        let count = Mutex(0)
        return try await RawServer.serve { connection in
            while true {
                _ = try await connection.head()
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                try await connection.answer("404 Not Found", fields(number), "{}")
            }
        } _: { server, port in
            try await body(server, port)
        }
    }

    private static func ask(_ remote: RedivisRemote, _ count: Int) async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<count {
                group.addTask {
                    _ = try? await remote.tableResource(ContractTests.table, as: "demo.weather.readings")
                }
            }
        }
    }

    @Test("a fixed rate is kept on the wire, and another takes its place at once")
    func fixed() async throws {
        try await Self.serving { _ in
            []
        } _: { server, port in
            try await withRemote("http://127.0.0.1:\(port)", apiRate: .every(.milliseconds(100))) { remote in
                let began = ContinuousClock.now
                await Self.ask(remote, 8)
                #expect(ContinuousClock.now - began >= .milliseconds(650))
                remote.pace(.auto)
                await Self.ask(remote, 100)
            }
            #expect(server.requests.count == 108)
        }
    }

    @Test("what the server tells is heeded, and cancelling ends a wait")
    func told() async throws {
        try await Self.serving { number in
            ["X-RateLimit-Limit: 20", "X-RateLimit-Remaining: \(max(20 - number, 0))", "X-RateLimit-Reset: 30"]
        } _: { server, port in
            try await withRemote("http://127.0.0.1:\(port)") { remote in
                // Before the first answer nothing is known of a limit.
                await Self.ask(remote, 1)
                let asking = Task { await Self.ask(remote, 60) }
                try await Task.sleep(for: .milliseconds(1500))
                #expect((10...16).contains(server.requests.count), "\(server.requests.count)")
                let began = ContinuousClock.now
                asking.cancel()
                await asking.value
                #expect(ContinuousClock.now - began < .seconds(3))
                #expect(server.requests.count <= 16)
            }
        }
    }

    @Test(
        "impossible fields slow nothing",
        arguments: [
            ["X-RateLimit-Limit: 0", "X-RateLimit-Remaining: 0"],
            ["X-RateLimit-Limit: -5", "X-RateLimit-Remaining: -5"],
            ["X-RateLimit-Limit: 1e3", "X-RateLimit-Remaining: many"], ["X-RateLimit-Limit: 1000"],
            ["X-RateLimit-Remaining: 0"],
            ["X-RateLimit-Limit: 99999999999999999999", "X-RateLimit-Remaining: 0"],
            ["X-RateLimit-Limit: 1000", "X-RateLimit-Remaining: 99999999"],
            ["X-RateLimit-Limit: 1000", "X-RateLimit-Limit: 2", "X-RateLimit-Remaining: 0"],
        ])
    func absurd(fields: [String]) async throws {
        try await Self.serving { _ in
            fields
        } _: { server, port in
            try await withRemote("http://127.0.0.1:\(port)") { remote in
                let began = ContinuousClock.now
                await Self.ask(remote, 100)
                #expect(ContinuousClock.now - began < .seconds(10))
            }
            #expect(server.requests.count == 100)
        }
    }

    @Test(
        "the end of a window in every spelling",
        arguments: [
            ("30", Duration.seconds(30)), ("1700000030", .seconds(30)), ("1700000030000", .seconds(30)),
            ("Tue, 14 Nov 2023 22:13:50 GMT", .seconds(30)), ("0", nil), ("-1", nil), ("soon", nil),
            ("999999999999999999999", nil),
        ] as [(String, Duration?)])
    func reset(text: String, reset: Duration?) throws {
        let fields = [("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "3"), ("X-RateLimit-Reset", text)]
        let report = try #require(RateLimitReport(WebAnswer(200, fields), now: someTime))
        #expect(report == RateLimitReport(limit: 10, remaining: 3, reset: reset))
        let refused = try #require(
            RateLimitReport(WebAnswer(429, fields + [("Retry-After", "7")]), now: someTime))
        #expect(refused.isRefusal && refused.reset == .seconds(7))
    }
}
