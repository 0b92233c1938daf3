import SyncCore
import Synchronization
import SystemPackage

/// Mapped folders whose files are bytes in memory, which a test can change between any two reads. Scanner and reader
/// at once, and as strict as the real ones: names lead to inodes, an inode lives while it is open, and every change
/// shows in its observation.
public final class MemoryFolder: FolderScanner, SourceReader {
    /// `st_dev` of all that is in here.
    static let device: UInt64 = 7

    /// What the engine asked for, for hooks.
    public enum Operation: String, CaseIterable, Hashable, Sendable {
        case scan, look, open, observe, rewind, slice
    }

    struct Inode {
        let number: UInt64
        var bytes: [UInt8]
        var modified: Int64
        var changed: Int64
        var writers = WriterProbe.nobody
        var failure: Failure?
    }

    struct State {
        var names: [FilePath: [RelativePath: UInt64]] = [:]
        var inodes: [UInt64: Inode] = [:]
        var unmounted: Set<FilePath> = []
        var serial: UInt64 = 1
        /// What the observations are stamped with: the number of the change.
        var changes: Int64 = 1
        var hook: (@Sendable (Operation, RelativePath?, Int) -> Void)?
        var operations = 0
    }

    let state = Mutex(State())
    let activity: Activity
    /// In bytes.
    let sliceSize: Int

    public init(_ activity: Activity, sliceSize: Int = 100_000) {
        self.activity = activity
        self.sliceSize = sliceSize
    }

    /// Called before each operation, with its number from 0.
    public func setHook(_ hook: (@Sendable (Operation, RelativePath?, Int) -> Void)?) {
        state.withLock { state in
            state.hook = hook
            state.operations = 0
        }
    }

    func note(_ operation: Operation, _ path: RelativePath?) {
        activity.note()
        let (hook, number) = state.withLock { state in
            defer { state.operations += 1 }
            return (state.hook, state.operations)
        }
        hook?(operation, path, number)
    }

    // MARK: Changing files

    /// Makes a file, or writes over its bytes in place.
    public func write(_ path: RelativePath, _ bytes: [UInt8], in folder: FilePath) {
        state.withLock { state in
            let number = state.names[folder]?[path] ?? state.newInode(folder, path)
            state.touch(number) { inode, now in (inode.bytes, inode.modified) = (bytes, now) }
        }
    }

    public func append(_ bytes: [UInt8], to path: RelativePath, in folder: FilePath) {
        state.withLock { state in
            guard let number = state.names[folder]?[path] else { return }
            state.touch(number) { inode, now in
                inode.bytes += bytes
                inode.modified = now
            }
        }
    }

    /// A new inode under the name, as editors and `mv` do it.
    public func replace(_ path: RelativePath, _ bytes: [UInt8], in folder: FilePath) {
        state.withLock { state in
            let number = state.newInode(folder, path)
            state.touch(number) { inode, now in (inode.bytes, inode.modified) = (bytes, now) }
        }
    }

    /// Another ctime and mtime, the same bytes.
    public func touch(_ path: RelativePath, in folder: FilePath) {
        state.withLock { state in
            guard let number = state.names[folder]?[path] else { return }
            state.touch(number) { inode, now in inode.modified = now }
        }
    }

    public func remove(_ path: RelativePath, in folder: FilePath) {
        state.withLock { $0.names[folder]?[path] = nil }
    }

    public func rename(_ path: RelativePath, to new: RelativePath, in folder: FilePath) {
        state.withLock { state in
            guard let number = state.names[folder]?.removeValue(forKey: path) else { return }
            state.names[folder]?[new] = number
            state.touch(number) { _, _ in }
        }
    }

    public func link(_ path: RelativePath, to new: RelativePath, in folder: FilePath) {
        state.withLock { state in
            guard let number = state.names[folder]?[path] else { return }
            state.names[folder]?[new] = number
            state.touch(number) { _, _ in }
        }
    }

    public func setWriters(_ writers: WriterProbe, of path: RelativePath, in folder: FilePath) {
        state.withLock { state in
            guard let number = state.names[folder]?[path] else { return }
            state.inodes[number]?.writers = writers
        }
    }

    /// Looking at it and opening it fail from now on; `nil`: no more.
    public func setFailure(_ failure: Failure?, of path: RelativePath, in folder: FilePath) {
        state.withLock { state in
            guard let number = state.names[folder]?[path] else { return }
            state.inodes[number]?.failure = failure
        }
    }

    public func setMounted(_ isMounted: Bool, _ folder: FilePath) {
        state.withLock { state in
            if isMounted { state.unmounted.remove(folder) } else { state.unmounted.insert(folder) }
        }
    }

    // MARK: Scanner

    public func scan(
        _ folder: FilePath, recursive: Bool, batchSize: Int,
        skipsDirectory: @escaping @Sendable (RelativePath) -> Bool,
        handle: @Sendable ([SeenFile]) async throws -> Void
    ) async throws -> ScanReport {
        note(.scan, nil)
        let seen: [SeenFile] = try state.withLock { state in
            if let problem = state.problem(folder) { throw problem }
            return (state.names[folder] ?? [:]).compactMap { path, number in
                state.inodes[number].map {
                    SeenFile(path: path, observation: $0.observation, links: state.links(number))
                }
            }.sorted { $0.path < $1.path }
        }
        let entered = seen.filter { recursive || $0.path.components.count == 1 }
        var report = ScanReport()
        report.files = entered.count
        for start in stride(from: 0, to: entered.count, by: max(batchSize, 1)) {
            try await handle(Array(entered[start..<min(start + max(batchSize, 1), entered.count)]))
        }
        return report
    }

    // MARK: Reader

    public func problem(with folder: FilePath) async -> Failure? { state.withLock { $0.problem(folder) } }

    public func root(of folder: FilePath) async -> FolderRoot? {
        state.withLock { state in
            state.problem(folder) == nil
                ? FolderRoot(
                    FolderIdentity(device: Self.device, inode: 2),
                    isEmpty: state.names[folder]?.isEmpty ?? true) : nil
        }
    }

    public func device(above path: RelativePath, in folder: FilePath) async -> UInt64? {
        state.withLock { $0.problem(folder) == nil ? Self.device : nil }
    }

    public func look(at path: RelativePath, in folder: FilePath) async throws(Failure) -> FileLook? {
        note(.look, path)
        let result: Result<FileLook?, Failure> = state.withLock { state in
            if let problem = state.problem(folder) { return .failure(problem) }
            guard let number = state.names[folder]?[path], let inode = state.inodes[number] else {
                return .success(nil)
            }
            if let failure = inode.failure { return .failure(failure) }
            return .success(
                FileLook(observation: inode.observation, links: state.links(number), writers: inode.writers))
        }
        return try result.get()
    }

    public func open(_ path: RelativePath, in folder: FilePath) async throws(Failure) -> any OpenSource {
        note(.open, path)
        let result: Result<UInt64, Failure> = state.withLock { state in
            if let problem = state.problem(folder) { return .failure(problem) }
            guard let number = state.names[folder]?[path], let inode = state.inodes[number] else {
                return .failure(Failure(.sourceGone, "\(path) is gone"))
            }
            if let failure = inode.failure { return .failure(failure) }
            return .success(number)
        }
        return MemorySource(self, inode: try result.get(), path: path, folder: folder)
    }
}

extension MemoryFolder.Inode {
    var observation: FileObservation {
        FileObservation(
            device: MemoryFolder.device, inode: number, size: Int64(bytes.count), modified: modified, changed: changed)
    }
}

extension MemoryFolder.State {
    mutating func newInode(_ folder: FilePath, _ path: RelativePath) -> UInt64 {
        serial += 1
        inodes[serial] = MemoryFolder.Inode(number: serial, bytes: [], modified: changes, changed: changes)
        names[folder, default: [:]][path] = serial
        return serial
    }

    mutating func touch(_ number: UInt64, _ body: (inout MemoryFolder.Inode, Int64) -> Void) {
        changes += 1
        guard var inode = inodes[number] else { return }
        inode.changed = changes
        body(&inode, changes)
        inodes[number] = inode
    }

    func links(_ number: UInt64) -> UInt64 {
        UInt64(names.values.reduce(0) { $0 + $1.values.count { $0 == number } })
    }

    func problem(_ folder: FilePath) -> Failure? {
        unmounted.contains(folder)
            ? Failure(.sourceGone, scope: .destination, "the folder \(folder) is not there") : nil
    }
}

extension MemoryFolder {
    /// What the path holds now.
    public func bytes(_ path: RelativePath, in folder: FilePath) -> [UInt8]? {
        state.withLock { state in state.names[folder]?[path].flatMap { state.inodes[$0]?.bytes } }
    }
}
