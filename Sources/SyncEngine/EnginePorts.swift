import SyncCore

/// Everything outside of the engine, as the composition root hands it in.
public struct EnginePorts: Sendable {
    public let clock: any SyncClock
    public let scanner: any FolderScanner
    public let sources: any SourceReader
    public let queue: any DeliveryQueue
    /// What carries each table's token.
    private let remotes: any TableRemotes
    /// Drawn evenly from 0..<1; the jitter of waits.
    public let random: @Sendable () -> Double

    /// - Parameter naming: tells file systems apart by more than their device numbers; `nil`: those have to do.
    public init(
        clock: any SyncClock, scanner: any FolderScanner, sources: any SourceReader, queue: any DeliveryQueue,
        remotes: any TableRemotes, random: @escaping @Sendable () -> Double, naming: (any FileSystemNaming)? = nil
    ) {
        let registry = naming.map { FileSystemRegistry(naming: $0, queue: queue) }
        self.clock = clock
        self.scanner = registry.map { NumberedScanner(scanner, $0) } ?? scanner
        self.sources = registry.map { NumberedSources(base: sources, registry: $0) } ?? sources
        self.queue = queue
        self.remotes = remotes
        self.random = random
    }

    /// With one token for all tables.
    public init(
        clock: any SyncClock, scanner: any FolderScanner, sources: any SourceReader, queue: any DeliveryQueue,
        remote: any UploadRemote, random: @escaping @Sendable () -> Double, naming: (any FileSystemNaming)? = nil
    ) {
        self.init(
            clock: clock, scanner: scanner, sources: sources, queue: queue, remotes: OneRemote(remote: remote),
            random: random, naming: naming)
    }

    /// The token goes with the table: whoever asks about a table asks by this.
    public func remote(for table: TableReference) -> any UploadRemote { remotes.remote(for: table) }

    /// Tables of one account are refused together where Redivis refuses its token.
    public func account(of table: TableReference) -> TokenAccount { remotes.account(of: table) }
}

/// Which token goes with which table.
public protocol TableRemotes: Sendable {
    /// Redivis, asked with the table's token.
    func remote(for table: TableReference) -> any UploadRemote
    func account(of table: TableReference) -> TokenAccount
}

private struct OneRemote: TableRemotes {
    let remote: any UploadRemote

    func remote(for table: TableReference) -> any UploadRemote { remote }
    func account(of table: TableReference) -> TokenAccount { .standard }
}

/// What the engine tells while it works: for a terminal's progress bars and for the log.
public enum EngineReport: Sendable {
    case scanned(MappingID, ScanReport)
    case folderProblem(MappingID, Failure)
    case folderState(MappingID, FolderState)
    /// Which directory the folder is now; `nil` where it is not there.
    case folderRoot(MappingID, FolderIdentity?)
    case tableReady(TableReference, RemoteTable)
    case tableProblem(TableReference, Failure)
    /// What troubled questions about a table that stayed in use is over.
    case tableAnswers(TableReference)
    case sourceProblem(MappingID, RelativePath, Failure)
    /// The files of a mapping that lay on a device cannot be reached; `nil`: they can again.
    case filesAway(MappingID, device: UInt64, Failure?)
    /// Bytes that have left for the storage host, not yet confirmed; `total` in bytes.
    case sending(DeliveryID, RelativePath, offset: Int64, total: Int64)
    /// A decision was saved.
    case moved(Delivery, note: String)
    /// The queue could not be used; what was tried is tried again.
    case queueProblem(Failure)
    /// A service has gone through its loop once more.
    case alive(EngineService)
}

/// The parts of the engine that have to make progress for it to be alive. Each gives a sign at least every
/// `AgentRun.longestPause`.
public enum EngineService: Hashable, Sendable, CaseIterable {
    case dispatcher, settling, tables, follower
}

/// How the folder of a mapping is looked after.
public enum FolderState: Hashable, Sendable {
    /// The kernel tells of everything.
    case watching
    /// Scanned now and then, since events are not to be had.
    case polling(WatchGap)
    /// Some directories are watched, the others are polled.
    case partly(watched: Int, unwatched: Int, WatchGap)
    case scanning
    /// Not there; waited for.
    case unmounted(Failure)
}

public typealias EngineObserver = @Sendable (EngineReport) -> Void
