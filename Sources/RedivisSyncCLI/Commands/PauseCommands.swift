import ArgumentParser
import SyncCore

struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Begins no new transfer, of one mapping or of all, until `resume`.",
        discussion: """
            What has begun goes on to its end, and files are still seen and queued. A pause outlives a restart.
            """)

    @Argument(help: ArgumentHelp("The mapping; else all of them.", valueName: "id"))
    var mapping: MappingID?

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await StateChange.perform(.pause(mapping: mapping), options).report(nothing: "nothing to pause")
    }
}

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Ends a pause of one mapping, or of all.",
        discussion: "What the mapping file pauses (`paused: true`) stays paused.")

    @Argument(help: ArgumentHelp("The mapping; else all of them.", valueName: "id"))
    var mapping: MappingID?

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await StateChange.perform(.resume(mapping: mapping), options).report(nothing: "nothing to resume")
    }
}
