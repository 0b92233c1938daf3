import GRDB
import SyncCore
import SystemPackage

extension Failure {
    /// SQLite's own words, sorted by what a person can do. Statements' values are never part of it.
    static func ofDatabase(_ error: any Error, at path: FilePath) -> Failure {
        if let failure = error as? Failure { return failure }
        if let unreadable = error as? UnreadableValue {
            return Failure(
                .stateUnavailable, scope: .delivery, "\(path): a row cannot be read: \(unreadable.what)",
                hint: recovery(path))
        }
        guard let error = error as? DatabaseError else {
            return Failure(.stateUnavailable, scope: .agent, "\(path): \(error)")
        }
        let words = error.message ?? "no words"
        return Failure(
            .stateUnavailable, scope: .agent, "\(path): \(words) (SQLite \(error.extendedResultCode.rawValue))",
            hint: remedy(for: error.resultCode, path))
    }

    private static func remedy(for code: ResultCode, _ path: FilePath) -> String {
        let folder = path.removingLastComponent()
        return switch code {
        case .SQLITE_FULL: "free space on the file system of \(folder); nothing was lost, and it goes on by itself"
        case .SQLITE_READONLY: "make \(folder) writable again (is its file system mounted read-only?)"
        case .SQLITE_IOERR: "look at the kernel log (dmesg) for errors of the disk that holds \(folder)"
        case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
            "see that \(folder) is there and belongs to the agent's user"
        case .SQLITE_BUSY, .SQLITE_LOCKED: "end the other program that has \(path) open"
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: recovery(path)
        case .SQLITE_NOMEM: "give the agent more memory"
        default: "keep a copy of \(folder) and report this as a defect"
        }
    }

    /// A lost database costs reading, never a second registration: everything is found again on the tables.
    private static func recovery(_ path: FilePath) -> String {
        "stop the agent and run: \(QueueRebuild.command); it sets the database aside and makes a new one from "
            + "receipts.jsonl and the tables, and nothing is registered twice"
    }
}
