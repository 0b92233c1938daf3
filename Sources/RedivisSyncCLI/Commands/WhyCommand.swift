import ArgumentParser
import SyncCore
import SystemPackage

struct WhyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Everything about one path: what took it, what happened, what comes next; or why it was never seen.")

    @Argument(help: "The file, whether it is there or not.")
    var path: PathArgument

    @OptionGroup var output: JSONOption
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let setup = try Setup.load(options)
        let story = try await PathStory(of: path, setup)
        let folders = setup.configuration.mappings.map { "\($0.folder.string) (\($0.id))" }
        StandardOutput.line(
            output.json ? JSONText.line(story) : story.sheet(.standardOutput, folders: folders).text)
        if story.mappings.isEmpty {
            throw CommandFailure(
                .somethingLeft, "\(path.printable): lies in no mapped folder; add a mapping for its folder")
        }
    }
}
