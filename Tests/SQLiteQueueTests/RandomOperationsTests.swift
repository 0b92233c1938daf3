import GRDB
import SyncCore
import SystemPackage
import Testing

@testable import SQLiteQueue

/// Honest but random histories of a few files: written, touched, moved, linked, removed, forgotten; runs that end at
/// any step. After each step the database must still hold what every other part builds on.
@Suite struct RandomOperationsTests {
    @Test(arguments: 0..<12) func invariantsHold(_: Int) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        // A failure is repeated by writing this number in place of the random one.
        print("random operations, seed \(seed)")
        var world = World(seed: seed)
        var fixture = try await QueueFixture()
        try await fixture.queue.beginRun([Sample.configured()])
        try await fixture.list([])
        for step in 0..<120 {
            if world.chance(30) {
                fixture = try await fixture.afterKill()
                try await fixture.queue.beginRun([Sample.configured()])
            }
            let did = try await world.step(fixture)
            try await Self.check(fixture, "seed \(seed), step \(step): \(did)")
        }
        try await fixture.queue.flushReceipts()
        let receipts = try await fixture.queue.reader.receipts(limit: 9999)
        #expect(
            ReceiptChain.verify(receipts.map(\.json))
                == .whole(lines: receipts.count, last: receipts.last?.hash ?? ReceiptChain.origin), "seed \(seed)")
    }

    private static let beginning =
        "FROM delivery AS d JOIN mapping AS m ON m.id = d.mapping WHERE d.kind IN ('pending', 'opening')"
    private static let isPaused =
        "(m.pausedByHand OR m.pausedByFile OR m.isAbsent OR EXISTS (SELECT 1 FROM meta WHERE key = 'paused'))"

    private static func check(_ fixture: QueueFixture, _ comment: String) async throws {
        let broken: [String] = try await fixture.queue.pool.read { database in
            let rules: [(String, String)] = [
                (
                    "two owners of one table, name and content",
                    """
                    SELECT 1 FROM delivery WHERE uploadName IS NOT NULL
                    GROUP BY remoteTable, uploadName, sha256, contentSize HAVING count(*) > 1
                    """
                ),
                (
                    "an observation without a delivery",
                    "SELECT 1 FROM file WHERE device IS NOT NULL AND delivery IS NULL"
                ),
                (
                    "a version whose content is unknown that its path does not point at",
                    """
                    SELECT 1 FROM delivery AS d JOIN file AS f ON f.id = d.file
                    WHERE d.sha256 IS NULL AND f.delivery IS NOT d.id
                    """
                ),
                (
                    "an ended version with an accepted observation",
                    """
                    SELECT 1 FROM file AS f JOIN delivery AS d ON d.id = f.delivery
                    WHERE d.kind IN ('gone', 'superseded') AND f.device IS NOT NULL
                    """
                ),
                (
                    "a delivered version without exactly one receipt",
                    """
                    SELECT 1 FROM delivery AS d WHERE d.kind = 'delivered'
                        AND (SELECT count(*) FROM receipt WHERE delivery = d.id) <> 1
                    """
                ),
                (
                    "counts that are not the rows'",
                    """
                    SELECT mapping, destination, public, ifnull(work, 0), count(*) FROM delivery
                    GROUP BY 1, 2, 3, 4
                    EXCEPT SELECT * FROM rowCount
                    """
                ),
                (
                    "counts of rows that are not there",
                    """
                    SELECT 1 FROM rowCount WHERE state <> 'settling' AND count <> (SELECT count(*) FROM delivery AS d
                        WHERE d.mapping = rowCount.mapping AND d.destination = rowCount.destination
                            AND d.public = rowCount.state AND ifnull(d.work, 0) = rowCount.work)
                    """
                ),
                (
                    "counts of settling files that are not the rows'",
                    """
                    SELECT 1 FROM rowCount WHERE state = 'settling'
                        AND count <> (SELECT count(*) FROM settling AS s WHERE s.mapping = rowCount.mapping)
                    """
                ),
                (
                    "a transfer that a paused mapping may begin",
                    "SELECT 1 \(beginning) AND d.work IS NOT NULL AND \(isPaused)"
                ),
                (
                    "a transfer that nothing holds back and nobody begins",
                    "SELECT 1 \(beginning) AND d.work IS NULL AND NOT \(isPaused)"
                ),
                ("a foreign key that points nowhere", "PRAGMA foreign_key_check"),
            ]
            return try rules.compactMap { try Row.fetchOne(database, sql: $1) == nil ? nil : $0 }
        }
        #expect(broken.isEmpty, "\(comment)")
    }
}

/// A folder of a few files, as a model, and somebody who works in it.
private struct World {
    private struct File {
        var inode: UInt64
        var content: UInt8
        var changed: Int64
    }

    private var random: SplitMix
    private var files: [String: File] = [:]
    private var clock: Int64 = 100
    private let names = ["a", "b", "c", "d"]

    init(seed: UInt64) { random = SplitMix(state: seed) }

    mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &random) == 0 }

    mutating func step(_ fixture: QueueFixture) async throws -> String {
        clock += 1
        switch Int.random(in: 0..<11, using: &random) {
        case 0, 1, 2: return change()
        case 3, 4: return try await scan(fixture)
        case 5: return try await pauseOrResume(fixture)
        default: return try await run(fixture)
        }
    }

    private mutating func change() -> String {
        let name = names.randomElement(using: &random) ?? "a"
        let other = names.randomElement(using: &random) ?? "b"
        switch Int.random(in: 0..<6, using: &random) {
        case 0, 1:
            // Few inodes and contents, so that they meet.
            files[name] = File(
                inode: .random(in: 1...6, using: &random), content: .random(in: 1...3, using: &random), changed: clock)
            return "write \(name)"
        case 2:
            files[name]?.changed = clock
            return "touch \(name)"
        case 3:
            guard let file = files.removeValue(forKey: name) else { return "nothing" }
            files[other] = File(inode: file.inode, content: file.content, changed: clock)
            return "move \(name) to \(other)"
        case 4:
            files[name]?.changed = clock
            files[other] = files[name]
            return "link \(other) to \(name)"
        default:
            files[name] = nil
            return "remove \(name)"
        }
    }

    private mutating func pauseOrResume(_ fixture: QueueFixture) async throws -> String {
        let mapping = chance(2) ? QueueFixture.weather : nil
        let now = QueueFixture.at(clock)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: _ = try await fixture.queue.pause(mapping)
        case 6, 7:
            try await fixture.queue.noteFolder(
                chance(2) ? nil : FolderIdentity(device: 3, inode: 2), of: QueueFixture.weather, at: "/data", now: now)
        case 1: try await fixture.queue.takeUp([Sample.configured(isPaused: true)], at: now)
        case 2: try await fixture.queue.takeUp([Sample.configured()], at: now)
        default: _ = try await fixture.queue.resume(mapping, at: now)
        }
        return "pause or resume"
    }

    private func seen(_ name: String, _ file: File) throws -> SeenFile {
        let links = files.values.count { $0.inode == file.inode }
        return SeenFile(
            path: try Sample.path(name), observation: Sample.observation(file.inode, changed: file.changed),
            links: UInt64(links))
    }

    private mutating func scan(_ fixture: QueueFixture) async throws -> String {
        let met = try files.map { try seen($0.key, $0.value) }
        let now = QueueFixture.at(clock)
        _ = try await fixture.queue.noteSeen(met, in: QueueFixture.weather, lookAgainAfter: .zero, at: now)
        let due = try await fixture.queue.settlingDue(at: now.monotonic, limit: 99)
        let looks: [SettleOutcome] = try due.map { file in
            guard let name = file.path.text, let found = files[name] else { return .drop(file) }
            let seen = try seen(name, found)
            return .admit(
                AdmittedFile(
                    file: file, look: FileLook(observation: seen.observation, links: seen.links, writers: .nobody),
                    table: QueueFixture.table, nameBase: file.path.bytes,
                    disposition: file.isExisting && name == "d" ? .judge : .deliver))
        }
        try await fixture.queue.recordLooks(looks, at: now)
        if chance(4) { try await fixture.queue.closeExisting(of: QueueFixture.weather) }
        return "scan"
    }

    private mutating func run(_ fixture: QueueFixture) async throws -> String {
        let now = QueueFixture.at(clock)
        let due = try await fixture.queue.due(
            at: now.monotonic, tables: [QueueFixture.table], excluding: [], limit: 99)
        let importing = try await fixture.queue.importing(in: QueueFixture.table, after: nil, limit: 99)
        guard var delivery = (due + importing).randomElement(using: &random) else { return "idle" }
        if chance(25) {
            delivery.state = .abandoned(.forgotten)
            if delivery.state.stage?.mayBeRegistered != true {
                _ = try await fixture.queue.save(Decision(delivery, "forget"), at: now)
            }
            return "forget \(delivery.id)"
        }
        let file = delivery.path.text.flatMap { files[$0] }
        let isSame = file.map { Sample.observation($0.inode, changed: $0.changed) } == delivery.observation
        return try await advance(delivery, file.flatMap { isSame ? $0.content : nil }, fixture, now)
    }

    /// One step of an honest runner; `byte` is what the file holds, `nil` where it is not what settled.
    private func advance(
        _ row: Delivery, _ byte: UInt8?, _ fixture: QueueFixture, _ now: Moment
    ) async throws -> String {
        var delivery = row
        guard let stage = delivery.state.stage else { return "nothing" }
        switch stage {
        case .pending(.fresh), .pending(.examined):
            delivery.state = .working(.transferring(Sample.session, .none))
        case .pending(let admission):
            guard let byte else { return try await giveUp(delivery, fixture, now) }
            return try await examine(delivery, Sample.content(byte), admission, fixture, now)
        case .opening, .reading, .transferring, .probing, .concluding:
            guard let byte, delivery.content.map({ $0 == Sample.content(byte) }) ?? true else {
                return try await giveUp(delivery, fixture, now)
            }
            let content = Sample.content(byte)
            delivery.content = content
            delivery.uploadName = delivery.uploadName ?? Sample.uploadName(delivery.path, content)
            delivery.tableKey = QueueFixture.key
            delivery.state = .working(.lookingUp(Sample.object, .beforePost))
        case .lookingUp: delivery.state = .working(.posting(Sample.object, Sample.attempt))
        case .posting: delivery.state = .working(.importing(Sample.registration))
        case .importing, .withdrawing:
            guard let content = delivery.content else { return "nothing" }
            delivery.state = .delivered(Sample.receipt(delivery.path, content))
        }
        let outcome = try await fixture.queue.save(Decision(delivery, "step"), at: now)
        return "save \(delivery.id) \(outcome)"
    }

    private func giveUp(_ delivery: Delivery, _ fixture: QueueFixture, _ now: Moment) async throws -> String {
        if delivery.path.text.flatMap({ files[$0] }) == nil {
            var gone = delivery
            gone.state = .abandoned(.gone)
            _ = try await fixture.queue.save(Decision(gone, "gone"), at: now)
            return "gone \(delivery.id)"
        }
        try await fixture.queue.resettle(delivery, note: "changed", at: now)
        return "resettle \(delivery.id)"
    }

    private func examine(
        _ delivery: Delivery, _ content: Content, _ admission: Admission, _ fixture: QueueFixture, _ now: Moment
    ) async throws -> String {
        let standing = try await fixture.queue.settleContent(
            content, uploadName: Sample.uploadName(delivery.path, content), table: QueueFixture.key, of: delivery,
            admission: admission, at: now)
        var next = delivery
        switch standing {
        case .alone: next.state = .working(.pending(.examined))
        case .successor: next.state = .held(.changed)
        case .strange(let reason): next.state = .held(reason)
        case .adopts: next.state = .working(.importing(Sample.registration))
        case .joined, .behind: return "examine \(delivery.id): \(standing)"
        }
        _ = try await fixture.queue.save(Decision(next, "examined"), at: now)
        return "examine \(delivery.id): \(standing)"
    }
}

/// A small generator with a seed (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
