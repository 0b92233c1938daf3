import SyncCore
import Testing

struct HostGateTests {
    private static let down = Failure(.transient, scope: .agent, "no connection")
    private static let busy = Failure(.throttled, scope: .agent, "patience", retryAfter: .seconds(30))

    private static func instant(_ milliseconds: Int64) -> MonotonicInstant {
        MonotonicInstant(run: 1, nanoseconds: milliseconds * 1_000_000)
    }

    /// `#expect` does not take what changes the gate.
    private func expect<Value: Equatable>(
        _ value: Value, _ wanted: Value, at place: SourceLocation = #_sourceLocation
    ) {
        #expect(value == wanted, sourceLocation: place)
    }

    /// Closed at 0 by three misses; the next probe is due at 500 ms.
    private static func closedGate() -> HostGate {
        var gate = HostGate()
        for _ in 0..<HostGate.missesToClose { _ = gate.failed(down, as: .free, at: instant(0), jitter: 0.5) }
        return gate
    }

    @Test func `single misses between answers leave it open`() {
        var gate = HostGate()
        for _ in 0..<20 {
            expect(gate.failed(Self.down, as: .free, at: Self.instant(0), jitter: 0.5), false)
            expect(gate.failed(Self.down, as: .free, at: Self.instant(0), jitter: 0.5), false)
            expect(gate.answered(), false)
        }
        #expect(gate.nextProbe == nil)
        expect(gate.pass(at: Self.instant(1)), .free)
    }

    @Test func `misses in a row close it, and one probe at a time goes out`() {
        var gate = Self.closedGate()
        #expect(gate.nextProbe == Self.instant(500))
        expect(gate.pass(at: Self.instant(499)), .closed(until: Self.instant(500)))
        expect(gate.pass(at: Self.instant(500)), .probe)
        #expect(gate.isProbing)
        expect(gate.pass(at: Self.instant(60_000)), .closed(until: Self.instant(500)))
    }

    @Test func `probes go out ever more rarely, and at least once a minute`() {
        var gate = Self.closedGate()
        var now: Int64 = 500
        var rests: [Int64] = []
        for _ in 0..<10 {
            expect(gate.pass(at: Self.instant(now)), .probe)
            _ = gate.failed(Self.down, as: .probe, at: Self.instant(now), jitter: 0.999)
            let next = (gate.nextProbe?.nanoseconds ?? 0) / 1_000_000
            rests.append(next - now)
            now = next
        }
        #expect(rests == rests.sorted())
        #expect(rests.last.map { $0 > 59_000 && $0 <= 60_000 } == true, "\(rests)")
    }

    @Test func `any answer opens it, also one to a request from before`() {
        var probed = Self.closedGate()
        _ = probed.pass(at: Self.instant(500))
        expect(probed.answered(), true)
        expect(probed.pass(at: Self.instant(501)), .free)
        var late = Self.closedGate()
        expect(late.answered(), true)
        #expect(late.nextProbe == nil)
    }

    @Test func `patience that is asked for closes it at once, and is waited out`() {
        var gate = HostGate()
        expect(gate.failed(Self.busy, as: .free, at: Self.instant(0), jitter: 0), true)
        expect(gate.pass(at: Self.instant(29_999)), .closed(until: Self.instant(30_000)))
        expect(gate.pass(at: Self.instant(30_000)), .probe)
    }

    @Test func `what failed from before the gate closed does not put off the probe`() {
        var gate = Self.closedGate()
        expect(gate.failed(Self.down, as: .free, at: Self.instant(400), jitter: 0.99), false)
        #expect(gate.nextProbe == Self.instant(500))
        // But what the host asks for does.
        expect(gate.failed(Self.busy, as: .free, at: Self.instant(400), jitter: 0), false)
        #expect(gate.nextProbe == Self.instant(30_400))
    }

    @Test func `a probe that came to nothing for a reason of ours makes way for another`() {
        var gate = Self.closedGate()
        expect(gate.pass(at: Self.instant(500)), .probe)
        gate.gaveUp(as: .probe)
        expect(gate.pass(at: Self.instant(501)), .probe)
    }

    @Test func `full jitter that draws nothing still rests`() {
        var gate = HostGate()
        for _ in 0..<HostGate.missesToClose { _ = gate.failed(Self.down, as: .free, at: Self.instant(0), jitter: 0) }
        #expect(gate.nextProbe == Self.instant(200))
    }
}
