import SyncCore
import Testing

@testable import LocalFiles

@Suite("The system clock")
struct SystemClockTests {
    @Test func theMonotonicClockDoesNotGoBackAndCarriesItsRun() {
        var generator = SeededGenerator(seed: 1)
        let clock = SystemClock(drawingRunFrom: &generator)
        let first = clock.now()
        let second = clock.now()
        var same = SeededGenerator(seed: 1)
        #expect(first.monotonic.run == same.next())
        #expect(second.monotonic.reached(first.monotonic) == true)
        #expect(first.wall > Timestamp(milliseconds: 1_700_000_000_000))
    }

    @Test func aSleepOfNothingReturnsAndACancelledOneEnds() async throws {
        let clock = SystemClock(run: 1)
        try await clock.sleep(for: .zero)
        try await clock.sleep(for: .seconds(-5))
        // As long as a duration can be: must neither overflow nor be waited for.
        let sleeper = Task { try await clock.sleep(for: .seconds(Int64.max)) }
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
    }

    @Test func aShortSleepLastsAtLeastAsLong() async throws {
        let clock = SystemClock(run: 1)
        let start = clock.now().monotonic
        try await clock.sleep(for: .milliseconds(5))
        #expect(clock.now().monotonic.reached(start.advanced(by: .milliseconds(5))) == true)
    }
}
