import SystemPackage

/// Why a state directory cannot be used, with what to do. `heldByAnother` ends a command with status 75, everything
/// else with 74.
public enum StateProblem: Error, Hashable, Sendable {
    /// Another agent holds the lock; its process number where the lock file tells it.
    case heldByAnother(FilePath, processID: Int32?)
    case missing(FilePath)
    case notADirectory(FilePath)
    /// Group or others may enter it; its mode.
    case openToOthers(FilePath, mode: UInt32)
    case ownedByAnother(FilePath, user: UInt32, ours: UInt32)
    /// SQLite's WAL needs memory that all its processes share, which no network file system gives
    /// (https://sqlite.org/wal.html).
    case networkFileSystem(FilePath, kind: String)
    /// The directory was made on another machine: two agents with one memory would both send.
    case otherMachine(FilePath)
    /// Removed, moved away or replaced while this process used it.
    case lost(FilePath, isDirectory: Bool)
    case systemCall(FilePath, doing: String, Errno)

    /// 75 (EX_TEMPFAIL) or 74 (EX_IOERR) of sysexits.h.
    public var exitStatus: Int32 {
        switch self {
        case .heldByAnother: 75
        case .missing, .notADirectory, .openToOthers, .ownedByAnother, .networkFileSystem, .otherMachine, .lost,
            .systemCall:
            74
        }
    }

    /// What happened.
    public var summary: String {
        switch self {
        case .heldByAnother(let path, let process):
            "another agent\(process.map { " (process \($0))" } ?? "") uses the state directory \(path)"
        case .missing(let path): "there is no state directory \(path)"
        case .notADirectory(let path): "the state directory \(path) is no directory"
        case .openToOthers(let path, let mode):
            "the state directory \(path) is open to other users (mode \(String(mode, radix: 8)))"
        case .ownedByAnother(let path, let user, let ours):
            "the state directory \(path) belongs to user \(user), and this process runs as user \(ours)"
        case .networkFileSystem(let path, let kind):
            "the state directory \(path) lies on a network file system (\(kind)), where its database would break"
        case .otherMachine(let path): "the state directory \(path) was made on another machine"
        case .lost(let path, let isDirectory):
            "the \(isDirectory ? "state directory" : "state directory's file") \(path) was removed or replaced while this "
                + "agent used it"
        case .systemCall(let path, let doing, let reason): "cannot \(doing) \(path): \(reason)"
        }
    }

    /// What to do now.
    public var remedy: String {
        switch self {
        case .heldByAnother: "stop that agent first, or give this one another state_directory"
        case .missing: "start the agent once, or name the right state_directory in the mapping file"
        case .notADirectory: "name a directory as state_directory in the mapping file"
        case .openToOthers(let path, _): "chmod 700 \(path)"
        case .ownedByAnother(let path, let user, let ours):
            "run it as user \(user), or hand the directory over: chown -R \(ours) \(path)"
        case .networkFileSystem: "name a directory on a local disk as state_directory in the mapping file"
        case .otherMachine(let path):
            "if the other machine still runs its agent, give this host its own state_directory; if it is retired for "
                + "good, remove the file \(path.appending(StateDirectory.machineFile))"
        case .lost(let path, _):
            "keep whatever removes or restores files there from \(path) while the agent runs, then start the agent again; "
                + "files that are on their tables already are found there"
        case .systemCall(_, _, .noSpace), .systemCall(_, _, .diskQuotaExceeded): "free space on that file system"
        case .systemCall(_, _, .readOnlyFileSystem): "mount that file system writable, or name another state_directory"
        case .systemCall(_, _, .permissionDenied): "see that the directories above it may be entered by this user"
        case .systemCall: "mend that, or name another state_directory in the mapping file"
        }
    }
}

extension StateProblem: CustomStringConvertible {
    public var description: String { "\(summary); \(remedy)" }
}
