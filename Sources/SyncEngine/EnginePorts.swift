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
    case tableReady(TableReference, RemoteTable)
    case tableProblem(TableReference, Failure)
    case sourceProblem(MappingID, RelativePath, Failure)
    /// Bytes that have left for the storage host, not yet confirmed; `total` in bytes.
    case sending(DeliveryID, RelativePath, offset: Int64, total: Int64)
    /// A decision was saved.
    case moved(Delivery, note: String)
    /// The queue could not be used; what was tried is tried again.
    case queueProblem(Failure)
}

public typealias EngineObserver = @Sendable (EngineReport) -> Void
