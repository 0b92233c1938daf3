import ArgumentParser
import MappingConfig
import RedivisAPI
import SQLiteQueue
import SyncCore

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validates the mapping file and shows which mapping takes what.",
        discussion: "With --online it also asks Redivis: token, dataset, open version, table, what an upload will do.")

    @Flag(help: "Ask Redivis too. An upload session is opened on each table and left unused; nothing else is changed.")
    var online = false

    @OptionGroup var output: JSONOption
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        do throws(CommandFailure) {
            try await check(Setup.load(options))
        } catch {
            if output.json, let first = error.mappingProblems.first {
                StandardOutput.line(
                    JSONText.line(CheckReport(mappingFile: first.file, problems: error.mappingProblems)))
            }
            throw error
        }
    }

    private func check(_ setup: Setup) async throws(CommandFailure) {
        let tokens = LiveTokens(setup)
        try await setup.refuseOwnFilesInFolders(tokens)
        if online, let problem = tokens.problemOfAll { throw CommandFailure(.noToken, problem.description) }
        let remote = online ? try setup.remote(tokens, logger: options.logger()) : nil
        let remotes = remote.map { TokenRemotes($0, tokens) }
        let standard = online ? try? tokens.found(.standard).get() : nil
        var report = CheckReport(setup, tokenSource: standard?.source)
        for mapping in setup.configuration.mappings {
            let account = TokenAccount(tokenFile: mapping.tokenFile)
            var entry = await MappingReport(mapping, setup.configuration)
            if let remotes { await entry.ask(remotes.remote(of: account), tokens.found(account), mapping) }
            report.mappings.append(entry)
        }
        await remote?.shutdown()
        // The folders were looked at with the rights of whoever asks; the state directory is its owner's.
        let pauses = (try? await setup.openReader()?.pauses()) ?? Pauses()
        for (index, mapping) in setup.configuration.mappings.enumerated() {
            report.mappings[index].notePause(pauses, mapping)
        }
        StandardOutput.line(output.json ? JSONText.line(report) : report.sheet(.standardOutput).text)
        if let status = report.status {
            throw CommandFailure(
                status,
                report.mappings.flatMap { mapping in mapping.problems.map { "\(mapping.mapping): \($0)" } })
        }
    }
}

/// What `check` found: docs/schemas/check.json.
struct CheckReport: Encodable {
    let mappingFile: String
    let api: String?
    let stateDirectory: String?
    /// Where the token came from, never the token; `nil` where Redivis was not asked.
    let tokenSource: String?
    /// Of the mapping file itself; where there are any, nothing else was looked at.
    let problems: [MappingProblem]
    var mappings: [MappingReport] = []

    enum CodingKeys: String, CodingKey {
        case api, problems, mappings
        case mappingFile = "mapping_file"
        case stateDirectory = "state_directory"
        case tokenSource = "token_source"
    }

    init(_ setup: Setup, tokenSource: String?) {
        mappingFile = PathText(setup.file.path.bytes).text
        api = setup.configuration.settings.api
        stateDirectory = PathText(setup.statePath.bytes).text
        self.tokenSource = tokenSource
        problems = []
    }

    init(mappingFile: String, problems: [MappingProblem]) {
        self.mappingFile = mappingFile
        api = nil
        stateDirectory = nil
        tokenSource = nil
        self.problems = problems
    }

    /// How the command ends; `nil` where nothing is wrong. A refused token concerns every table, and so does a
    /// network that lets none of them be asked.
    var status: ExitStatus? {
        guard mappings.contains(where: { !$0.problems.isEmpty }) else { return nil }
        let refusals = mappings.compactMap(\.refusal).map(ExitStatus.init)
        if refusals.contains(.noToken) { return .noToken }
        let isOutOfReach =
            !refusals.isEmpty && refusals.count == mappings.count
            && refusals.allSatisfy { $0 == .outOfReach }
        return isOutOfReach ? .outOfReach : .somethingLeft
    }

    func sheet(_ style: TextStyle) -> Sheet {
        var sheet = Sheet(style, labelWidth: 13)
        sheet.field("mapping file", mappingFile, indent: 0)
        if let stateDirectory { sheet.field("state", stateDirectory, indent: 0) }
        if let api { sheet.field("Redivis", "\(api)\(tokenSource.map { ", token from \($0)" } ?? "")", indent: 0) }
        for mapping in mappings { mapping.write(to: &sheet) }
        return sheet
    }
}
