import ArgumentParser
import SyncCore

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "The whole at a glance: mappings, queue, rates, problems.",
        discussion: """
            Works whether an agent runs or not. Exit status 0: all is well; 1: something is parked, held, refused or \
            otherwise in trouble, listed on stderr.
            """)

    @Flag(help: "Redraw every second, until Ctrl-C; elsewhere than on a terminal, print it anew every five.")
    var watch = false

    @OptionGroup var output: JSONOption
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let reader = StatusReader(try Setup.loadForRun(options))
        if watch {
            try await StatusWatch(reader: reader, asJSON: output.json).run()
            return
        }
        let picture = StatusPicture(try await reader.facts())
        if output.json {
            StandardOutput.line(JSONText.line(picture.report))
        } else {
            let lines = picture.lines(.standardOutput, showsProblems: false)
            StandardOutput.write(lines.map { $0 + "\n" }.joined())
        }
        let problems = picture.report.problems
        guard problems.isEmpty else { throw CommandFailure(.somethingLeft, problems.map(\.line)) }
    }
}
