import Logging
import Synchronization

/// Writes troubles that last: one line a minute at most for each, however often it is met.
final class TroubleLog: Sendable {
    static let pause: Duration = .seconds(60)

    private let logger: Logger
    private let now: @Sendable () -> ContinuousClock.Instant
    // Troubles come from any of the engine's tasks.
    private let state = Mutex(State())

    fileprivate struct State {
        var written: [String: ContinuousClock.Instant] = [:]
        /// When any trouble of its own was last met, written or not.
        var met: ContinuousClock.Instant?
    }

    init(_ logger: Logger, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.logger = logger
        self.now = now
    }

    /// - Parameter subject: what the trouble is with; together with the message it is the trouble's name.
    func write(
        _ level: Logger.Level, _ message: Logger.Message, about subject: String, _ metadata: Logger.Metadata
    ) {
        let now = now()
        let isDue = state.withLock { state in
            state.met = now
            return state.isDue("\(message) \(subject)", now)
        }
        if isDue { logger.log(level: level, message, metadata: metadata) }
    }

    /// What may be part of a larger trouble: left out while any other is met. For somewhat longer than a minute after
    /// that, so that it does not slip in just before the other is met again.
    func writeWhereQuiet(_ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        let now = now()
        let isDue = state.withLock { state in
            if let met = state.met, met.duration(to: now) < Self.pause * 3 / 2 { return false }
            return state.isDue("\(message)", now)
        }
        if isDue { logger.log(level: level, message, metadata: metadata) }
    }
}

extension TroubleLog.State {
    fileprivate mutating func isDue(_ key: String, _ now: ContinuousClock.Instant) -> Bool {
        if let last = written[key], last.duration(to: now) < TroubleLog.pause { return false }
        // Bounded: what is older says nothing any more.
        if written.count >= 1000 { written = written.filter { $0.value.duration(to: now) < TroubleLog.pause } }
        written[key] = now
        return true
    }
}
