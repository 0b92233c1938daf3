import GRDB
import Glibc
import Logging
import SyncCore
import SystemPackage

/// Writes the database's receipts after `receipts.jsonl`, in their order, behind the commits: a save never waits
/// for it, and what it could not write it writes later, since the database has it.
actor ReceiptLog {
    private let pool: DatabasePool
    private let path: FilePath
    private let logger: Logger
    private var file: ReceiptFile?
    /// The last receipt that is in the file and synced.
    private var written: Int64 = 0
    private var lastProblem: String?
    private static let batch = 500

    init(pool: DatabasePool, path: FilePath, logger: Logger) {
        self.pool = pool
        self.path = path
        self.logger = logger
    }

    /// Repairs the file and appends what it lacks. To be called once, before anything is delivered.
    func start() throws(Failure) { try catchUp() }

    /// Appends what was committed since; a failure is logged and met again at the next call.
    func noteCommit() {
        do {
            try catchUp()
            lastProblem = nil
        } catch {
            // The same words once, not for each delivery.
            if lastProblem != error.description {
                logger.error("receipts.jsonl cannot be written", metadata: ["problem": "\(error)"])
            }
            lastProblem = error.description
        }
    }

    /// Returns when every committed receipt is in the file and synced.
    func flush() throws(Failure) { try catchUp() }

    /// How many receipts are in the file, as their last number.
    var lastWritten: Int64 { written }

    // MARK: -

    /// Opens the file where it is not open, and finds out what it holds: also after a failed append, which may have
    /// left whole lines and a part of one.
    private func open() throws(Failure) {
        guard file == nil else { return }
        let opened = try ReceiptFile(path)
        try opened.cutTornLine()
        let last = try opened.lastLine().map { String(decoding: $0, as: UTF8.self) }
        file = consume opened
        written = 0
        do throws(Failure) {
            if let last { try takeUp(last) }
            if written > 0, try tailIsTorn() { try setAside("its last lines were torn") }
        } catch {
            // What it holds is not known: nothing may be appended before it is.
            file = nil
            throw error
        }
    }

    /// Whether lines that may not have been synced when the power failed have holes: a file system may have kept the end
    /// of what was appended and lost the middle, where it then reads zeros.
    private func tailIsTorn() throws(Failure) -> Bool {
        try file?.lastLines(Self.batch).contains { $0.contains(0) } ?? false
    }

    private func takeUp(_ line: String) throws(Failure) {
        guard let head = ReceiptChain.Head(line) else { return try setAside("its last line is no receipt") }
        let hash = ReceiptChain.hash(of: line.utf8, after: head.previous)
        let known = try reading { database in
            (
                line: try database.row("SELECT line FROM receipt WHERE seq = ?", [head.seq])?.text(0),
                last: try database.lastReceipt()
            )
        }
        if known.line == line || (known.last.sequence == head.seq && known.last.hash == hash) {
            written = head.seq
        } else if known.last.sequence == 0 {
            // A new database beside the receipts of a lost one: the chain goes on.
            try writing { database in
                try database.run(
                    "INSERT INTO meta VALUES ('receiptBase', ?)", ["\(head.seq) \(hash.hex)"])
            }
            written = head.seq
        } else {
            try setAside("it is not the chain of this database")
        }
    }

    /// Never overwrites receipts: a file that is not this database's is kept under another name.
    private func setAside(_ reason: String) throws(Failure) {
        var number = 1
        var target = FilePath(path.string + ".\(number)")
        while access(target.string, F_OK) == 0 {
            number += 1
            target = FilePath(path.string + ".\(number)")
        }
        guard rename(path.string, target.string) == 0 else {
            throw ReceiptFile.failure(path, "set aside", Errno(rawValue: errno))
        }
        logger.warning(
            "receipts.jsonl was set aside and is written anew from the database",
            metadata: ["kept": "\(target)", "reason": "\(reason)"])
        file = try ReceiptFile(path)
        written = 0
    }

    private func catchUp() throws(Failure) {
        try open()
        while true {
            let after = written
            let lines = try reading { try $0.receipts(after: after, limit: Self.batch) }
            guard let last = lines.last else { return }
            var bytes: [UInt8] = []
            for line in lines {
                bytes.append(contentsOf: line.json.utf8)
                bytes.append(UInt8(ascii: "\n"))
            }
            try append(bytes)
            written = last.sequence
        }
    }

    private func append(_ bytes: [UInt8]) throws(Failure) {
        do {
            try file?.append(bytes)
        } catch {
            file = nil
            throw error
        }
    }

    private func reading<Value>(_ body: (Database) throws -> Value) throws(Failure) -> Value {
        do { return try pool.read(body) } catch { throw Failure.ofDatabase(error, at: FilePath(pool.path)) }
    }

    private func writing(_ body: (Database) throws -> Void) throws(Failure) {
        do { try pool.write(body) } catch { throw Failure.ofDatabase(error, at: FilePath(pool.path)) }
    }
}
