import ArgumentParser
import SyncCore
import Testing

@testable import RedivisSyncCLI

@Suite struct HelpTests {
    private static let commands: [any ParsableCommand.Type] = RedivisSyncCommand.configuration.subcommands

    @Test func theHelpListsEveryCommandAndExitStatus() {
        let help = RedivisSyncCommand.helpMessage(columns: 200)
        #expect(Self.commands.count >= 8)
        for command in Self.commands {
            #expect(help.contains("\n  \(command._commandName) "), "\(command._commandName)")
            #expect(help.contains(command.configuration.abstract), "\(command._commandName)")
        }
        for status in Status.allCases { #expect(help.contains("  \(status.rawValue) ")) }
    }

    @Test func theHelpOfListExplainsEveryState() {
        let help = RedivisSyncCommand.helpMessage(for: ListCommand.self, columns: 200)
        for state in PublicState.allCases { #expect(help.contains(state.meaning), "\(state)") }
    }

    @Test(arguments: [
        ["nonsense"], ["list", "--limit", "0"], ["list", "--state", "nonsense"], ["list", "--mapping", "a b"],
        ["resolve", "a"], ["resolve", "a", "--add", "--ignore"], ["resolve", "--add"], ["retry"],
        ["retry", "a", "--all"],
        ["forget"], ["why"], ["why", "a", "b"], ["run", "--once", "--log-level", "loud"],
        ["check", "--log-format", "xml"], ["sandbox", "--port", "70000"], ["sandbox", "--fault", "x"],
        ["sandbox", "--switch", "x=y"], ["why", ""],
    ])
    func wrongUsageIsSeenBeforeAnythingIsDone(arguments: [String]) {
        #expect(throws: (any Error).self) {
            do {
                _ = try RedivisSyncCommand.parseAsRoot(arguments)
            } catch {
                #expect(RedivisSyncCommand.exitCode(for: error).rawValue == Status.usage.rawValue)
                throw error
            }
        }
    }

    @Test(arguments: [
        ["run", "--once", "-v"], ["check", "--online", "--json"], ["list", "--state", "held", "--limit", "5"],
        ["why", "--json", "a"], ["retry", "--all"], ["forget", "a", "b"], ["resolve", "a", "b", "--ignore"],
        ["sandbox", "--port", "0", "--sink"], ["list", "--log-level", "debug", "--log-format", "json"],
    ])
    func theUsagesOfTheContractAreTaken(arguments: [String]) throws {
        _ = try RedivisSyncCommand.parseAsRoot(arguments)
    }
}

/// Holds docs/command-line.md against the code.
@Suite struct CommandLineDocumentationTests {
    /// The rows of the table below a heading, each as its cells.
    private static func table(below heading: String) throws -> [[String]] {
        let lines = try Project.read("docs/command-line.md").split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex { $0 == "## \(heading)" }, "no heading \(heading)")
        return lines[(start + 1)...].prefix { !$0.hasPrefix("## ") }.filter { $0.hasPrefix("| ") }.dropFirst(2)
            .map { $0.split(separator: "|").map { cell in String(cell.trimmed) } }
    }

    @Test func theExitStatusesAreThoseOfTheCode() throws {
        #expect(
            try Self.table(below: "Exit status") == Status.allCases.map { ["\($0.rawValue)", $0.meaning] })
    }

    @Test func theStatesAreThoseOfTheCode() throws {
        #expect(
            try Self.table(below: "States of a file version")
                == PublicState.allCases.map { ["`\($0.rawValue)`", $0.meaning] })
    }

    @Test func theKindsOfPathAreThoseOfTheCode() throws {
        let page = try Project.read("docs/command-line.md")
        for kind in PathKind.names { #expect(page.contains("`\(kind)`"), "\(kind)") }
        for verdict in PathStory.Verdict.allCases { #expect(page.contains("`\(verdict.rawValue)`")) }
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var rest = self.drop { $0 == " " }
        while rest.last == " " { rest.removeLast() }
        return rest
    }
}
