import Glibc
import SyncCore
import Synchronization
import SystemPackage

/// The agent's own directory: 0700, on a local disk, of this machine, and held by one process.
///
/// | file | holds |
/// | --- | --- |
/// | `queue.sqlite`, `-wal`, `-shm` | queue, journal, receipts |
/// | `receipts.jsonl` | the receipts again, one line each |
/// | `lock` | locked (`man 2 flock`) while a process holds the directory, as the directory itself is; its number |
/// | `machine-id` | which machine the directory is of |
public final class StateDirectory: Sendable {
    public let path: FilePath
    private let lock: FileDescriptor
    /// Locked as well: a lock file that somebody removes can be made again, the directory's inode cannot.
    private let directory: FileDescriptor
    /// What has to stay where it is: the database, once it is open. Noted by the queue, asked for by a service.
    private let held = Mutex<[HeldPath]>([])

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

    private init(path: FilePath, lock: FileDescriptor, directory: FileDescriptor) {
        self.path = path
        self.lock = lock
        self.directory = directory
    }

    deinit {
        // Closing gives the locks back. The file stays: removing it would let two processes lock two files.
        try? lock.close()
        try? directory.close()
    }

    /// Makes the directory where it is not there, checks it, and takes its lock until the result is let go.
    public static func claim(
        _ path: FilePath, in surroundings: Surroundings = Surroundings()
    ) throws(StateProblem) -> StateDirectory {
        try create(path)
        try check(path, surroundings)
        // First, so that the lock file still names its holder where this is refused.
        let directory = try takeDirectory(path)
        do throws(StateProblem) {
            let lock = try takeLock(path.appending(lockFile), path)
            do throws(StateProblem) {
                try checkMachine(path, surroundings.machine)
            } catch {
                try? lock.close()
                throw error
            }
            return StateDirectory(path: path, lock: lock, directory: directory)
        } catch {
            try? directory.close()
            throw error
        }
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
        // The lock file may have been removed since.
        guard isLocked(file) || isLocked(path) else { return nil }
        return processID(in: file) ?? 0
    }

    private static func isLocked(_ path: FilePath) -> Bool {
        guard let descriptor = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return false }
        defer { try? descriptor.close() }
        // A shared lock, so that two who ask do not take each other for the holder.
        return flock(descriptor.rawValue, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    // MARK: Staying in place

    /// From now on `loss` looks for this file too.
    func keepsInPlace(_ file: FilePath) {
        var status = stat()
        guard stat(file.string, &status) == 0 else { return }
        let path = HeldPath(path: file, device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        held.withLock { $0.append(path) }
    }

    /// Which of the directory, its lock file and its database is not there any more, or is another one by now. What this
    /// process writes is lost then, and another process may do the same work. Costs three calls of `stat`.
    public func loss() -> StateProblem? {
        let own = [HeldPath(path: path, of: directory), HeldPath(path: path.appending(Self.lockFile), of: lock)]
        let lost = (own.compactMap { $0 } + held.withLock { $0 }).first { !$0.isInPlace }
        return lost.map { .lost($0.path, isDirectory: $0.path == path) }
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

/// A file or directory that is held open, or was: the path has to go on naming it.
private struct HeldPath: Sendable {
    let path: FilePath
    /// `st_dev`, `st_ino`.
    let device: UInt64
    let inode: UInt64

    init(path: FilePath, device: UInt64, inode: UInt64) {
        (self.path, self.device, self.inode) = (path, device, inode)
    }

    init?(path: FilePath, of descriptor: FileDescriptor) {
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0 else { return nil }
        self.init(path: path, device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// A path that cannot be looked at now says nothing.
    var isInPlace: Bool {
        var status = stat()
        guard stat(path.string, &status) == 0 else { return errno != ENOENT && errno != ENOTDIR }
        return UInt64(status.st_dev) == device && UInt64(status.st_ino) == inode
    }
}
