import SyncCore
import Synchronization
import SystemPackage

/// Which number each file system has for good, and which of them each device number stands for now.
///
/// A number is stored before anything is noted under it.
public final class FileSystemRegistry: Sendable {
    private struct State {
        var numbers: FileSystemNumbers?
        /// By the device number of now; renewed wherever a folder or a directory is asked about.
        var current: [UInt64: UInt64] = [:]
    }

    private let naming: any FileSystemNaming
    private let load: @Sendable () async throws(Failure) -> [String: UInt64]
    private let save: @Sendable (String, UInt64) async throws(Failure) -> Void
    // Asked for every file that is looked at, on any task.
    private let state = Mutex(State())

    /// - Parameters:
    ///   - load: the numbers that were saved.
    ///   - save: saves one for good.
    public init(
        naming: any FileSystemNaming, load: @escaping @Sendable () async throws(Failure) -> [String: UInt64],
        save: @escaping @Sendable (String, UInt64) async throws(Failure) -> Void
    ) {
        self.naming = naming
        self.load = load
        self.save = save
    }

    convenience init(naming: any FileSystemNaming, queue: any DeliveryQueue) {
        self.init(
            naming: naming,
            load: { () async throws(Failure) in try await queue.fileSystems() },
            save: { (name, number) async throws(Failure) in try await queue.noteFileSystem(name, number: number) })
    }

    /// The number of a file's file system.
    ///
    /// - Parameter device: `st_dev` of the file.
    func number(
        of device: UInt64, at path: RelativePath, in folder: FilePath
    ) async throws(Failure) -> UInt64 {
        if let known = state.withLock({ $0.current[device] }) { return known }
        guard let found = await naming.fileSystem(above: path, in: folder) else { return device }
        // A single file that is mounted into a directory lies elsewhere.
        return try await note(found.device == device ? found : NamedFileSystem(device: device, name: nil))
    }

    /// Looks once more which file system lies at a place, and which number it has.
    ///
    /// - Returns: `nil` where not even the folder can be opened.
    func renewed(
        above path: RelativePath?, in folder: FilePath
    ) async throws(Failure) -> (device: UInt64, number: UInt64)? {
        guard let found = await naming.fileSystem(above: path, in: folder) else { return nil }
        return (found.device, try await note(found))
    }

    private func note(_ found: NamedFileSystem) async throws(Failure) -> UInt64 {
        if state.withLock({ $0.numbers == nil }) {
            let known = try await load()
            state.withLock { if $0.numbers == nil { $0.numbers = FileSystemNumbers(known) } }
        }
        let name = found.name ?? "device:\(found.device)"
        let (number, isNew) = state.withLock { state -> (UInt64, Bool) in
            var numbers = state.numbers ?? FileSystemNumbers()
            let isNew = numbers.number(of: name) == nil
            let number = numbers.assign(name, device: found.device)
            state.numbers = numbers
            return (number, isNew)
        }
        if isNew {
            do throws(Failure) {
                try await save(name, number)
            } catch {
                state.withLock { $0.numbers?.remove(name) }
                throw error
            }
        }
        state.withLock { $0.current[found.device] = number }
        return number
    }
}

extension FileObservation {
    fileprivate func on(_ fileSystem: UInt64) -> FileObservation {
        FileObservation(device: fileSystem, inode: inode, size: size, modified: modified, changed: changed)
    }
}

/// A scanner whose observations carry the numbers of a registry in place of device numbers.
public struct NumberedScanner: FolderScanner {
    private let base: any FolderScanner
    private let registry: FileSystemRegistry

    public init(_ base: any FolderScanner, _ registry: FileSystemRegistry) {
        self.base = base
        self.registry = registry
    }

    public func scan(
        _ folder: FilePath, recursive: Bool, batchSize: Int,
        skipsDirectory: @escaping @Sendable (RelativePath) -> Bool,
        handle: @Sendable ([SeenFile]) async throws -> Void
    ) async throws -> ScanReport {
        let registry = registry
        _ = try await registry.renewed(above: nil, in: folder)
        return try await base.scan(
            folder, recursive: recursive, batchSize: batchSize, skipsDirectory: skipsDirectory
        ) { batch in
            var numbered: [SeenFile] = []
            numbered.reserveCapacity(batch.count)
            for file in batch {
                let number = try await registry.number(of: file.observation.device, at: file.path, in: folder)
                numbered.append(
                    SeenFile(
                        path: file.path, observation: file.observation.on(number), links: file.links,
                        isWritten: file.isWritten))
            }
            try await handle(numbered)
        }
    }
}

/// A reader whose observations carry the numbers of a registry in place of device numbers.
struct NumberedSources: SourceReader {
    let base: any SourceReader
    let registry: FileSystemRegistry

    func look(at path: RelativePath, in folder: FilePath) async throws(Failure) -> FileLook? {
        guard let look = try await base.look(at: path, in: folder) else { return nil }
        let number = try await registry.number(of: look.observation.device, at: path, in: folder)
        return FileLook(observation: look.observation.on(number), links: look.links, writers: look.writers)
    }

    func open(_ path: RelativePath, in folder: FilePath) async throws(Failure) -> any OpenSource {
        NumberedSource(base: try await base.open(path, in: folder), path: path, folder: folder, registry: registry)
    }

    func problem(with folder: FilePath) async -> Failure? { await base.problem(with: folder) }

    func root(of folder: FilePath) async -> FolderRoot? {
        guard let root = await base.root(of: folder),
            let found = try? await registry.renewed(above: nil, in: folder), found.device == root.identity.device
        else { return nil }
        return FolderRoot(
            FolderIdentity(device: found.number, inode: root.identity.inode), isEmpty: root.isEmpty,
            directory: root.directory)
    }

    func device(above path: RelativePath, in folder: FilePath) async -> UInt64? {
        try? await registry.renewed(above: path, in: folder)?.number
    }
}

private struct NumberedSource: OpenSource {
    let base: any OpenSource
    let path: RelativePath
    let folder: FilePath
    let registry: FileSystemRegistry

    func observe() async throws(Failure) -> FileObservation {
        let observation = try await base.observe()
        return observation.on(try await registry.number(of: observation.device, at: path, in: folder))
    }

    var hashedOffset: Int64 { get async { await base.hashedOffset } }
    func rewind(to offset: Int64) async throws(Failure) -> PrefixDigest { try await base.rewind(to: offset) }
    func read(to end: Int64) async -> SourceSlices { await base.read(to: end) }
    func prefixDigest(at offset: Int64) async -> PrefixDigest? { await base.prefixDigest(at: offset) }
    func content() async -> Content { await base.content() }
    func endsHere() async throws(Failure) -> Bool { try await base.endsHere() }
    func close() async { await base.close() }
}
