import SyncCore

/// Everything outside of the engine, as the composition root hands it in.
public struct EnginePorts: Sendable {
    public let clock: any SyncClock
    public let scanner: any FolderScanner
    public let sources: any SourceReader
    public let queue: any DeliveryQueue
    public let remote: any UploadRemote
    /// Drawn evenly from 0..<1; the jitter of waits.
    public let random: @Sendable () -> Double

    public init(
        clock: any SyncClock, scanner: any FolderScanner, sources: any SourceReader, queue: any DeliveryQueue,
        remote: any UploadRemote, random: @escaping @Sendable () -> Double
    ) {
        self.clock = clock
        self.scanner = scanner
        self.sources = sources
        self.queue = queue
        self.remote = remote
        self.random = random
    }
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
