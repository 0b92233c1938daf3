import CLinux
import Glibc
import SyncCore
import Synchronization
import SystemPackage

/// Opens and observes files of mapped folders on this machine.
///
/// No path leaves its folder, however links and renames race with it (`man 2 openat2`: RESOLVE_BENEATH,
/// RESOLVE_NO_SYMLINKS). What is no regular file is never opened: first only the place is looked at (O_PATH), so
/// that a device or a FIFO does not notice. Sources are opened for reading only.
public final class LocalSourceReader: SourceReader {
    /// Of calls into a folder: far more than a disk takes to spin up, or a file server to go over to its neighbour.
    public static let patience: Duration = .seconds(30)

    private let threadLimit: Int
    private let patience: Duration
    // Looks and readers come from any task.
    private let pools = Mutex<[FilePath: WorkerThreads]>([:])
    private let devices: LocalDevices

    /// - Parameters:
    ///   - threadLimit: how many threads may block in one folder at once; they start when needed.
    ///   - patience: how long a file system may take for one call.
    public convenience init(threadLimit: Int = 16, patience: Duration = LocalSourceReader.patience) {
        self.init(threadLimit: threadLimit, answersFromCache: true, patience: patience)
    }

    init(threadLimit: Int, answersFromCache: Bool, patience: Duration = LocalSourceReader.patience) {
        self.threadLimit = threadLimit
        self.patience = patience
        devices = LocalDevices(isUsed: answersFromCache)
    }

    /// Each folder has its own, so that one that does not answer keeps no other waiting.
    func threads(of folder: FilePath) -> WorkerThreads {
        pools.withLock { pools in
            if let known = pools[folder] { return known }
            let threads = WorkerThreads(
                limit: threadLimit, patience: patience, silence: FileTrouble.silence(of: folder))
            pools[folder] = threads
            return threads
        }
    }

    /// Has SIGIO ignored, process-wide; to be called once, when the program starts.
    ///
    /// A read lease that somebody breaks in the microsecond that it is held is announced by a signal (`man 2 fcntl`).
    /// The probe asks for SIGURG, whose default is to be ignored; this covers a kernel that falls back to SIGIO,
    /// whose default ends the program.
    public static func ignoreLeaseSignals() {
        signal(SIGIO, SIG_IGN)
    }

    public func look(at path: RelativePath, in folder: FilePath) async throws(Failure) -> FileLook? {
        if let root = devices.cachedFolder(folder), let look = try? Self.look(at: path, in: folder, beneath: root) {
            return look
        }
        let devices = devices
        return try await threads(of: folder).run { () throws(Failure) in
            let root = try OpenFile.folder(folder)
            devices.learn(from: root)
            return try Self.look(at: path, in: folder, beneath: root)
        }
    }

    public func open(_ path: RelativePath, in folder: FilePath) async throws(Failure) -> any OpenSource {
        let file = try await openFile(path, in: folder)
        return LocalOpenSource(file: file, path: path, folder: folder, threads: threads(of: folder), devices: devices)
    }

    private func openFile(_ path: RelativePath, in folder: FilePath) async throws(Failure) -> OpenFile {
        if let root = devices.cachedFolder(folder), let file = try? Self.open(path, in: folder, beneath: root) {
            return file
        }
        let devices = devices
        return try await threads(of: folder).run { () throws(Failure) in
            let root = try OpenFile.folder(folder)
            devices.learn(from: root)
            return try Self.open(path, in: folder, beneath: root)
        }
    }

    // MARK: By descriptor

    private static func open(
        _ path: RelativePath, in folder: FilePath, beneath root: OpenFile
    ) throws(Failure) -> OpenFile {
        func trouble(_ error: Errno) -> Failure { FileTrouble.failure(error.rawValue, "open", path, in: folder) }
        switch regularFile(path, beneath: root) {
        case .success: break
        case .failure(let error): throw trouble(error)
        }
        // The place may be taken by something else by now: O_NONBLOCK keeps a FIFO from holding us, and what comes
        // is looked at once more.
        switch root.beneath(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY) {
        case .failure(let error): throw trouble(error)
        case .success(let file):
            guard case .success(let status) = file.status(), status.isRegularFile else {
                throw trouble(.noSuchFileOrDirectory)
            }
            return file
        }
    }

    /// What stat says of the path, where it names a regular file; ENOENT where it names something else.
    private static func regularFile(_ path: RelativePath, beneath root: OpenFile) -> Result<stat, Errno> {
        root.beneath(path, flags: clinux_o_path())
            .flatMap { $0.status() }
            .flatMap { $0.isRegularFile ? .success($0) : .failure(.noSuchFileOrDirectory) }
    }

    private static func look(
        at path: RelativePath, in folder: FilePath, beneath root: OpenFile
    ) throws(Failure) -> FileLook? {
        func verdict(on error: Errno) throws(Failure) -> FileLook? {
            let failure = FileTrouble.failure(error.rawValue, "open", path, in: folder)
            if failure.kind == .sourceGone { return nil }
            throw failure
        }
        let before: stat
        switch regularFile(path, beneath: root) {
        case .success(let status): before = status
        case .failure(let error): return try verdict(on: error)
        }
        switch root.beneath(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY) {
        case .success(let file):
            guard let look = WriterLease.look(at: file) else { return try verdict(on: .ioError) }
            return look.isRegular ? look.look : nil
        case .failure(.resourceTemporarilyUnavailable) where !root.isCachedOnly:
            // Another program's lease is in the way, so that program may be writing.
            return FileLook(observation: FileObservation(before), links: UInt64(before.st_nlink), writers: .somebody)
        case .failure(let error):
            return try verdict(on: error)
        }
    }
}
