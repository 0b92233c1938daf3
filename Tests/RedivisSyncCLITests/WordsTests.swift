import SyncCore
import SyncTestSupport
import Testing

@testable import RedivisSyncCLI

@Suite struct WordsTests {
    @Test(
        arguments: [
            (0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1_048_524, "1023.9 KiB"),
            (1_048_575, "1.0 MiB"), (5 << 30, "5.0 GiB"), (-3, "0 B"), (.max, "8192.0 PiB"), (.min, "0 B"),
        ] as [(Int64, String)])
    func bytes(count: Int64, text: String) { #expect(Words.bytes(count) == text) }

    @Test(arguments: [
        (0, "0 files"), (1, "1 file"), (999, "999 files"), (1000, "1,000 files"), (1_234_567, "1,234,567 files"),
        (-1234, "-1,234 files"),
    ])
    func counts(number: Int, text: String) { #expect(Words.count(number, "file") == text) }

    @Test func aPluralOfItsOwn() { #expect(Words.count(2, "entry", "entries") == "2 entries") }

    @Test(
        arguments: [
            (0, "0 s", "0 s", "0:00"), (31, "31 s", "31 s", "0:31"), (300, "5 min", "5 min", "5:00"),
            (7200, "2 h", "2 h", "2:00:00"),
            (3723, "1 h 2 min", "1 h", "1:02:03"), (90_000, "1 d 1 h", "1 d", "25:00:00"), (-5, "0 s", "0 s", "0:00"),
        ] as [(Int64, String, String, String)])
    func durations(seconds: Int64, whole: String, age: String, clock: String) {
        #expect(Words.duration(.seconds(seconds)) == whole)
        #expect(Words.age(.seconds(seconds)) == age)
        #expect(Words.clock(seconds: seconds) == clock)
    }

    @Test func times() {
        #expect(Words.time(Given.moment) == "2026-03-01 09:30:12Z")
        #expect(Words.isoTime(Given.moment) == "2026-03-01T09:30:12.345Z")
    }

    /// Stored rows may hold anything.
    @Test(arguments: [Int64.min, .max, 0, -1])
    func noTimeOfARowTraps(milliseconds: Int64) {
        #expect(!Words.time(Timestamp(milliseconds: milliseconds)).isEmpty)
        #expect(!Words.isoTime(Timestamp(milliseconds: milliseconds)).isEmpty)
    }
}

@Suite struct RateMeterTests {
    @Test func tellsTheRateOfTheLastSeconds() {
        var meter = RateMeter()
        #expect(meter.bytesPerSecond == 0)
        meter.note(0, at: .zero)
        meter.note(1000, at: .seconds(1))
        #expect(meter.bytesPerSecond == 1000)
        for second in 2...20 { meter.note(1000 + Int64(second - 1) * 4000, at: .seconds(second)) }
        #expect(abs(meter.bytesPerSecond - 4000) < 1, "what lies further back than the window does not count")
    }

    @Test func aStillLineComesToNothing() {
        var meter = RateMeter()
        for second in 0...20 { meter.note(5000, at: .seconds(second)) }
        #expect(meter.bytesPerSecond == 0)
        #expect(meter.seconds(for: 1) == nil)
    }

    @Test func aCountThatFallsBeginsAnew() {
        var meter = RateMeter()
        meter.note(9000, at: .zero)
        meter.note(10, at: .seconds(1))
        meter.note(110, at: .seconds(2))
        #expect(meter.bytesPerSecond == 100)
    }

    @Test func tellsTheTimeLeft() {
        var meter = RateMeter()
        meter.note(0, at: .zero)
        meter.note(100, at: .seconds(1))
        #expect(meter.seconds(for: 1000) == 10)
        #expect(meter.seconds(for: 1) == 1)
        #expect(meter.seconds(for: -5) == 0)
        #expect(meter.seconds(for: .max) == nil, "beyond days there is nothing to say")
    }
}

@Suite struct ShellWordTests {
    @Test(
        arguments: [
            (Array("/data/a-b_c.csv".utf8), "/data/a-b_c.csv"), (Array("/data/a b.csv".utf8), "'/data/a b.csv'"),
            (Array("it's".utf8), "'it'\\''s'"), (Array("気温".utf8), "'気温'"), (Array("$(x)`".utf8), "'$(x)`'"),
            ([0x63, 0xE9, 0x31], "$'c\\3511'"), (Array("a\nb".utf8), "$'a\\012b'"), ([], "''"),
            (Array("-n".utf8), "'-n'"),
            (Array("a\u{1B}'\\".utf8), "$'a\\033\\'\\\\'"), (Array("*".utf8), "'*'"), (Array("~".utf8), "'~'"),
        ] as [([UInt8], String)])
    func quotes(bytes: [UInt8], word: String) { #expect(ShellWord.of(bytes) == word) }
}
