import Logging
import Synchronization

/// Writes troubles that last: one line a minute at most for each, however often it is met.
final class TroubleLog: Sendable {
    static let pause: Duration = .seconds(60)

    private let logger: Logger
    // Troubles come from any of the engine's tasks.
    private let written = Mutex<[String: ContinuousClock.Instant]>([:])

    init(_ logger: Logger) {
        self.logger = logger
    }

    /// - Parameter subject: what the trouble is with; together with the message it is the trouble's name.
    func write(
        _ level: Logger.Level, _ message: Logger.Message, about subject: String, _ metadata: Logger.Metadata
    ) {
        let now = ContinuousClock.now
        let isDue = written.withLock { written in
            let key = "\(message) \(subject)"
            if let last = written[key], last.duration(to: now) < Self.pause { return false }
            // Bounded: what is older says nothing any more.
            if written.count >= 1000 { written = written.filter { $0.value.duration(to: now) < Self.pause } }
            written[key] = now
            return true
        }
        if isDue { logger.log(level: level, message, metadata: metadata) }
    }

    /// What may be part of a larger trouble: left out where any trouble was written within the last minute.
    func writeWhereQuiet(_ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        let now = ContinuousClock.now
        let isQuiet = written.withLock { written in
            guard written.values.allSatisfy({ $0.duration(to: now) >= Self.pause }) else { return false }
            written["\(message)"] = now
            return true
        }
        if isQuiet { logger.log(level: level, message, metadata: metadata) }
    }
}
