import ArgumentParser
import Logging

/// What every command takes.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The mapping file; else the first that exists of $REDIVIS_SYNC_MAPPING_FILE, \
            $XDG_CONFIG_HOME/redivis-sync/mapping.yaml and /etc/redivis-sync/mapping.yaml.
            """, valueName: "file"))
    var mappingFile: PathArgument?

    @Option(help: ArgumentHelp("The least important log lines to write; else info.", valueName: "level"))
    var logLevel: LogLevelArgument?

    @Option(help: ArgumentHelp("How log lines are written to stderr.", valueName: "format"))
    var logFormat = LogFormat.text

    @Flag(name: [.short, .long], help: "The same as --log-level debug.")
    var verbose = false

    /// Whether log lines are wanted although progress bars are shown.
    var asksForLog: Bool { verbose || logLevel != nil }

    var level: Logger.Level { logLevel?.level ?? (verbose ? .debug : .info) }

    func logger() -> Logger {
        let format = logFormat
        let level = level
        return Logger(label: "redivis-sync") { _ in StandardErrorLog(format: format, level: level) }
    }
}

struct LogLevelArgument: ExpressibleByArgument {
    let level: Logger.Level

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
