import ArgumentParser
import SQLiteQueue
import SyncCore

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists file versions, newest first.",
        discussion: """
            On a terminal as columns; elsewhere one line a file version, with tabs between state, size in bytes, \
            mapping, time of the last change, path and reason.

            States:
            \(PublicState.allCases.map { "  \($0.rawValue.padded(to: 13))\($0.meaning)" }.joined(separator: "\n"))
            """)

    @Option(help: "Only those in this state.")
    var state: PublicState?

    @Option(help: ArgumentHelp("Only those of this mapping.", valueName: "id"))
    var mapping: MappingID?

    @Option(help: ArgumentHelp("At most so many.", valueName: "number"))
    var limit = 100

    @OptionGroup var output: JSONOption
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit \(limit): write a number from 1") }
    }

    func run() async throws {
        let setup = try Setup.load(options)
        var entries: [DeliverySummary] = []
        if let reader = try setup.openReader() {
            do throws(Failure) {
                entries = try await reader.list(state: state, mapping: mapping, limit: limit)
            } catch {
                throw CommandFailure(error)
            }
        }
        if output.json {
            let files = entries.map { FileEntry($0, in: setup.configuration.mapping($0.mapping)) }
            StandardOutput.line(JSONText.line(["files": files]))
        } else {
            show(entries, setup.configuration)
        }
    }

    private func show(_ entries: [DeliverySummary], _ configuration: Configuration) {
        let style = TextStyle.standardOutput
        let table = FileTable(entries: entries, configuration: configuration, style: style, now: SystemTime.wall())
        StandardOutput.write(table.lines.map { $0 + "\n" }.joined())
        guard style.isTerminal else { return }
        if entries.isEmpty {
            let asked = state != nil || mapping != nil
            StandardError.write(
                asked ? "there is no such file version\n" : "no file version is known yet: nothing was run here\n")
        } else if entries.count == limit {
            StandardError.write("the newest \(Words.grouped(limit)); more with --limit\n")
        }
    }
}

extension PublicState: ExpressibleByArgument {}

extension MappingID: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
