// FoundationEssentials: files are read, cut and edited through FileManager and Data.
import FoundationEssentials
import GRDB
import SyncCore
import SystemPackage
import Testing

@testable import SQLiteQueue

@Suite struct ReceiptTests {
    private func lines(_ fixture: QueueFixture) throws -> [String] {
        let data = try Data(contentsOf: URL(filePath: file(fixture)))
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func file(_ fixture: QueueFixture) -> String { fixture.folder.appending("receipts.jsonl").string }

    private func write(_ text: String, to fixture: QueueFixture) throws {
        try Data(text.utf8).write(to: URL(filePath: file(fixture)))
    }

    private func delivered(_ count: UInt8) async throws -> QueueFixture {
        let fixture = try await QueueFixture()
        for number in 1...count {
            try await fixture.deliver("f\(number)", Sample.observation(UInt64(number)), Sample.content(number))
        }
        try await fixture.queue.flushReceipts()
        return fixture
    }

    @Test func eachDeliveryIsOneLineOfTheChain() async throws {
        let fixture = try await delivered(3)
        let written = try lines(fixture)
        let kept = try await fixture.queue.reader.receipts(limit: 99)
        #expect(written == kept.map(\.json))
        #expect(kept.map(\.sequence) == [1, 2, 3])
        #expect(ReceiptChain.verify(written) == .whole(lines: 3, last: try #require(kept.last).hash))
        #expect(written[0].contains(#""path":"f1""#))
        #expect(written[0].contains(#""delivered_at":"2023-11-14T22:13:20.123Z""#))
        #expect(written[0].contains(#""uri":"/uploads/f1""#))
    }

    @Test func savingADeliveredRowAgainAddsNoReceipt() async throws {
        let fixture = try await delivered(1)
        let row = try await fixture.current("f1")
        #expect(try await fixture.queue.save(Decision(row, "absorbed"), at: QueueFixture.at(60)) == .saved)
        #expect(try await fixture.queue.reader.receipts(limit: 99).count == 1)
    }

    @Test func changedMissingOrInsertedLineBreaksTheChain() async throws {
        let whole = try lines(await delivered(4))
        var changed = whole
        changed[1] = changed[1].replacing(#""f2""#, with: #""g2""#)
        #expect(ReceiptChain.verify(changed) == .broken(line: 3, reason: "it does not follow from the line before"))
        var cut = whole
        cut.remove(at: 1)
        #expect(ReceiptChain.verify(cut) == .broken(line: 2, reason: "it does not follow from the line before"))
        #expect(ReceiptChain.verify(whole + ["{}"]) == .broken(line: 5, reason: "it is no receipt"))
        // A part of the chain holds by itself.
        guard case .whole(lines: 2, _) = ReceiptChain.verify(whole.suffix(2)) else {
            Issue.record("the end of a chain is a chain")
            return
        }
    }

    @Test func tornLastLineIsCutAndWrittenAgain() async throws {
        let fixture = try await delivered(3)
        let whole = try lines(fixture)
        for keep in [0, 1, 5, whole[2].utf8.count - 1, whole[2].utf8.count] {
            try write(whole[0] + "\n" + whole[1] + "\n" + String(whole[2].prefix(keep)), to: fixture)
            let restarted = try await fixture.afterKill()
            #expect(try lines(restarted) == whole)
        }
    }

    @Test func missingFileIsWrittenAnewFromTheDatabase() async throws {
        let fixture = try await delivered(3)
        let whole = try lines(fixture)
        try FileManager.default.removeItem(atPath: file(fixture))
        #expect(try lines(await fixture.afterKill()) == whole)
    }

    @Test func chainGoesOnWhereTheDatabaseWasLost() async throws {
        let fixture = try await delivered(2)
        let whole = try lines(fixture)
        let second = try await QueueFixture()
        try await second.queue.flushReceipts()
        try write(whole.joined(separator: "\n") + "\n", to: second)
        let restarted = try await second.afterKill()
        try await restarted.deliver("later", Sample.observation(9), Sample.content(9))
        try await restarted.queue.flushReceipts()
        let all = try lines(restarted)
        #expect(Array(all.prefix(2)) == whole)
        guard case .whole(lines: 3, _) = ReceiptChain.verify(all) else {
            Issue.record("\(ReceiptChain.verify(all))")
            return
        }
        // And through one more start.
        #expect(try lines(await restarted.afterKill()) == all)
    }

    @Test func fileOfAnotherChainIsKeptAside() async throws {
        let fixture = try await delivered(2)
        let whole = try lines(fixture)
        let foreign = #"{"seq":7,"previous":"\#(ReceiptChain.origin.hex)"}"#
        try write(foreign + "\n", to: fixture)
        let restarted = try await fixture.afterKill()
        #expect(try lines(restarted) == whole)
        let kept = try Data(contentsOf: URL(filePath: file(restarted) + ".1"))
        #expect(String(decoding: kept, as: UTF8.self) == foreign + "\n")
    }

    @Test func pathThatIsNoTextIsToldInFull() async throws {
        let fixture = try await QueueFixture()
        let path = try #require(RelativePath(bytes: [0x61, 0xFF]))
        let observation = Sample.observation(1)
        _ = try await fixture.queue.noteSeen(
            [SeenFile(path: path, observation: observation, links: 1)], in: QueueFixture.weather,
            lookAgainAfter: .zero, at: QueueFixture.at(1))
        let file = try #require(try await fixture.queue.reader.settling(at: path, mapping: QueueFixture.weather))
        let look = FileLook(observation: observation, links: 1, writers: .nobody)
        try await fixture.queue.recordLooks(
            [
                .admit(
                    AdmittedFile(
                        file: file, look: look, table: QueueFixture.table, nameBase: path.bytes, disposition: .deliver))
            ], at: QueueFixture.at(2))
        let delivery = try await fixture.current(path)
        try await fixture.save(
            delivery, .delivered(Sample.receipt(path, Sample.content(1))), content: Sample.content(1))
        let line = try #require(try await fixture.queue.reader.receipts(limit: 9).first)
        #expect(line.json.contains(#""path_base64":"Yf8=""#))
    }

    @Test func receiptsAreFoundByTime() async throws {
        let fixture = try await delivered(2)
        let at = Timestamp(milliseconds: 1_700_000_000_123)
        #expect(try await fixture.queue.reader.receipts(since: at, limit: 9).count == 2)
        let later = Timestamp(milliseconds: 1_700_000_000_124)
        #expect(try await fixture.queue.reader.receipts(since: later, limit: 9).isEmpty)
    }
}
