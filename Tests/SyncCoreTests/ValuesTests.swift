import SyncCore
import SyncTestSupport
import Testing

@Suite struct DigestTests {
    @Test func readsAndWritesHex() throws {
        let digest = try #require(Digest(hex: "00ffA0"))
        #expect(digest.bytes == [0, 255, 160])
        #expect(digest.hex == "00ffa0" && digest.description == "00ffa0")
        #expect(Digest(hex: "") == Digest(bytes: []))
    }

    @Test(arguments: ["0", "0g", "0x", "é", "00 0", "-1", "+1"])
    func refusesWhatIsNotHex(text: String) {
        #expect(Digest(hex: text) == nil)
    }

    @Test func isTheSameAgainThroughHex() {
        var random = SeededRandom()
        for count in 0..<40 {
            let digest = Digest(bytes: random.bytes(count))
            #expect(Digest(hex: digest.hex) == digest, "seed \(random.seed)")
        }
    }
}

@Suite struct RelativePathTests {
    @Test(arguments: ["a", "a/b", "a b", "...", ".a", "a..b", "..a/b", "\n", "é"])
    func acceptsNamesBelowAFolder(text: String) {
        #expect(RelativePath(text)?.text == text)
    }

    @Test(arguments: ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\0b"])
    func refusesWhatCouldLeaveTheFolder(text: String) {
        #expect(RelativePath(text) == nil)
    }

    @Test func keepsBytesThatAreNotText() throws {
        let path = try #require(RelativePath(bytes: [0x63, 0xE9, 0x2F, 0xFF]))
        #expect(path.text == nil)
        #expect(path.name.elementsEqual([0xFF]))
        #expect(path.components.count == 2)
        #expect(path.description == #"c\xe9/\xff"#)
    }

    @Test func appendsOneNameOrMore() {
        #expect(RelativePath("a")?.appending(Array("b.csv".utf8))?.text == "a/b.csv")
        #expect(RelativePath("a")?.appending(Array("..".utf8)) == nil)
        #expect(RelativePath("a")?.appending([]) == nil)
    }

    @Test func twoSpellingsOfOneLetterAreTwoPaths() {
        #expect(RelativePath("\u{E9}") != RelativePath("e\u{301}"))
    }

    @Test(arguments: [
        ("a\nb", #"a\x0ab"#), ("a\u{1B}[31m", #"a\x1b[31m"#), ("a\u{202E}b", #"a\xe2\x80\xaeb"#), ("ünï", "ünï"),
        ("a\u{2028}b", #"a\xe2\x80\xa8b"#),
    ])
    func isShownWithoutWhatMovesACursor(text: String, shown: String) {
        #expect(RelativePath(text)?.description == shown)
    }

    @Test func ordersByBytes() throws {
        let upper = try #require(RelativePath("Z"))
        let lower = try #require(RelativePath("a"))
        #expect(upper < lower)
    }
}

@Suite struct SecretTests {
    private let secret = Secret("bearer-abc")

    @Test func showsNothingHoweverItIsPrinted() {
        var dumped = ""
        dump(Sample.session(), to: &dumped)
        var own = ""
        dump(secret, to: &own)
        let shown = [
            secret.description, secret.debugDescription, "\(secret)", String(describing: secret),
            String(reflecting: secret), "\(Optional(secret) as Any)", "\([secret])", "\(["key": secret])", dumped, own,
            "\(Sample.session())", String(reflecting: Sample.delivery(.opening)),
            "\(Mirror(reflecting: secret).children.map { $0 })",
        ]
        for text in shown {
            #expect(!text.contains("bearer-abc") && !text.contains("secret=1"), "\(text)")
        }
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }

    @Test func failuresOfASessionShowNoSecret() {
        let row = Sample.delivery(.transferring(Sample.session(), .none))
        for kind in Failure.Kind.all {
            let decision = row.decide(on: .effectFailed(Sample.failure(kind)), in: Sample.context())
            #expect(!decision.note.contains("storage.example"))
        }
    }

    @Test func isThereForTheRequestAndTheDatabase() {
        #expect(secret.revealed == "bearer-abc")
        #expect(secret == Secret("bearer-abc") && secret != Secret("other"))
    }
}

@Suite struct MomentTests {
    private static let ends: [Int64] = [.min, .min + 1, -1, 0, 1, .max - 1, .max]

    @Test func differencesSaturateOnTheirOwnSide() {
        for left in Self.ends {
            for right in Self.ends {
                let wall = Timestamp(milliseconds: left).since(Timestamp(milliseconds: right))
                #expect((wall > .zero) == (left > right) && (wall < .zero) == (left < right), "\(left) since \(right)")
                let run = MonotonicInstant(run: 1, nanoseconds: left).since(
                    MonotonicInstant(run: 1, nanoseconds: right))
                #expect(run.map { ($0 > .zero) == (left > right) && ($0 < .zero) == (left < right) } == true)
            }
        }
    }

    @Test func advancingSaturatesOnItsOwnSide() {
        let instant = MonotonicInstant(run: 1, nanoseconds: 0)
        #expect(instant.advanced(by: .seconds(Int64.max)).nanoseconds == .max)
        #expect(MonotonicInstant(run: 1, nanoseconds: .max).advanced(by: .nanoseconds(1)).nanoseconds == .max)
        #expect(MonotonicInstant(run: 1, nanoseconds: .min).advanced(by: .nanoseconds(-1)).nanoseconds == .min)
        #expect(instant.advanced(by: .milliseconds(1500)).nanoseconds == 1_500_000_000)
        for (now, next) in [(0, 10), (1, 10), (9, 10), (10, 20), (-1, 0), (-10, 0)] as [(Int64, Int64)] {
            let found = MonotonicInstant(run: 1, nanoseconds: now).next(multipleOf: .nanoseconds(10))
            #expect(found.nanoseconds == next)
        }
        #expect(MonotonicInstant(run: 1, nanoseconds: .max).next(multipleOf: .seconds(10)).nanoseconds == .max)
    }

    @Test func instantsOfTwoRunsAreNotCompared() {
        let first = MonotonicInstant(run: 1, nanoseconds: 5)
        let second = MonotonicInstant(run: 2, nanoseconds: 9)
        #expect(second.reached(first) == nil && second.since(first) == nil)
        #expect(first.reached(first) == true)
        #expect(MonotonicInstant(run: 1, nanoseconds: 4).reached(first) == false)
    }

    private static let durations: [(Duration, Int64)] = [
        (Duration.zero, 0), (.nanoseconds(7), 7), (.seconds(-1), -1_000_000_000), (.seconds(Int64.max), .max),
        (.seconds(Int64.min), .min), (.nanoseconds(Int64.max), .max), (.nanoseconds(Int64.min), .min),
    ]

    @Test(arguments: durations)
    func durationsAreHeldToWhatAnIntegerCanSay(duration: Duration, nanoseconds: Int64) {
        #expect(duration.saturatingNanoseconds == nanoseconds)
        #expect(duration.saturatingMilliseconds == nanoseconds / 1_000_000)
    }
}

@Suite struct RetryPolicyTests {
    private let policy = RetryPolicy()

    @Test(arguments: [
        (1, 1), (2, 2), (3, 4), (5, 16), (7, 60), (8, 60), (1000, 60), (.max, 60), (0, 1), (-5, 1), (.min, 1),
    ])
    func theLongestWaitDoublesUpToItsCap(failures: Int, seconds: Int) {
        #expect(policy.delay(afterFailures: failures, jitter: 1, retryAfter: nil) == .seconds(seconds))
        #expect(policy.delay(afterFailures: failures, jitter: 0, retryAfter: nil) == .zero)
    }

    @Test func everyDrawLiesBetweenNothingAndTheLongest() {
        var random = SeededRandom()
        for failures in 1..<40 {
            let drawn = policy.delay(
                afterFailures: failures, jitter: Double.random(in: 0..<1, using: &random), retryAfter: nil)
            let longest = policy.delay(afterFailures: failures, jitter: 1, retryAfter: nil)
            #expect(drawn >= .zero && drawn <= longest && longest <= .seconds(60), "seed \(random.seed)")
        }
    }

    @Test(arguments: [Double.nan, -.infinity, .infinity, -1, 2, .greatestFiniteMagnitude])
    func noDrawIsEverOutOfBounds(jitter: Double) {
        let drawn = policy.delay(afterFailures: 3, jitter: jitter, retryAfter: nil)
        #expect(drawn >= .zero && drawn <= .seconds(4))
    }

    @Test func theServersWishIsKeptWithinAnHour() {
        #expect(policy.delay(afterFailures: 1, jitter: 0, retryAfter: .seconds(7)) == .seconds(7))
        #expect(policy.delay(afterFailures: 1, jitter: 1, retryAfter: .seconds(7)) == .seconds(8))
        #expect(policy.delay(afterFailures: 1, jitter: 0, retryAfter: .seconds(1_000_000_000)) == .seconds(3600))
        #expect(policy.delay(afterFailures: 2, jitter: 1, retryAfter: .seconds(-9)) == .seconds(2))
        #expect(policy.delay(afterFailures: 2, jitter: 1, retryAfter: .zero) == .seconds(2))
    }
}

@Suite struct ChunkPlanTests {
    private let granule = ChunkPlan.granule

    @Test func chunksCoverEveryFileOnceAndEndOnTheGrid() {
        var random = SeededRandom()
        let sizes: [Int64] =
            [0, 1, granule - 1, granule, granule + 1, 2 * granule, 4 * granule, 4 * granule + 1, 7 * granule - 1]
            + (0..<40).map { _ in Int64.random(in: 0...(64 * granule), using: &random) }
        for size in sizes {
            for chunk in [granule, 2 * granule, 3 * granule, 300 << 10, 1, 64 << 20] {
                var offset: Int64 = 0
                var chunks = 0
                while true {
                    let range = ChunkPlan.next(confirmed: offset, total: size, chunkSize: chunk)
                    guard !range.isEmpty else { break }
                    #expect(range.lowerBound == offset && range.upperBound <= size)
                    #expect(range.upperBound == size || range.upperBound.isMultiple(of: granule))
                    #expect(range.count <= max(chunk, granule))
                    offset = range.upperBound
                    chunks += 1
                }
                #expect(offset == size, "seed \(random.seed), size \(size), chunk \(chunk)")
                #expect(chunks <= size / granule + 1)
            }
        }
    }

    @Test func anOddStartGoesBackToTheGrid() {
        let first = ChunkPlan.next(confirmed: 100, total: 10 * granule, chunkSize: 2 * granule)
        #expect(first == 100..<2 * granule)
        #expect(
            ChunkPlan.next(confirmed: granule - 1, total: 10 * granule, chunkSize: granule) == granule - 1..<granule)
    }

    @Test func absurdNumbersGiveARangeAndNoTrap() {
        let numbers: [Int64] = [.min, -1, 0, 1, granule, .max - 1, .max]
        for confirmed in numbers {
            for total in numbers {
                for chunk in numbers {
                    let range = ChunkPlan.next(confirmed: confirmed, total: total, chunkSize: chunk)
                    #expect(range.lowerBound >= 0 && range.upperBound <= max(total, 0))
                }
            }
        }
    }
}
