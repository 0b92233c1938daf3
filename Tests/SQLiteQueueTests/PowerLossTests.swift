import CPowerLoss
// FoundationEssentials: files are read and written whole, temporary folders removed.
import FoundationEssentials
import GRDB
import SyncCore
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import SQLiteQueue

/// T-27: the power fails before every single write, cut and sync of a history, and what was not synced is lost, wholly or
/// in part, sector by sector. The database opens, is whole, and has every step whose commit had returned.
@Suite struct PowerLossTests {
    /// What was acknowledged when so many operations had been done.
    private struct Acknowledged: Sendable {
        var operations: Int
        /// Of each delivery.
        var revisions: [DeliveryID: Int64] = [:]
        var receipts = 0
        /// Of `receipts.jsonl`, in bytes: what was synced.
        var syncedReceipts = 0
    }

    /// What has happened so far, as those know who were told.
    private final class History: Sendable {
        // Steps are taken side by side.
        private let steps = Mutex<[Acknowledged]>([Acknowledged(operations: 0)])

        func acknowledge(_ change: (inout Acknowledged) -> Void) {
            steps.withLock { steps in
                var next = steps.last ?? Acknowledged(operations: 0)
                change(&next)
                // Counted after the answer: what is done by now was done before somebody heard of it.
                next.operations = power_loss_operations()
                steps.append(next)
            }
        }

        func before(_ point: Int) -> Acknowledged {
            steps.withLock { $0.last { $0.operations <= point } ?? Acknowledged(operations: 0) }
        }
    }

    @Test func noStepThatWasAcknowledgedIsLost() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        let folder = try QueueFixture.makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        #expect(power_loss_begin(folder.string) == 0)
        let history = History()
        let receipts: Data
        do {
            defer { power_loss_end() }
            receipts = try await Self.live(in: folder, history)
        }
        let points = power_loss_operations()
        let (syncs, modes) = (power_loss_syncs(), [POWER_LOSS_DROPS_ALL, POWER_LOSS_KEEPS_SOME, POWER_LOSS_KEEPS_ALL])
        #expect(points > 150 && syncs > 30)
        // All of them in Tests/full.
        let isFull = ProcessInfo.processInfo.environment["REDIVIS_SYNC_FULL"] != nil
        let stride = { mode in (isFull ? 1 : 5) * (mode == POWER_LOSS_KEEPS_ALL ? 3 : 1) }
        let offset = Int(seed % 15)
        var losses = 0
        for point in 0...points {
            // What a loss of all that was not synced leaves changes with the syncs alone, and most is known to those who
            // were answered just before the next.
            let isBeforeSync = point == points || Place.operation(point).isSync
            for mode in modes where mode == POWER_LOSS_DROPS_ALL ? isBeforeSync : (point + offset) % stride(mode) == 0 {
                let place = Place(
                    point: point, mode: Int32(mode), seed: seed &+ UInt64(bitPattern: Int64(point)))
                let isFine = try await Self.check(place, history.before(point), receipts)
                try #require(isFine, "\(place)")
                losses += 1
            }
        }
        print("power loss: \(points) operations, \(syncs) of them syncs; \(losses) losses, seed \(seed)")
    }

    // MARK: A history

    /// Files on their way, one after the other and side by side, with receipts, listings and checkpoints in between.
    /// - Returns: `receipts.jsonl` at its end.
    private static func live(in folder: FilePath, _ history: History) async throws -> Data {
        let fixture = try await QueueFixture(folder: folder)
        // So small that checkpoints come by themselves, in the midst of everything.
        try await fixture.queue.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_autocheckpoint = 40") }
        try await fixture.queue.beginRun([Sample.configured()])
        try await fixture.list([Sample.upload("theirs.csv", Sample.content(99))])
        for number in 1...3 { try await step(number, fixture, history) }
        try await flush(fixture, history)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 4...7 { group.addTask { try await step(number, fixture, history) } }
            try await group.waitForAll()
        }
        try await flush(fixture, history)
        _ = try await fixture.queue.pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        for number in 8...9 { try await step(number, fixture, history) }
        try await flush(fixture, history)
        return try Data(contentsOf: URL(filePath: folder.appending("receipts.jsonl").string))
    }

    private static func step(_ number: Int, _ fixture: QueueFixture, _ history: History) async throws {
        let byte = UInt8(number)
        let delivery = try await fixture.admit("f\(number).csv", Sample.observation(UInt64(number)))
        try await acknowledge(delivery, fixture, history)
        for state: DeliveryState in [.working(.opening), .working(.transferring(Sample.session, Sample.progress))] {
            #expect(try await fixture.save(delivery, state) == .saved)
            try await acknowledge(delivery, fixture, history)
        }
        let content = Sample.content(byte)
        #expect(
            try await fixture.save(delivery, .working(.posting(Sample.object, Sample.attempt)), content: content)
                == .saved)
        try await acknowledge(delivery, fixture, history)
        #expect(
            try await fixture.save(delivery, .delivered(Sample.receipt(delivery.path, content)), content: content)
                == .saved)
        try await acknowledge(delivery, fixture, history, receipts: 1)
    }

    private static func acknowledge(
        _ delivery: Delivery, _ fixture: QueueFixture, _ history: History, receipts: Int = 0
    ) async throws {
        let revision = try await fixture.reload(delivery).revision
        history.acknowledge { step in
            step.revisions[delivery.id] = revision
            step.receipts += receipts
        }
    }

    private static func flush(_ fixture: QueueFixture, _ history: History) async throws {
        try await fixture.queue.flushReceipts()
        let size = try Data(contentsOf: URL(filePath: fixture.folder.appending("receipts.jsonl").string)).count
        history.acknowledge { $0.syncedReceipts = size }
    }

    // MARK: After the loss

    private struct Place: CustomStringConvertible {
        let point: Int
        let mode: Int32
        let seed: UInt64

        var description: String {
            let around = (max(0, point - 12)...point).map { "\($0): \(Self.operation($0).words)" }
            return "before operation \(point), mode \(mode), seed \(seed)\n\(around.joined(separator: "\n"))"
        }

        static func operation(_ point: Int) -> (words: String, isSync: Bool) {
            var text = [CChar](repeating: 0, count: 256)
            let isSync = power_loss_describe(point, &text, Int32(text.count)) != 0
            return (String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self), isSync)
        }
    }

    /// - Returns: whether it is as it should be; what is not was told.
    private static func check(_ place: Place, _ known: Acknowledged, _ receipts: Data) async throws -> Bool {
        let folder = try QueueFixture.makeFolder()
        guard power_loss_replay(place.point, place.mode, place.seed, folder.string) == 0 else { return false }
        try write(receipts, known, place, to: folder)
        let fixture = try await QueueFixture(folder: folder)
        let (isWhole, rows, count) = try await fixture.queue.pool.read { database in
            (
                try String.fetchAll(database, sql: "PRAGMA integrity_check"),
                try database.rows("SELECT id, revision FROM delivery").map {
                    (DeliveryID(try $0.integer(0)), try $0.integer(1))
                },
                try database.row("SELECT count(*) FROM receipt")?.integer(0) ?? 0
            )
        }
        let found = Dictionary(rows) { first, _ in first }
        let lost = known.revisions.filter { id, revision in found[id].map { $0 < revision } ?? true }
        try await fixture.queue.flushReceipts()
        let audit = try await fixture.queue.reader.auditChain(isGrowing: false)
        #expect(isWhole == ["ok"])
        #expect(lost.isEmpty)
        #expect(count >= Int64(known.receipts))
        #expect(audit.problems.isEmpty)
        #expect(Int64(audit.fileLines) == count)
        // And it goes on.
        try await fixture.queue.beginRun([Sample.configured()])
        try await fixture.deliver("after.csv", Sample.observation(99), Sample.content(98))
        return isWhole == ["ok"] && lost.isEmpty && count >= Int64(known.receipts) && audit.problems.isEmpty
            && Int64(audit.fileLines) == count
    }

    /// What was synced of the receipts, and of what had been appended after that some pages, with zeros in place of the
    /// others, as file systems leave it.
    private static func write(
        _ receipts: Data, _ known: Acknowledged, _ place: Place, to folder: FilePath
    ) throws {
        var bytes = Array(receipts.prefix(known.syncedReceipts))
        var random = SeededRandom(seed: place.seed)
        if place.mode != Int32(POWER_LOSS_DROPS_ALL), place.point > 0 {
            // More than the commits of that instant could have written would be receipts of nobody.
            let lines = receipts.split(separator: UInt8(ascii: "\n")).prefix(known.receipts)
            let most = lines.reduce(0) { $0 + $1.count + 1 }
            let end = Int.random(in: min(bytes.count, most)...most, using: &random)
            while bytes.count < end {
                let page = receipts[bytes.count..<min(end, bytes.count / 512 * 512 + 512)]
                bytes += Bool.random(using: &random) ? Array(page) : [UInt8](repeating: 0, count: page.count)
            }
        }
        try Data(bytes).write(to: URL(filePath: folder.appending("receipts.jsonl").string))
    }
}
