import SyncCore
import Testing

/// Where stamps are coarse, a file settles at least until the file system would give another one.
@Suite("Coarse time stamps")
struct StampGranularityTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Nanoseconds since 1970.
        let changed: Int64
        let proof: Duration
    }

    static let rows = [
        Row(
            testDescription: "ext4 with 256-byte inodes, XFS", changed: 1_700_000_000_123_456_789,
            proof: .milliseconds(20)),
        Row(testDescription: "NTFS, 100 ns", changed: 1_700_000_000_123_456_700, proof: .milliseconds(20)),
        Row(testDescription: "exFAT, 10 ms", changed: 1_700_000_000_120_000_000, proof: .milliseconds(20)),
        Row(testDescription: "exFAT, by chance a tenth", changed: 1_700_000_000_100_000_000, proof: .milliseconds(200)),
        Row(testDescription: "ext3, ext4 with 128-byte inodes", changed: 1_700_000_001_000_000_000, proof: .seconds(2)),
        Row(testDescription: "FAT, even seconds", changed: 1_700_000_002_000_000_000, proof: .seconds(2)),
        Row(testDescription: "no stamps at all", changed: 0, proof: .seconds(2)),
        Row(testDescription: "before 1970", changed: -1_500_000_000, proof: .milliseconds(200)),
    ]

    private func observation(changed: Int64) -> FileObservation {
        // mtime says nothing: programs set it to whole seconds.
        FileObservation(device: 1, inode: 2, size: 3, modified: 1_000_000_000, changed: changed)
    }

    @Test(arguments: rows) func `the proof time follows from ctime`(_ row: Row) {
        #expect(StampGranularity.proofTime(of: observation(changed: row.changed)) == row.proof)
    }

    private func verdict(
        changed: Int64, quiet: Duration = .zero, after age: Duration, lookTook: Duration = .zero
    ) throws -> SettleVerdict {
        let since = MonotonicInstant(run: 1, nanoseconds: 0)
        let file = SettlingFile(
            mapping: try #require(MappingID("weather")), path: try #require(RelativePath("a.csv")),
            observation: observation(changed: changed), quietSince: since, isExisting: false)
        return SettlePolicy(quiet: quiet, waitsForWriters: true).judge(
            file, look: FileLook(observation: file.observation, links: 1, writers: .nobody),
            began: since.advanced(by: age), at: since.advanced(by: age + lookTook))
    }

    @Test(arguments: [
        (Int64(1_700_000_001_000_000_000), Duration.seconds(2)), (1_700_000_000_123_456_789, .milliseconds(20)),
    ])
    func `settle 0 waits for the proof time`(_ changed: Int64, _ proof: Duration) throws {
        guard case .unsettled(_, let again) = try verdict(changed: changed, after: proof - .nanoseconds(1)) else {
            Issue.record("settled before the file system would have given another stamp")
            return
        }
        #expect(again == MonotonicInstant(run: 1, nanoseconds: 0).advanced(by: proof))
        guard case .settled = try verdict(changed: changed, after: proof) else {
            Issue.record("not settled though another write would show")
            return
        }
    }

    @Test func `a longer quiet time stays as it is`() throws {
        guard case .settled = try verdict(changed: 1_000_000_000, quiet: .seconds(30), after: .seconds(30)) else {
            Issue.record("waits longer than the quiet time")
            return
        }
    }

    @Test func `a slow look counts from its beginning`() throws {
        // Its stat may have come at once: only what began after the proof time proves anything.
        guard
            case .unsettled(_, let again) = try verdict(
                changed: 1_000_000_000, after: .seconds(1), lookTook: .seconds(5))
        else {
            Issue.record("a look that began too early proves nothing")
            return
        }
        #expect(again == MonotonicInstant(run: 1, nanoseconds: 6_000_000_000))
    }
}
