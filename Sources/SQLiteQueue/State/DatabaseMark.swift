import GRDB
import Glibc
import SyncCore
import SystemPackage

/// What a database is to the program that opens it.
package enum DatabaseOrigin: String, Sendable {
    /// The file that this program wrote last, be it before a crash.
    case itself
    /// Made just now, in a directory that shows nothing of an earlier one.
    case new
    /// Put in the place of a later one: restored from a backup, copied, or made where another one was lost. What was done
    /// since it was written is not in it.
    case restored
}

/// By what a database is known as itself: a number that is drawn again and again, in the database and in a file beside
/// it, and what the file system says of both.
///
/// A copy has another inode, and a file that was written over has another ctime, which no program can set (`man 2
/// utimensat`). Not seen: a file system or a machine that is set back as a whole (a snapshot), and a database that is
/// written over in place by its own state of less than ``interval`` before, with nothing else restored.
struct DatabaseMark: Hashable, Codable {
    /// Drawn with each mark.
    let number: UInt64
    /// `st_ino` of the database.
    let databaseInode: UInt64
    /// `st_ino` and ctime of the file beside it.
    let fileInode: UInt64
    let fileChanged: Int64

    static let fileName = "database-mark"
    /// How often it is drawn again while a run lasts.
    static let interval: Duration = .seconds(600)
    private static let key = "mark"

    // MARK: Asking

    /// - Parameters:
    ///   - directory: of the database and the mark.
    ///   - hasReceipts: whether there were receipts before the database was opened.
    static func origin(
        of database: Database, in directory: FilePath, hasReceipts: Bool
    ) throws -> DatabaseOrigin {
        let text = try database.row("SELECT value FROM meta WHERE key = ?", [key])?.text(0)
        let stored = text.flatMap { try? StateCoding.value(DatabaseMark.self, $0) }
        let present = present(in: directory)
        if text == nil, present == nil {
            // Of a version that made no marks, or the first run of all.
            if try database.exists("SELECT 1 FROM delivery LIMIT 1") { return .itself }
            return hasReceipts ? .restored : .new
        }
        return stored != nil && stored == present ? .itself : .restored
    }

    static func hasReceipts(_ directory: FilePath) -> Bool {
        var status = stat()
        return stat(directory.appending("receipts.jsonl").string, &status) == 0 && status.st_size > 0
    }

    /// As the file system has it now.
    private static func present(in directory: FilePath) -> DatabaseMark? {
        let file = directory.appending(fileName)
        var (database, beside) = (stat(), stat())
        guard stat(directory.appending(QueueDatabase.fileName).string, &database) == 0,
            stat(file.string, &beside) == 0, let bytes = try? SmallFile.read(file),
            let number = UInt64(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
        else { return nil }
        return DatabaseMark(
            number: number, databaseInode: UInt64(database.st_ino), fileInode: UInt64(beside.st_ino),
            fileChanged: FileObservation.nanoseconds(Int(beside.st_ctim.tv_sec), Int(beside.st_ctim.tv_nsec)))
    }

    // MARK: Drawing

    /// Writes the file anew, synced. A crash before the database has it too is taken for a restored database, which
    /// costs one `registration_doubt`.
    /// - Returns: what the database is to keep; `nil` where the file could not be written, and the old mark holds.
    static func draw(in directory: FilePath) -> DatabaseMark? {
        let (file, new) = (directory.appending(fileName), directory.appending(fileName + ".new"))
        do {
            let descriptor = try FileDescriptor.open(
                new, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
            try descriptor.closeAfter {
                try descriptor.writeAll(Array("\(UInt64.random(in: .min ... .max))\n".utf8))
                guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
            guard rename(new.string, file.string) == 0 else { throw Errno(rawValue: errno) }
            try QueueRebuild.sync(directory)
        } catch {
            unlink(new.string)
            return nil
        }
        return present(in: directory)
    }

    func keep(in database: Database) throws {
        try database.run(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [Self.key, try StateCoding.text(self)])
    }
}
