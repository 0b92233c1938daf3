import Logging
import Synchronization

/// A log that keeps what it is told, in order.
public final class LogLines: LogHandler, Sendable {
    private let said = Mutex<[LogEvent]>([])
    public var events: [LogEvent] { said.withLock { $0 } }
    public var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    public var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    public init() {}

    public func log(event: LogEvent) { said.withLock { $0.append(event) } }
}
