import ArgumentParser
import MappingConfig
import SyncCore

struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Returns when everything that was in the folders when it was called is delivered.",
        discussion: """
            The running agent looks through the folders once more, and what it finds is waited for; what comes later is \
            not. Exit status 0: all of it is delivered, or left out by a rule or by hand; 1: the rest is listed on \
            stderr.
            """)

    @Option(help: ArgumentHelp("Only the folder of this mapping.", valueName: "id"))
    var mapping: MappingID?

    @Option(
        help: ArgumentHelp("Wait no longer than this, such as 90s, 10m or 2h; else without end.", valueName: "time"),
        transform: { text in
            do throws(SpellingProblem) {
                return try DurationText.parse(text)
            } catch {
                throw ValidationError("--timeout: \(error)")
            }
        })
    var timeout: Duration?

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let deadline = timeout.map { ContinuousClock.now + $0 }
        try await WaitProgram(setup: try Setup.load(options), mapping: mapping, deadline: deadline).run()
    }
}
