import FolderWatch
import Glibc
import SQLiteQueue
import SystemPackage

/// The state directory: usable, and with room.
struct StateFacts: Hashable, Sendable {
    let path: String
    /// Why it cannot be used; that it is missing is none.
    var problem: StateProblem?
    var exists = true
    var isWritable = true
    var type: FileSystemType?
    /// The process that holds it.
    var holder: Int32?
    /// On its file system, in bytes, for others than root.
    var freeBytes: Int64?
    /// Files that can still be made; `nil` where the file system has no such limit.
    var freeFiles: Int64?

    var checks: [DoctorCheck] { [stateCheck, diskCheck] }

    private var stateCheck: DoctorCheck {
        if let problem { return .problem(.stateDirectory, problem.summary, problem.remedy) }
        guard isWritable else {
            return .problem(
                .stateDirectory, "\(path) \(exists ? "cannot be written by this user" : "cannot be made by this user")",
                "run as the agent's user, hand it over with chown, or name another state_directory")
        }
        guard exists else { return .ok(.stateDirectory, "\(path), which the first run makes") }
        let facts = ["mode 0700", type.map { "on \($0.name)" }, holder.map { "held by the agent, process \($0)" }]
        return .ok(.stateDirectory, "\(path), \(facts.compactMap { $0 }.joined(separator: ", "))")
    }

    static let low: Int64 = 1 << 30
    static let tooLow: Int64 = 64 << 20
    static let fewFiles: Int64 = 1000

    private var diskCheck: DoctorCheck {
        guard let freeBytes else {
            return .warning(
                .disk, "how much is free under the state directory cannot be asked", "look at it with df \(path)")
        }
        let found = "\(Words.bytes(freeBytes)) free for the state"
        let remedy = "free space there, or name a state_directory on another disk; a full disk stops everything"
        if freeBytes < Self.tooLow { return .problem(.disk, found, remedy) }
        if freeBytes < Self.low { return .warning(.disk, found, remedy) }
        if let freeFiles, freeFiles < Self.fewFiles {
            return .warning(.disk, "\(found), but only \(Words.grouped(Int(clamping: freeFiles))) inodes", remedy)
        }
        return .ok(.disk, found)
    }
}

extension StateFacts {
    init(of state: FilePath) {
        path = state.string
        do throws(StateProblem) {
            try StateDirectory.checkForReading(state)
        } catch {
            if case .missing = error { exists = false } else { problem = error }
        }
        // Where it is not there yet, what counts is the nearest directory above it.
        var place = state
        while access(place.string, F_OK) != 0, errno == ENOENT, place.removeLastComponent() {}
        // By the effective user (`man 2 faccessat`): as root, this acts as the directory's owner.
        isWritable = faccessat(AT_FDCWD, place.string, W_OK | X_OK, AT_EACCESS) == 0
        type = FileSystemType.of(place)
        holder = StateDirectory.holder(of: state)
        var answer = statvfs()
        guard statvfs(place.string, &answer) == 0 else { return }
        let (bytes, overflow) = Int64(clamping: answer.f_bavail)
            .multipliedReportingOverflow(by: Int64(clamping: answer.f_frsize))
        freeBytes = overflow ? .max : bytes
        freeFiles = answer.f_files > 0 ? Int64(clamping: answer.f_favail) : nil
    }
}
