import SyncCore
import Synchronization

/// The mapping file that is in force now. Whoever works with it takes it once for each piece of work, so that a piece
/// begins and ends under one whole file, whatever is edited meanwhile.
public final class LiveConfiguration: Sendable {
    // Every service reads it, on any task, and none may wait for another's turn.
    private let value: Mutex<Configuration>

    public init(_ configuration: Configuration) {
        value = Mutex(configuration)
    }

    public var current: Configuration { value.withLock { $0 } }

    public func replace(with configuration: Configuration) {
        value.withLock { $0 = configuration }
    }
}
