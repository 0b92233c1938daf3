import GRDB
import Glibc
import SyncCore
import SystemPackage

/// Makes a new database where the old one is damaged: from `receipts.jsonl`, as far as its chain holds. What had been
/// under way is found again on the tables, as with a new database: nothing is posted to a table with uploads of ours
/// before they are listed and `registration_doubt` has passed.
public enum QueueRebuild {
    public struct Report: Hashable, Sendable {
        /// The damaged database under its new name; `nil` where there was none.
        public var setAside: FilePath?
        /// Receipts taken up from `receipts.jsonl`.
        public var receipts = 0
        /// File versions that they are of.
        public var versions = 0
        /// The first line, from 1, that does not follow from the one before; it and what comes after it was left out.
        public var brokenLine: Int?
        /// Why it does not.
        public var brokenReason: String?
    }

    /// What is wrong with the database of a claimed directory; `nil` where it can be read through to its end.
    ///
    /// - Throws: `Failure` of kind `stateUnavailable` where a newer version of the program has written it.
    public static func damage(in directory: StateDirectory) throws(Failure) -> Failure? {
        let path = directory.path.appending(QueueDatabase.fileName)
        guard try StateDirectory.holdsFile(path) else { return nil }
        do {
            let pool = try DatabasePool(path: path.string, configuration: QueueDatabase.configuration(readonly: false))
            if try pool.read({ try Schema.migrator.hasBeenSuperseded($0) }) {
                try QueueDatabase.refuseNewer(pool, path)
            }
            try QueueDatabase.checkWhole(pool, path)
            return nil
        } catch let failure as Failure {
            if failure.hint?.contains(Self.command) == true { return failure }
            throw failure
        } catch {
            let failure = Failure.ofDatabase(error, at: path)
            // A disk that cannot be read now is no damage of the database.
            guard DatabaseHealth.isDamage(error) else { throw failure }
            return failure
        }
    }

    static let command = "redivis-sync rebuild"

    /// - Parameters:
    ///   - directory: claimed, so that no agent uses it.
    ///   - now: for the name of what is set aside.
    /// - Throws: `Failure` of kind `stateUnavailable`; then either everything is as it was, or the damaged database is
    ///   set aside and no other is in its place, which the next run takes for a new one.
    public static func run(in directory: StateDirectory, now: Timestamp) throws(Failure) -> Report {
        var report = Report()
        let place = directory.path.appending(QueueDatabase.fileName)
        let new = directory.path.appending(QueueDatabase.fileName + ".rebuilding")
        for suffix in suffixes { unlink(new.string + suffix) }
        try directory.makePrivateFile(QueueDatabase.fileName + ".rebuilding")
        let pool = try QueueDatabase.openForWriting(new)
        try fill(pool, at: new, from: directory.path.appending("receipts.jsonl"), &report)
        do {
            // Into the one file, which alone is put in its place.
            _ = try pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
            try pool.close()
        } catch {
            throw Failure.ofDatabase(error, at: new)
        }
        report.setAside = try setAside(place, now)
        try move(new, to: place)
        try sync(directory.path)
        return report
    }

    // MARK: The receipts

    private static let batch = 1000

    private static func fill(
        _ pool: DatabasePool, at path: FilePath, from receipts: FilePath, _ report: inout Report
    ) throws(Failure) {
        guard var lines = try ReceiptLines(receipts) else { return }
        var walk = ChainWalk()
        while true {
            let page = try page(of: &lines, &walk, &report)
            guard !page.isEmpty else { return }
            do {
                report.versions += try pool.write { database in
                    let transaction = Transaction(database)
                    return try page.reduce(0) { try $0 + (transaction.takeUp($1) ? 1 : 0) }
                }
            } catch {
                throw Failure.ofDatabase(error, at: path)
            }
            report.receipts += page.count
        }
    }

    /// The next lines that follow; none at the end of the file or of the chain.
    private static func page(
        of lines: inout ReceiptLines, _ walk: inout ChainWalk, _ report: inout Report
    ) throws(Failure) -> [KeptReceipt] {
        var page: [KeptReceipt] = []
        while report.brokenLine == nil, page.count < batch, case .line(let line) = try lines.next() {
            let before = walk.end
            do throws(ChainBreak) {
                try walk.step(line)
                guard let end = walk.end, let kept = KeptReceipt(line, at: end) else { throw .noReceipt }
                page.append(kept)
            } catch {
                (report.brokenLine, report.brokenReason) = (report.receipts + page.count + 1, error.reason)
                walk = ChainWalk(after: before)
            }
        }
        return page
    }

    // MARK: Files

    private static let suffixes = ["", "-wal", "-shm"]

    /// Under a name with the time, and never over another file.
    private static func setAside(_ place: FilePath, _ now: Timestamp) throws(Failure) -> FilePath? {
        var present: [String] = []
        for suffix in suffixes where try StateDirectory.holdsFile(FilePath(place.string + suffix)) {
            present.append(suffix)
        }
        guard !present.isEmpty else { return nil }
        var target = FilePath("\(place.string).damaged-\(now.milliseconds / 1000)")
        var number = 1
        while access(target.string, F_OK) == 0 {
            number += 1
            target = FilePath("\(place.string).damaged-\(now.milliseconds / 1000)-\(number)")
        }
        // The database first: one that is not there has no use for what is left of the journal.
        for suffix in present {
            try move(FilePath(place.string + suffix), to: FilePath(target.string + suffix))
        }
        return target
    }

    private static func move(_ path: FilePath, to target: FilePath) throws(Failure) {
        guard rename(path.string, target.string) == 0 else {
            throw Failure(stateProblem: .systemCall(path, doing: "rename", Errno(rawValue: errno)))
        }
    }

    /// So that the names outlive a power failure (`man 2 fsync`).
    static func sync(_ directory: FilePath) throws(Failure) {
        do {
            let descriptor = try FileDescriptor.open(directory, .readOnly, options: [.directory, .closeOnExec])
            defer { try? descriptor.close() }
            guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            throw Failure(stateProblem: .systemCall(directory, doing: "sync", error as? Errno ?? .ioError))
        }
    }
}
