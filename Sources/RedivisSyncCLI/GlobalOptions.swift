import ArgumentParser
import Glibc
import Logging
import SyncCore

/// What every command takes.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: """
            The mapping file; else $REDIVIS_SYNC_MAPPING_FILE, $XDG_CONFIG_HOME/redivis-sync/mapping.yaml, \
            /etc/redivis-sync/mapping.yaml.
            """)
    var mappingFile: PathArgument?

    @Option(help: "The least important log lines to write: \(LogLevelArgument.names).")
    var logLevel: LogLevelArgument?

    @Option(help: "How log lines are written to stderr: text or json.")
    var logFormat = LogFormat.text

    @Flag(name: .short, help: "The same as --log-level debug.")
    var verbose = false

    var level: Logger.Level { logLevel?.level ?? (verbose ? .debug : .info) }

    func logger() -> Logger {
        let format = logFormat
        let level = level
        return Logger(label: "redivis-sync") { _ in StandardErrorLog(format: format, level: level) }
    }
}

struct LogLevelArgument: ExpressibleByArgument {
    let level: Logger.Level

    static let names = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
    static var allValueStrings: [String] { Logger.Level.allCases.map(\.rawValue) }

    init?(argument: String) {
        guard let level = Logger.Level(rawValue: argument) else { return nil }
        self.level = level
    }
}

enum LogFormat: String, CaseIterable, ExpressibleByArgument { case text, json }

/// `--json`, for the commands that read.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print JSON.")
    var json = false
}

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
        let facts = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues { "\($0)" }
        let now = Words.isoTime(SystemTime.wall())
        switch format {
        case .text:
            let tail = facts.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted($0.value))" }.joined()
            StandardError.write("\(now) \(event.level.rawValue) \(event.message)\(tail)\n")
        case .json:
            var line = facts
            line["time"] = now
            line["level"] = event.level.rawValue
            line["message"] = "\(event.message)"
            StandardError.write(JSONText.line(line) + "\n")
        }
    }

    private static func quoted(_ value: String) -> String {
        let printable = RelativePath.printable(Array(value.utf8))
        return printable.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) || printable.isEmpty
            ? "\"" + printable.replacing("\"", with: "\\\"") + "\"" : printable
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
