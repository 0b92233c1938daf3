import SyncCore
import Testing

/// The decision table of `SettlePolicy.judge`.
@Suite("Settling")
struct SettlingTests {
    static let observed = FileObservation(device: 1, inode: 2, size: 3, modified: 4, changed: 5)

    static func instant(_ seconds: Int64, run: UInt64 = 1) -> MonotonicInstant {
        MonotonicInstant(run: run, nanoseconds: seconds * 1_000_000_000)
    }

    static func file(
        quietSince: MonotonicInstant, _ observation: FileObservation = observed, isRewritten: Bool = false
    ) throws -> SettlingFile {
        SettlingFile(
            mapping: try #require(MappingID("weather")), path: try #require(RelativePath("a.csv")),
            observation: observation, quietSince: quietSince, isExisting: true, isRewritten: isRewritten)
    }

    static func look(_ writers: WriterProbe, _ observation: FileObservation = observed) -> FileLook {
        FileLook(observation: observation, links: 1, writers: writers)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        var quiet: Int64 = 30
        var waits = true
        var quietFor: Int64
        let writers: WriterProbe
        /// `nil`: settled. Else when to look again, in seconds from now, and whether the quiet time begins anew.
        let verdict: (again: Int64, fresh: Bool)?

        var testDescription: String { name }
    }

    static let rows: [Row] = [
        Row(name: "quiet time over, nobody writes", quietFor: 30, writers: .nobody, verdict: nil),
        Row(name: "long over", quietFor: 3000, writers: .nobody, verdict: nil),
        Row(name: "one second short", quietFor: 29, writers: .nobody, verdict: (1, false)),
        Row(name: "just seen", quietFor: 0, writers: .nobody, verdict: (30, false)),
        Row(name: "no lease to be had, quiet time over", quietFor: 30, writers: .unavailable, verdict: nil),
        Row(name: "no lease to be had, short", quietFor: 10, writers: .unavailable, verdict: (20, false)),
        Row(name: "a writer begins the quiet time anew", quietFor: 3000, writers: .somebody, verdict: (30, true)),
        Row(
            name: "a writer under a short quiet time is asked about again after five seconds", quiet: 1,
            quietFor: 3000, writers: .somebody, verdict: (5, true)),
        Row(name: "writers ignored", waits: false, quietFor: 30, writers: .somebody, verdict: nil),
        Row(name: "writers ignored, short", waits: false, quietFor: 29, writers: .somebody, verdict: (1, false)),
        Row(name: "quiet zero trusts a lease", quiet: 0, quietFor: 1, writers: .nobody, verdict: nil),
        Row(
            name: "quiet zero waits without a lease", quiet: 0, quietFor: 0, writers: .unavailable, verdict: (2, false)),
        Row(name: "quiet zero without a lease, waited", quiet: 0, quietFor: 2, writers: .unavailable, verdict: nil),
        Row(name: "quiet zero waits for a writer", quiet: 0, quietFor: 9, writers: .somebody, verdict: (5, true)),
        Row(
            name: "quiet zero, writers ignored", quiet: 0, waits: false, quietFor: 1, writers: .somebody,
            verdict: (1, false)),
    ]

    @Test(arguments: rows)
    func anUnchangedFile(row: Row) throws {
        let policy = SettlePolicy(quiet: .seconds(row.quiet), waitsForWriters: row.waits)
        let now = Self.instant(100_000)
        let file = try Self.file(quietSince: Self.instant(100_000 - row.quietFor))
        let look = Self.look(row.writers)
        let expected: SettleVerdict =
            switch row.verdict {
            case nil: .settled(look)
            case (let again, let fresh)?:
                .unsettled(
                    fresh ? try Self.file(quietSince: now) : file, lookAgain: Self.instant(100_000 + again))
            }
        #expect(policy.judge(file, look: look, at: now) == expected)
    }

    static let changes: [FileObservation] = [
        FileObservation(device: 9, inode: 2, size: 3, modified: 4, changed: 5),
        FileObservation(device: 1, inode: 9, size: 3, modified: 4, changed: 5),
        FileObservation(device: 1, inode: 2, size: 9, modified: 4, changed: 5),
        FileObservation(device: 1, inode: 2, size: 3, modified: 9, changed: 5),
        // A date set back is a change like any other, and so is ctime alone: nothing is compared with "newer".
        FileObservation(device: 1, inode: 2, size: 3, modified: -9, changed: 5),
        FileObservation(device: 1, inode: 2, size: 3, modified: 4, changed: 6),
    ]

    @Test(arguments: changes, [WriterProbe.nobody, .somebody, .unavailable])
    func anyChangeBeginsTheQuietTimeAnew(change: FileObservation, writers: WriterProbe) throws {
        // Another inode or ctime alone says nothing about the content.
        let isRewritten = change.size != Self.observed.size || change.modified != Self.observed.modified
        for quiet: Int64 in [0, 1, 30] {
            for waits in [true, false] {
                let policy = SettlePolicy(quiet: .seconds(quiet), waitsForWriters: waits)
                let now = Self.instant(5000)
                let least: Duration = writers == .nobody ? StampGranularity.finest : .seconds(2)
                let again = max(.seconds(quiet), least)
                #expect(
                    policy.judge(
                        try Self.file(quietSince: Self.instant(0)), look: Self.look(writers, change), at: now)
                        == .unsettled(
                            try Self.file(quietSince: now, change, isRewritten: isRewritten),
                            lookAgain: now.advanced(by: again)))
            }
        }
    }

    @Test func anInstantOfAnotherRunProvesNothing() throws {
        let policy = SettlePolicy(quiet: .seconds(30), waitsForWriters: true)
        let now = Self.instant(100_000)
        // Long ago, and in the future, by a clock that has nothing to do with ours.
        for seconds: Int64 in [0, 200_000] {
            let file = try Self.file(quietSince: Self.instant(seconds, run: 2))
            #expect(
                policy.judge(file, look: Self.look(.nobody), at: now)
                    == .unsettled(try Self.file(quietSince: now), lookAgain: Self.instant(100_030)))
        }
    }

    @Test func whatIsGoneIsGone() throws {
        for waits in [true, false] {
            let policy = SettlePolicy(quiet: .zero, waitsForWriters: waits)
            #expect(policy.judge(try Self.file(quietSince: Self.instant(0)), look: nil, at: Self.instant(1)) == .gone)
        }
    }

    @Test func anEndlessQuietTimeDoesNotOverflow() throws {
        let policy = SettlePolicy(quiet: .seconds(Int64.max), waitsForWriters: true)
        let file = try Self.file(quietSince: Self.instant(1))
        #expect(
            policy.judge(file, look: Self.look(.nobody), at: Self.instant(2))
                == .unsettled(file, lookAgain: MonotonicInstant(run: 1, nanoseconds: .max)))
    }

    @Test func aSlowWriterNeverSettlesWhileItsPausesAreShort() throws {
        let policy = SettlePolicy(quiet: .seconds(30), waitsForWriters: true)
        var file = try Self.file(quietSince: Self.instant(0))
        for step: Int64 in 1...100 {
            let grown = FileObservation(device: 1, inode: 2, size: 3 + step, modified: 4, changed: 5 + step)
            let now = Self.instant(step * 29)
            guard case .unsettled(let next, _) = policy.judge(file, look: Self.look(.unavailable, grown), at: now)
            else {
                Issue.record("settled while it grew")
                return
            }
            #expect(next.isExisting)
            file = next
        }
        let look = Self.look(.unavailable, file.observation)
        #expect(policy.judge(file, look: look, at: Self.instant(2900 + 30)) == .settled(look))
    }
}
