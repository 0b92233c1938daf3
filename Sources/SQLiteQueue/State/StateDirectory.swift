import Glibc
import SyncCore
import SystemPackage

/// The agent's own directory: 0700, on a local disk, of this machine, and held by one process.
///
/// | file | holds |
/// | --- | --- |
/// | `queue.sqlite`, `-wal`, `-shm` | queue, journal, receipts |
/// | `receipts.jsonl` | the receipts again, one line each |
/// | `lock` | locked (`man 2 flock`) while a process holds the directory; its number |
/// | `machine-id` | which machine the directory is of |
public final class StateDirectory: Sendable {
    public let path: FilePath
    private let lock: FileDescriptor

    static let lockFile = "lock"
    static let machineFile: FilePath.Component = "machine-id"

    /// What the directory is held against; handed in so that tests can say otherwise.
    public struct Surroundings: Sendable {
        public var machine: MachineIdentity?
        /// The name of the network file system that holds a path; `nil` for a local one.
        public var networkFileSystem: @Sendable (FilePath) throws(StateProblem) -> String?
        public var user: UInt32

        public init(
            machine: MachineIdentity? = .read(),
            networkFileSystem: @escaping @Sendable (FilePath) throws(StateProblem) -> String? = FileSystemKind.network,
            user: UInt32 = geteuid()
        ) {
            self.machine = machine
            self.networkFileSystem = networkFileSystem
            self.user = user
        }
    }

    private init(path: FilePath, lock: FileDescriptor) {
        self.path = path
        self.lock = lock
    }

    deinit {
        // Closing gives the lock back. The file stays: removing it would let two processes lock two files.
        try? lock.close()
    }

    /// Makes the directory where it is not there, checks it, and takes its lock until the result is let go.
    public static func claim(
        _ path: FilePath, in surroundings: Surroundings = Surroundings()
    ) throws(StateProblem) -> StateDirectory {
        try create(path)
        try check(path, surroundings)
        let lock = try takeLock(path.appending(lockFile), path)
        do throws(StateProblem) {
            try checkMachine(path, surroundings.machine)
        } catch {
            try? lock.close()
            throw error
        }
        return StateDirectory(path: path, lock: lock)
    }

    /// Checks a directory for a command that only reads: makes nothing, locks nothing.
    public static func checkForReading(
        _ path: FilePath, in surroundings: Surroundings = Surroundings()
    ) throws(StateProblem) {
        try check(path, surroundings)
    }

    /// User and group that the directory belongs to, for a command run as root, which acts as them.
    public static func owner(of path: FilePath) throws(StateProblem) -> (user: UInt32, group: UInt32) {
        let answer = try status(path)
        return (answer.st_uid, answer.st_gid)
    }

    /// The process that holds the directory now; `nil` where none does.
    public static func holder(of path: FilePath) -> Int32? {
        let file = path.appending(lockFile)
        guard let descriptor = try? FileDescriptor.open(file, .readOnly, options: .closeOnExec) else { return nil }
        defer { try? descriptor.close() }
        // A shared lock, so that two who ask do not take each other for the holder.
        guard flock(descriptor.rawValue, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK else { return nil }
        return processID(in: file) ?? 0
    }

    /// Makes a file that only the owner reads, before a library makes it by the umask.
    func makePrivateFile(_ name: String) throws(Failure) {
        let file = path.appending(name)
        do {
            try FileDescriptor.open(
                file, .readWrite, options: [.create, .closeOnExec], permissions: .ownerReadWrite
            ).close()
        } catch {
            throw Failure(stateProblem: .systemCall(file, doing: "make", error as? Errno ?? .ioError))
        }
    }

    static func holdsFile(_ path: FilePath) throws(Failure) -> Bool {
        if access(path.string, F_OK) == 0 { return true }
        let reason = errno
        guard reason != ENOENT else { return false }
        throw Failure(stateProblem: .systemCall(path, doing: "look for", Errno(rawValue: reason)))
    }
}
