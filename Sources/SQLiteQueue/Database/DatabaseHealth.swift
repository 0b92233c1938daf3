import GRDB
import SyncCore
import SystemPackage

/// Notices that the database is damaged, whoever meets it first: what is read from it then may be anything, so the agent
/// has to end and not to try again.
final class DatabaseHealth: Sendable {
    private let path: FilePath
    private let stream: AsyncStream<Failure>
    private let continuation: AsyncStream<Failure>.Continuation

    init(path: FilePath) {
        self.path = path
        // The first word is enough, also where it comes before anybody listens.
        (stream, continuation) = AsyncStream.makeStream(of: Failure.self, bufferingPolicy: .bufferingOldest(1))
    }

    /// The error in our words; told to whoever waits for `damage` where it means that.
    func failure(of error: any Error) -> Failure {
        let failure = Failure.ofDatabase(error, at: path)
        if Self.isDamage(error) { continuation.yield(failure) }
        return failure
    }

    /// Waits for the first sign of damage, for one caller.
    /// - Returns: `nil` where the task is cancelled.
    func damage() async -> Failure? {
        for await failure in stream { return failure }
        return nil
    }

    static func isDamage(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        return error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB
    }
}

extension QueueDatabase {
    /// In bytes. A larger database is not read through at a start: it would keep the agent from its work for seconds.
    /// Its damage is found where it is met.
    static let checkedAtStart: Int64 = 64 << 20

    /// Reads the whole database and its indexes through (`PRAGMA integrity_check`). An index that misses a row would
    /// let a file be taken for one that is not on its table.
    ///
    /// - Throws: `Failure` of kind `stateUnavailable`, with what was found first.
    static func checkWhole(_ reader: any DatabaseReader, _ path: FilePath) throws(Failure) {
        let found: String
        do {
            found = try reader.read { try String.fetchOne($0, sql: "PRAGMA integrity_check(1)") } ?? ""
        } catch {
            throw Failure.ofDatabase(error, at: path)
        }
        guard found != "ok" else { return }
        throw Failure.ofDatabase(
            DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the database is damaged: \(found)"), at: path)
    }
}
