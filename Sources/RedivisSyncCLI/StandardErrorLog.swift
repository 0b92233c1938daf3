import Glibc
import Logging
import SyncCore

/// One line an event on stderr: a constant message, the facts behind it.
struct StandardErrorLog: LogHandler {
    let format: LogFormat
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    init(format: LogFormat, level: Logger.Level) {
        self.format = format
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        StandardError.write(line(of: event, at: SystemTime.wall()))
    }

    func line(of event: LogEvent, at time: Timestamp) -> String {
        let facts = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues { "\($0)" }
        let now = Words.isoTime(time)
        switch format {
        case .text:
            let tail = facts.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted($0.value))" }.joined()
            return "\(now) \(event.level.rawValue) \(event.message.description.printable)\(tail)\n"
        case .json:
            var line = facts
            line["time"] = now
            line["level"] = event.level.rawValue
            line["message"] = "\(event.message)"
            return JSONText.line(line) + "\n"
        }
    }

    private static func quoted(_ value: String) -> String {
        let printable = value.printable
        guard printable.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) || printable.isEmpty else {
            return printable
        }
        // A name that ends in a backslash must not end the quotes.
        return "\"" + printable.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

enum SystemTime {
    /// The wall clock, for log lines.
    static func wall() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
