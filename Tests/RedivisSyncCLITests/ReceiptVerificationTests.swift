import SQLiteQueue
import SyncCore
import Testing

@testable import RedivisSyncCLI

@Suite struct SinceTimeTests {
    private let now = Timestamp(milliseconds: 1_772_357_412_345)

    @Test(arguments: [
        ("2026-03-01", 1_772_323_200_000), ("2026-03-01T09:30", 1_772_357_400_000),
        ("2026-03-01 09:30:12Z", 1_772_357_412_000), ("2026-03-01T09:30:12.345Z", 1_772_357_412_345),
        ("2026-03-01t09:30:12.3456789z", 1_772_357_412_345), ("2026-03-01T09:30:12.5Z", 1_772_357_412_500),
        ("2026-03-01T10:30:12+01:00", 1_772_357_412_000), ("2026-03-01T04:00:12-0530", 1_772_357_412_000),
        ("1969-12-31T23:59:59Z", -1000), ("0s", 1_772_357_412_345), ("24h", 1_772_271_012_345),
        ("7d", 1_771_752_612_345), ("250ms", 1_772_357_412_095), ("2m", 1_772_357_292_345),
    ])
    func timesAreRead(text: String, milliseconds: Int64) throws {
        #expect(try #require(SinceTime(text)).timestamp(now: now).milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "yesterday", "24", "h", "-1h", "1.5h", "24 h", "2026-02-30", "2026-13-01", "2026-03-01T25:00",
        "2026-03-01T09:30:12+25:00", "2026-03-01T09", "26-03-01", "999999999999d", "٢٤h", "2026-03-01Z",
    ])
    func whatIsNoTimeIsRefused(text: String) {
        #expect(SinceTime(text) == nil)
    }

    @Test func moreThanTheCalendarHasSaturates() throws {
        let time = try #require(SinceTime("99999999d")).timestamp(now: Timestamp(milliseconds: .min + 5))
        #expect(time.milliseconds == .min)
    }
}

@Suite struct UploadVerdictTests {
    private let tagged = "a-abababababab.csv"

    private func receipt(_ name: String) throws -> ReceiptRecord {
        ReceiptRecord(
            sequence: 7, mapping: try Given.mapping().id, path: try #require(RelativePath("a.csv")),
            table: Given.receipt.table, uploadName: name, uri: "/tables/x:next.y/uploads/1", content: Given.content)
    }

    private func listed(
        _ number: Int, _ name: String, _ status: RemoteUpload.Status = .completed, size: Int64? = 17,
        md5: Digest? = Given.content.md5, version: String = "next"
    ) -> ListedUpload {
        ListedUpload(
            upload: RemoteUpload(
                uri: "/tables/x:\(version).y/uploads/\(number)", name: name, status: status, size: size, md5: md5),
            version: version)
    }

    @Test func oneCompletedUploadProvesIt() throws {
        let verdict = UploadVerdict(try receipt(tagged), [listed(1, tagged)])
        #expect(verdict.problems.isEmpty && verdict.agreesInMD5)
        let untold = UploadVerdict(try receipt(tagged), [listed(1, tagged, size: nil, md5: nil)])
        #expect(untold.problems.isEmpty && !untold.agreesInMD5)
    }

    @Test func theSameUploadInTwoVersionsIsOne() throws {
        let verdict = UploadVerdict(
            try receipt(tagged), [listed(1, tagged, version: "v1.0"), listed(1, tagged, version: "v1.1")])
        #expect(verdict.problems.isEmpty)
    }

    @Test func aFailedOneBesideItCountsForNothing() throws {
        let verdict = UploadVerdict(try receipt(tagged), [listed(2, tagged, .failed("x")), listed(1, tagged)])
        #expect(verdict.problems.isEmpty)
    }

    @Test func eachThingThatIsWrongIsTold() throws {
        let other = Digest(bytes: [UInt8](repeating: 1, count: 16))
        let cases: [([ListedUpload], String)] = [
            ([], "no version of the table lists it"),
            ([listed(1, tagged, .failed("no header"))], "listed as failed"),
            ([listed(1, tagged, .inProgress, size: nil, md5: nil)], "not completed"),
            ([listed(1, tagged, size: 18)], "18 bytes"),
            ([listed(1, tagged, md5: other)], "MD5"),
            ([listed(1, "a-abababababab (1).csv")], "is called a-abababababab (1).csv"),
        ]
        for (uploads, word) in cases {
            let verdict = UploadVerdict(try receipt(tagged), uploads)
            #expect(verdict.problems.count == 1)
            #expect(verdict.problems.first?.contains(word) == true, "\(verdict.problems)")
        }
    }

    @Test func duplicatesAreSaidLoudly() throws {
        let cases: [[ListedUpload]] = [
            [listed(1, tagged), listed(2, tagged)],
            [listed(1, tagged, version: "v1.0"), listed(2, tagged)],
            [listed(1, tagged), listed(2, "a-abababababab (1).csv")],
            // Two rows of one version, whose uris end with their name.
            [listed(1, tagged), listed(1, tagged)],
        ]
        for uploads in cases {
            let problems = UploadVerdict(try receipt(tagged), uploads).problems
            #expect(problems.count == 1 && problems.first?.hasPrefix("DUPLICATE: the table has it 2 times") == true)
        }
    }

    @Test func aNameWithoutTagMayBeUsedAgainForSomethingElse() throws {
        let other = Digest(bytes: [UInt8](repeating: 1, count: 16))
        let again = listed(2, "a.csv", md5: other, version: "v2.0")
        let verdict = UploadVerdict(try receipt("a.csv"), [listed(1, "a.csv", version: "v1.0"), again])
        #expect(verdict.problems.isEmpty)
        #expect(UploadVerdict(try receipt("a.csv"), [listed(1, "a.csv"), listed(2, "a.csv")]).problems.count == 1)
    }
}
