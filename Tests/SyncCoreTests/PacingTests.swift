import SyncTestSupport
import Testing

@testable import SyncCore

/// A server that counts, and clients that ask it; time is a number here.
private struct PacedServer {
    enum Kind: Hashable, CaseIterable {
        /// 60 s from the first request of each.
        case windows
        /// The older page's 100 s.
        case longWindows
        /// 60 s by the server's clock, told with `Reset`.
        case toldWindows
        /// One more every so often, up to the limit.
        case bucket
    }

    let kind: Kind
    let limit: Int
    var start: Duration?
    var left: Double
    var last = Duration.zero
    var refusals = 0
    var least: Int

    init(_ kind: Kind, limit: Int) {
        (self.kind, self.limit) = (kind, limit)
        (left, least) = (Double(limit), limit)
    }

    private var length: Duration { kind == .longWindows ? .seconds(100) : .seconds(60) }

    mutating func answer(at now: Duration) -> RateLimitReport {
        switch kind {
        case .windows, .longWindows:
            if start.map({ now - $0 >= length }) ?? true { (start, left) = (now, Double(limit)) }
        case .toldWindows:
            let began = Duration.seconds(now.components.seconds / 60 * 60)
            if start != began { (start, left) = (began, Double(limit)) }
        case .bucket:
            left = min(Double(limit), left + (now - last) / length * Double(limit))
            last = now
        }
        guard left >= 1 else {
            refusals += 1
            return RateLimitReport(limit: limit, remaining: 0, reset: .seconds(30), isRefusal: true)
        }
        left -= 1
        least = min(least, Int(left))
        return RateLimitReport(
            limit: limit, remaining: Int(left),
            reset: kind == .toldWindows ? .seconds(60 - now.components.seconds % 60) : nil)
    }
}

@Suite struct PacingTests {
    /// Sends `count` requests, `parallel` at once, each answered after `latency`.
    /// - Returns: how long it took.
    private static func send(
        _ count: Int, parallel: Int, latency: Duration, _ pacing: inout Pacing,
        to answer: (Duration) -> RateLimitReport?
    ) -> Duration {
        var now = Duration.zero
        /// When each sender is free again, and the answer it then gets.
        var senders: [(free: Duration, report: RateLimitReport??, waitsSince: Duration)] = Array(
            repeating: (.zero, nil, .zero), count: parallel)
        var sent = 0
        var rounds = 0
        while sent < count, rounds < 10_000_000 {
            rounds += 1
            guard let index = senders.indices.min(by: { senders[$0].free < senders[$1].free }) else { break }
            now = max(now, senders[index].free)
            if let report = senders[index].report {
                pacing.answered(report, at: now)
                senders[index].report = nil
                senders[index].waitsSince = now
            }
            switch pacing.turn(at: now, waited: now - senders[index].waitsSince) {
            case .go:
                sent += 1
                senders[index].report = .some(answer(now))
                senders[index].free = now + latency
            case .wait(let time):
                senders[index].free = now + max(time, .milliseconds(1))
            }
        }
        return now
    }

    @Test(arguments: PacedServer.Kind.allCases, [1, 5, 12])
    private func noRequestIsRefusedAndAFifthIsLeft(kind: PacedServer.Kind, parallel: Int) {
        for limit in [100, 1000] {
            var server = PacedServer(kind, limit: limit)
            var pacing = Pacing()
            let took = Self.send(4 * limit, parallel: parallel, latency: .milliseconds(30), &pacing) {
                server.answer(at: $0)
            }
            #expect(server.refusals == 0, "limit \(limit)")
            // Where a window's length is not told, a few requests have gone to see whether it has ended.
            // Late in a long window those go too that have waited for long enough.
            let spared = limit / 5 - (kind == .longWindows ? 4 + parallel : 0)
            #expect(server.least >= spared, "limit \(limit): \(server.least) left")
            // Four fifths of four windows, and what was found out late.
            let length = kind == .longWindows ? 100 : 60
            #expect(took <= .seconds(length * 6), "limit \(limit): \(took)")
        }
    }

    @Test func whatIsWellWithinTheLimitDoesNotWait() {
        var server = PacedServer(.windows, limit: 1000)
        var pacing = Pacing()
        let took = Self.send(400, parallel: 4, latency: .milliseconds(10), &pacing) { server.answer(at: $0) }
        #expect(took <= .seconds(1))
    }

    @Test func aServerThatTellsNoLimitIsNotWaitedFor() {
        var pacing = Pacing()
        let took = Self.send(10_000, parallel: 4, latency: .milliseconds(4), &pacing) { _ in nil }
        #expect(took <= .seconds(11))
    }

    @Test(
        "impossible values do no harm",
        arguments: [
            (0, 0), (-1, -1), (0, 5), (.max, 0), (.min, .min), (.max, .max), (1000, .max), (1000, -5), (1000, 0),
            (1, 0),
            (1, 1), (2, 0),
        ])
    func absurd(limit: Int, remaining: Int) {
        for reset: Duration? in [nil, .zero, .seconds(-1), .seconds(Int64.max / 4), .seconds(1_000_000)] {
            var pacing = Pacing()
            let report = RateLimitReport(limit: limit, remaining: remaining, reset: reset)
            let took = Self.send(200, parallel: 3, latency: .milliseconds(10), &pacing) { _ in report }
            // However little is said to be left, requests that are carried out show that it is not so.
            #expect(took <= .seconds(130), "\(limit), \(remaining), \(String(describing: reset)): \(took)")
        }
    }

    @Test func aRefusalIsWaitedOut() {
        var pacing = Pacing()
        #expect(pacing.turn(at: .zero, waited: .zero) == .go)
        pacing.answered(.init(limit: 100, remaining: 0, reset: .seconds(20), isRefusal: true), at: .seconds(1))
        #expect(pacing.turn(at: .seconds(1), waited: .zero) == .wait(.seconds(20)))
        #expect(pacing.turn(at: .seconds(21), waited: .seconds(20)) == .go)
    }

    @Test func nobodyWaitsForLongerThan75Seconds() {
        var pacing = Pacing()
        #expect(pacing.turn(at: .zero, waited: .zero) == .go)
        pacing.answered(.init(limit: 100, remaining: 0, reset: .seconds(100_000), isRefusal: true), at: .zero)
        #expect(pacing.turn(at: .seconds(74), waited: .seconds(74)) == .wait(.seconds(1)))
        #expect(pacing.turn(at: .seconds(75), waited: .seconds(75)) == .go)
    }

    @Test func anOutageIsNotCounted() {
        var pacing = Pacing()
        for second in 0..<10_000 {
            #expect(pacing.turn(at: .seconds(second), waited: .zero) == .go)
            pacing.unanswered()
        }
    }

    // MARK: A fixed rate

    @Test func aFixedRateIsKept() {
        var pacing = Pacing(.every(.milliseconds(200)))
        var times: [Duration] = []
        // What the server tells has no say then.
        let took = Self.send(300, parallel: 7, latency: .milliseconds(5), &pacing) { now in
            times.append(now)
            return RateLimitReport(limit: 10, remaining: 0)
        }
        #expect(took >= .milliseconds(200 * 299) && took <= .seconds(61))
        #expect(zip(times, times.dropFirst()).allSatisfy { $1 - $0 >= .milliseconds(200) })
    }

    @Test func theRateChangesWhileRequestsGo() {
        var pacing = Pacing(.every(.seconds(6)))
        #expect(pacing.turn(at: .zero, waited: .zero) == .go)
        #expect(pacing.turn(at: .zero, waited: .zero) == .wait(.seconds(6)))
        pacing.follow(.every(.seconds(1)))
        #expect(pacing.turn(at: .zero, waited: .zero) == .go)
        #expect(pacing.turn(at: .zero, waited: .zero) == .wait(.seconds(1)))
        pacing.follow(.auto)
        #expect(pacing.turn(at: .zero, waited: .zero) == .go)
        pacing.follow(.every(.seconds(1_000_000)))
        #expect(pacing.turn(at: .zero, waited: .zero) == .go)
        #expect(pacing.turn(at: .zero, waited: .zero) == .wait(RequestRate.slowest))
    }
}
