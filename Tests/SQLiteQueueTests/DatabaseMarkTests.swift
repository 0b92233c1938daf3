// FoundationEssentials: files are copied and removed with FileManager.
import FoundationEssentials
import GRDB
import Glibc
import SyncCore
import SystemPackage
import Testing

@testable import SQLiteQueue

/// Whether a database is the file that was written last.
@Suite struct DatabaseMarkTests {
    private let parent: FilePath
    private var state: FilePath { parent.appending("state") }

    init() throws { parent = try QueueFixture.makeFolder() }

    private func open(_ path: FilePath) async throws -> SQLiteQueue {
        let surroundings = StateDirectory.Surroundings(machine: nil, networkFileSystem: { _ in nil })
        return try await SQLiteQueue(
            in: try StateDirectory.claim(path, in: surroundings), api: "https://api.example", logger: .quiet)
    }

    /// One run that ends in order.
    /// - Returns: whether it knows its past.
    private func run(_ path: FilePath) async throws -> Bool {
        let queue = try await open(path)
        let isUnknown = try await queue.pool.read { try Transaction($0).unknownPast() } != nil
        // A gate is closed where uploads of ours may be there.
        #expect(try await queue.remoteIndex(of: QueueFixture.key).hasTaggedUploads == isUnknown)
        try await queue.flushReceipts()
        _ = try await queue.pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        try queue.pool.close()
        return !isUnknown
    }

    @Test func `a database is itself again after an orderly end and after a crash`() async throws {
        #expect(try await run(state))
        #expect(try await run(state))
        do {
            // As by SIGKILL: the mark is not drawn again.
            try await open(state).pool.close()
        }
        #expect(try await run(state))
    }

    @Test func `a directory that was copied has no past`() async throws {
        _ = try await run(state)
        let other = parent.appending("copy")
        try FileManager.default.copyItem(atPath: state.string, toPath: other.string)
        #expect(try await !run(other))
        // Also after a crash of that run.
        #expect(try await !run(other))
    }

    @Test func `a database that was written over by its earlier state has no past`() async throws {
        _ = try await run(state)
        let backup = parent.appending("backup")
        try FileManager.default.copyItem(atPath: state.string, toPath: backup.string)
        _ = try await run(state)
        // In place: the inode stays.
        let bytes = try Data(contentsOf: URL(filePath: backup.appending("queue.sqlite").string))
        let file = try FileDescriptor.open(state.appending("queue.sqlite"), .writeOnly, options: .truncate)
        try file.closeAfter { _ = try file.writeAll(bytes) }
        #expect(try await !run(state))
    }

    @Test func `a database of another directory and one whose mark is gone have no past`() async throws {
        _ = try await run(state)
        unlink(state.appending("database-mark").string)
        #expect(try await !run(state))
    }

    @Test func `a new database beside receipts of an earlier one has no past`() async throws {
        try FileManager.default.createDirectory(
            atPath: state.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try Data("{}\n".utf8).write(to: URL(filePath: state.appending("receipts.jsonl").string))
        #expect(try await !run(state))
    }

    @Test func `a database without a mark that has rows is of an earlier version`() async throws {
        do {
            let queue = try await open(state)
            try await queue.pool.write { database in
                try database.execute(sql: "DELETE FROM meta")
                try database.execute(
                    sql: """
                        INSERT INTO mapping (name) VALUES ('weather');
                        INSERT INTO file (mapping, path) VALUES (1, x'61');
                        INSERT INTO destination (reference) VALUES ('{}');
                        INSERT INTO delivery (mapping, file, destination, nameBase, isExisting, device, inode, size,
                            modified, changed, state, stateFormat, kind, public, tally, created, updated)
                        VALUES (1, 1, 1, x'61', 0, 1, 1, 1, 1, 1, '{}', 1, 'gone', 'gone', '{}', 1, 1);
                        """)
            }
            unlink(state.appending("database-mark").string)
            try queue.pool.close()
        }
        #expect(try await run(state))
    }

    @Test func `a restored database closes the gates of its tables, and looks for first posts again`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.list([])
        #expect(try await fixture.queue.remoteIndex(of: QueueFixture.key).gate == .open)
        let opened = try OpenedDatabase(at: fixture.folder.appending("queue.sqlite"))
        let restored = try await SQLiteQueue(
            opened, calls: .onOwnThreads, api: "https://api.example", logger: .quiet, origin: .restored,
            receipts: fixture.folder.appending("other.jsonl"))
        let index = try await restored.remoteIndex(of: QueueFixture.key)
        #expect(index.gate == .closed && index.hasTaggedUploads)
    }

    @Test func `first posts of a database without a past are looked for again, those of an hour later are not`()
        async throws
    {
        let folder = try QueueFixture.makeFolder()
        let fixture = try await QueueFixture(folder: folder)
        let queue = try await SQLiteQueue(
            try OpenedDatabase(at: folder.appending("queue.sqlite")), calls: .onOwnThreads, api: "https://api.example",
            logger: .quiet, origin: .restored)
        func post(_ path: String, _ inode: UInt64, at seconds: Int64) async throws -> Int {
            let delivery = try await fixture.admit(path, Sample.observation(inode), at: seconds)
            let content = Sample.content(UInt8(inode))
            var posting = try await fixture.reload(delivery)
            posting.content = content
            posting.uploadName = Sample.uploadName(delivery.path, content)
            posting.tableKey = QueueFixture.key
            posting.state = .working(
                .posting(Sample.object, PostAttempt(number: 1, newestReleased: nil, begunAt: QueueFixture.at(1).wall)))
            _ = try await queue.save(Decision(posting, "posting"), at: QueueFixture.at(seconds))
            return try await queue.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM secondLook") ?? 0 }
        }
        #expect(try await post("a", 1, at: 20) == 1)
        #expect(try await post("b", 2, at: 3000) == 2)
        #expect(try await post("c", 3, at: 3700) == 2)
    }
}
