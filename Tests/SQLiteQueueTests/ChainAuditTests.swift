// FoundationEssentials: files are read, cut and edited through FileManager and Data.
import FoundationEssentials
import GRDB
import SyncCore
import SystemPackage
import Testing

@testable import SQLiteQueue

@Suite struct ChainAuditTests {
    private func delivered(_ count: UInt8) async throws -> QueueFixture {
        let fixture = try await QueueFixture()
        for number in 1...count {
            try await fixture.deliver("f\(number)", Sample.observation(UInt64(number)), Sample.content(number))
        }
        try await fixture.queue.flushReceipts()
        return fixture
    }

    private func lines(_ fixture: QueueFixture) throws -> [String] {
        let data = try Data(contentsOf: URL(filePath: fixture.folder.appending("receipts.jsonl").string))
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func write(_ lines: [String], tail: String = "", to fixture: QueueFixture) throws {
        let text = lines.map { $0 + "\n" }.joined() + tail
        try Data(text.utf8).write(to: URL(filePath: fixture.folder.appending("receipts.jsonl").string))
    }

    /// Pages of two, so that every walk turns some.
    private func audit(_ fixture: QueueFixture, isGrowing: Bool = false) async throws -> ChainAudit {
        try await fixture.queue.reader.auditChain(isGrowing: isGrowing, page: 2)
    }

    @Test func aWholeChainHasNothingToSay() async throws {
        let fixture = try await delivered(5)
        let found = try await audit(fixture)
        #expect(found.problems.isEmpty)
        #expect(found.receipts == 5 && found.fileLines == 5)
        #expect(found.end.sequence == 5)
        #expect(ReceiptChain.verify(try lines(fixture)) == .whole(lines: 5, last: found.end.hash))
    }

    @Test func nothingDeliveredIsWhole() async throws {
        let found = try await audit(QueueFixture())
        #expect(found.problems.isEmpty && found.receipts == 0 && found.end == .origin)
    }

    @Test func theFirstLineThatIsNotTheDatabasesIsNamed() async throws {
        let fixture = try await delivered(5)
        let whole = try lines(fixture)
        var edited = whole
        edited[2] = edited[2].replacing(#""f3""#, with: #""g3""#)
        let cases: [(lines: [String], line: Int, word: String)] = [
            (edited, 3, "differs"),
            (Array(whole[..<1] + whole[2...]), 2, "receipt 2 is missing"),
            (Array(whole[..<1] + whole[3...]), 2, "receipts 2 to 3 are missing"),
            (Array(whole[1...]), 1, "receipt 1 is missing"),
            (Array(whole[..<2] + whole[1...]), 3, "does not follow"),
            (whole + ["{}"], 6, "no receipt"),
            (["\u{0}\u{1}"] + whole, 1, "no receipt"),
            ([whole[0], String(repeating: "x", count: 3 << 20)] + whole[1...], 2, "no receipt"),
        ]
        for (lines, line, word) in cases {
            try write(lines, to: fixture)
            guard case .line(line, let reason) = try #require(try await audit(fixture).problems.first) else {
                Issue.record("\(try await audit(fixture).problems), not line \(line): \(word)")
                continue
            }
            #expect(reason.contains(word))
        }
    }

    @Test func aLineThatNoDatabaseHasIsNamed() async throws {
        let fixture = try await delivered(2)
        let whole = try lines(fixture)
        let last = ReceiptChain.hash(
            of: whole[1].utf8, after: ReceiptChain.hash(of: whole[0].utf8, after: ReceiptChain.origin))
        try write(whole + [#"{"seq":3,"previous":"\#(last.hex)"}"#], to: fixture)
        #expect(try await audit(fixture).problems == [.line(3, reason: "the database has no such receipt")])
    }

    @Test func whatIsMissingAtTheEndIsToldWhereNoAgentWillAppendIt() async throws {
        let fixture = try await delivered(4)
        let whole = try lines(fixture)
        try write(Array(whole[..<2]), to: fixture)
        #expect(try await audit(fixture).problems == [.missing(3)])
        try write(Array(whole[..<2]), tail: String(whole[2].prefix(20)), to: fixture)
        #expect(try await audit(fixture).problems == [.torn])
        try write([], to: fixture)
        #expect(try await audit(fixture).problems == [.missing(1)])
        try FileManager.default.removeItem(atPath: fixture.folder.appending("receipts.jsonl").string)
        #expect(try await audit(fixture).problems == [.noFile])
    }

    @Test func anAgentThatIsBehindIsWaitedFor() async throws {
        let fixture = try await delivered(4)
        let whole = try lines(fixture)
        try write(Array(whole[..<2]), tail: String(whole[2].prefix(20)), to: fixture)
        async let found = audit(fixture, isGrowing: true)
        let file = try FileDescriptor.open(
            fixture.folder.appending("receipts.jsonl"), .writeOnly, options: .append)
        try file.closeAfter {
            _ = try file.writeAll(Array((whole[2].dropFirst(20) + "\n" + whole[3] + "\n").utf8))
        }
        let ended = try await found
        #expect(ended.problems.isEmpty && ended.fileLines == 4)
    }

    @Test func aReceiptChangedInTheDatabaseIsNamed() async throws {
        for (change, word) in [
            (#"UPDATE receipt SET line = replace(line, '"f2"', '"g2"') WHERE seq = 2"#, "its hash was made of"),
            ("DELETE FROM receipt WHERE seq = 2", "receipt 2 is missing"),
            ("UPDATE receipt SET hash = zeroblob(32) WHERE seq = 2", "its hash was made of"),
        ] {
            let fixture = try await delivered(4)
            try await fixture.queue.pool.write { try $0.execute(sql: change) }
            let found = try await audit(fixture)
            guard case .database(_, let reason) = try #require(found.problems.first) else {
                Issue.record("\(found.problems)")
                continue
            }
            #expect(reason.contains(word))
            #expect(found.receipts == 1)
        }
    }

    @Test func theChainOfALostDatabaseIsWalkedInTheFile() async throws {
        let lost = try lines(await delivered(3))
        let second = try await QueueFixture()
        try await second.queue.flushReceipts()
        try write(lost, to: second)
        let fixture = try await second.afterKill()
        try await fixture.deliver("later", Sample.observation(9), Sample.content(9))
        try await fixture.queue.flushReceipts()
        let found = try await audit(fixture)
        #expect(found.problems.isEmpty)
        #expect(found.receipts == 1 && found.fileLines == 4 && found.base?.sequence == 3)

        var earlier: [String] = []
        try await fixture.queue.reader.earlierReceipts { earlier.append($0) }
        #expect(earlier == lost)

        // Edited where the database has nothing to compare with, the next line shows it.
        var all = try lines(fixture)
        all[1] = all[1].replacing(#""f2""#, with: #""g2""#)
        try write(all, to: fixture)
        #expect(
            try await audit(fixture).problems == [.line(3, reason: "it does not follow from the line before")])
        // And in its last line, where the database goes on.
        all = try lines(fixture)
        all[1] = lost[1]
        all[2] = all[2].replacing(#""f3""#, with: #""g3""#)
        try write(all, to: fixture)
        #expect(
            try await audit(fixture).problems
                == [.line(3, reason: "it is not the receipt that the database goes on from")])
    }

    @Test func tablesAndLinesAreRead() async throws {
        let fixture = try await delivered(3)
        let reader = fixture.queue.reader
        #expect(try await reader.tablesOfReceipts(since: nil, upTo: 2) == [QueueFixture.key])
        #expect(try await reader.tablesOfReceipts(since: nil, upTo: 0).isEmpty)
        #expect(try await reader.tablesOfReceipts(since: Timestamp(milliseconds: .max), upTo: 9).isEmpty)
        #expect(try await reader.lastReceipt() == 3)
        let record = try #require(try await reader.receipts(limit: 1).first?.record)
        #expect(record.path == (try Sample.path("f1")) && record.table == QueueFixture.key && record.sequence == 1)
    }
}

@Suite struct UploadListingTests {
    private func receipt(_ name: String) throws -> ReceiptRecord {
        ReceiptRecord(
            sequence: 1, mapping: Sample.mapping("weather"), path: try Sample.path("a.csv"), table: QueueFixture.key,
            uploadName: name, uri: "/tables/x/uploads/1", content: Sample.content(1))
    }

    private func upload(_ uri: String, _ name: String, _ status: RemoteUpload.Status = .completed) -> RemoteUpload {
        RemoteUpload(uri: uri, name: name, status: status, size: 100, md5: nil)
    }

    @Test func uploadsAreFoundByNameAndByTagUnderAnother() async throws {
        let listing = try UploadListing()
        let uploads = [
            upload("/uploads/1", "a-3f9c2a7d1e55.csv"), upload("/uploads/2", "a-3f9c2a7d1e55 (1).csv"),
            upload("/uploads/3", "b-3f9c2a7d1e56.csv"), upload("/uploads/4", "plain.csv", .failed("no header")),
        ]
        try await listing.note(uploads, of: QueueFixture.key, in: .draft)
        // A page that is told again tells nothing new.
        try await listing.note(uploads, of: QueueFixture.key, in: .draft)
        try await listing.note([uploads[0]], of: TableKey("another.table.x"), in: .draft)
        let tagged = try await listing.candidates(for: receipt("a-3f9c2a7d1e55.csv"))
        #expect(tagged.map(\.upload.uri) == ["/uploads/1", "/uploads/2"])
        let plain = try await listing.candidates(for: receipt("plain.csv"))
        #expect(plain == [ListedUpload(upload: uploads[3], version: "next")])
        #expect(try await listing.candidates(for: receipt("none.csv")).isEmpty)
    }

    @Test func twoUploadsUnderOneNamedUriAreTwo() async throws {
        let listing = try UploadListing()
        let one = upload("/tables/x/uploads/a_csv", "a.csv")
        try await listing.note([one, one], of: QueueFixture.key, in: .released(VersionTag(major: 1, minor: 0)))
        let found = try await listing.candidates(for: receipt("a.csv"))
        #expect(found == [ListedUpload(upload: one, version: "v1.0"), ListedUpload(upload: one, version: "v1.0")])
    }
}
