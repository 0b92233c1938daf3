import SyncCore
import SyncTestSupport
import Synchronization
import Testing

@testable import SyncEngine

@Suite(.timeLimit(.minutes(1))) struct WorkBellTests {
    /// Counts who asks for the time.
    private final class CountingClock: SyncClock {
        let inner = ManualClock(run: 1)
        let reads = Mutex(0)

        func now() -> Moment {
            reads.withLock { $0 += 1 }
            return inner.now()
        }

        func sleep(for duration: Duration) async throws { try await inner.sleep(for: duration) }

        /// Once so many have fallen asleep.
        func reached(_ count: Int) async {
            while inner.fallenAsleep < count { await Task.yield() }
        }
    }

    private let clock = CountingClock()
    private let bell = WorkBell()

    private func waiting(_ timeout: Duration) -> Task<Void, Never> {
        Task { await bell.wait(atMost: timeout, on: clock) }
    }

    @Test func aRingWhileNobodyWaitsIsKeptOnce() async {
        await bell.ring()
        await bell.ring()
        await bell.wait(atMost: .seconds(60), on: clock)
        let second = waiting(.seconds(60))
        await clock.reached(1)
        clock.inner.advance(by: .seconds(60))
        await second.value
    }

    @Test func whoWaitsIsToldWhetherItWasRung() async {
        await bell.ring()
        #expect(await bell.wait(atMost: .seconds(60), on: clock))
        let timed = Task { await bell.wait(atMost: .seconds(60), on: clock) }
        await clock.reached(1)
        clock.inner.advance(by: .seconds(60))
        #expect(await timed.value == false)
        let rung = Task { await bell.wait(atMost: .seconds(60), on: clock) }
        await clock.reached(2)
        await bell.ring()
        #expect(await rung.value)
    }

    @Test func manyWaitsShareOneTimer() async {
        for _ in 0..<100 {
            let wait = waiting(.seconds(30))
            await clock.reached(1)
            // Kept where the wait has yet to begin: it ends all the same.
            await bell.ring()
            await wait.value
        }
        #expect(clock.inner.fallenAsleep == 1)
    }

    @Test func aTimerOfAnEarlierWaitEndsNoLaterOneTooSoon() async {
        let first = waiting(.seconds(30))
        await clock.reached(1)
        await bell.ring()
        await first.value
        clock.inner.advance(by: .seconds(20))
        let isOver = Mutex(false)
        let second = Task {
            await bell.wait(atMost: .seconds(30), on: clock)
            isOver.withLock { $0 = true }
        }
        // The first wait, its timer, and now this one: else the timer would find nobody waiting, and end.
        while clock.reads.withLock({ $0 }) < 3 { await Task.yield() }
        clock.inner.advance(by: .seconds(10))
        await clock.reached(2)
        #expect(!isOver.withLock { $0 })
        clock.inner.advance(by: .seconds(20))
        await second.value
    }

    @Test func aShorterWaitGetsATimerOfItsOwn() async {
        let first = waiting(.seconds(30))
        await clock.reached(1)
        await bell.ring()
        await first.value
        let second = waiting(.seconds(1))
        await clock.reached(2)
        clock.inner.advance(by: .seconds(1))
        await second.value
    }

    @Test func whoIsCancelledWaitsNoLonger() async {
        let first = waiting(.seconds(30))
        await clock.reached(1)
        first.cancel()
        await first.value
        let second = waiting(.seconds(30))
        await clock.reached(2)
        clock.inner.advance(by: .seconds(30))
        await second.value
    }
}
