import ArgumentParser
import MappingConfig
import SQLiteQueue
import SyncCore

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "What would be uploaded now, and what the edited mapping file would change.",
        discussion: """
            Looks through the mapped folders and holds them against the queue; nothing is sent, nothing is written, and \
            no content is read. Exit status 1: a folder could not be looked through wholly.
            """)

    @Flag(help: "Agree to what an edit of the mapping file would send, where the agent waits for that.")
    var accept = false

    @Argument(help: "With --accept: the edit that is meant, as plan shows it; by default the file as it is now.")
    var edit: String?

    func validate() throws {
        guard edit == nil || accept else { throw ValidationError("an edit is named with --accept only") }
        let isName = { (name: String) in name.utf8.count >= 6 && name.allSatisfy(\.isHexDigit) }
        if let edit, !isName(edit) {
            throw ValidationError("`\(edit.printable)` names no edit; it is at least 6 hex digits, as plan shows them")
        }
    }

    @OptionGroup var output: JSONOption
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        if accept {
            let name = try edit ?? Setup.load(options).file.sha256.hex
            try await StateChange.perform(.acceptPlan(edit: name), options).report(nothing: "nothing to accept")
            return
        }
        let report = try await plan(try Setup.load(options))
        StandardOutput.line(output.json ? JSONText.line(report) : report.sheet(.standardOutput).text)
        let problems = report.mappings.flatMap { entry in entry.problems.map { "\(entry.mapping): \($0)" } }
        guard problems.isEmpty else { throw CommandFailure(.somethingLeft, problems) }
    }

    private func plan(_ setup: Setup) async throws(CommandFailure) -> PlanReport {
        // As whoever asks, as `check` does; the state directory is read as its owner.
        let before = LastGoodMappingFile.load(from: setup.statePath, for: setup.file.path)
        var report = PlanReport(
            mappingFile: PathText(setup.file.path.bytes).text, stateDirectory: PathText(setup.statePath.bytes).text,
            edits: before.map { MappingEdit.all(from: $0.configuration, to: setup.configuration) } ?? [])
        let reader = try setup.openReader()
        do throws(Failure) {
            if let before { report.confirmation = try await confirmation(before, setup.file, reader) }
            try await fill(&report, setup.configuration, reader)
        } catch {
            throw CommandFailure(error)
        }
        return report
    }

    private func confirmation(
        _ before: LoadedMappingFile, _ after: LoadedMappingFile, _ reader: QueueReader?
    ) async throws(Failure) -> PlanReport.Confirmation? {
        guard let limit = EditCount.limit(of: before.configuration, and: after.configuration) else { return nil }
        let counter = EditCounter(before: before.configuration, after: after.configuration, reader: reader)
        guard !counter.gaining.isEmpty else { return nil }
        do {
            return PlanReport.Confirmation(edit: after.name, limit: limit, try await counter.count { _ in })
        } catch let failure as Failure {
            throw failure
        } catch {
            // Cancelled: nobody reads it.
            return nil
        }
    }

    private func fill(
        _ report: inout PlanReport, _ configuration: Configuration, _ reader: QueueReader?
    ) async throws(Failure) {
        let figures = try await reader?.figures() ?? QueueFigures()
        var total = FileCount()
        var tables: Set<TableReference> = []
        for mapping in configuration.mappings {
            let entry = PlanReport.Entry(
                mapping, try await FolderComparison(mapping, configuration, reader), figures)
            total += FileCount(files: entry.upload.files, bytes: entry.upload.bytes)
            if entry.upload.files > 0 { tables.insert(mapping.table) }
            report.mappings.append(entry)
        }
        (report.files, report.bytes, report.tables) = (total.files, total.bytes, tables.count)
        let now = SystemTime.wall()
        let begin = Timestamp(milliseconds: now.milliseconds - DeliveryWindow.length.saturatingMilliseconds)
        if let recent = try await reader?.recentDeliveries(since: begin, limit: DeliveryWindow.mostRead) {
            report.expectedSeconds = DeliveryPace(recent.deliveries)?.duration(of: total)?.inSeconds
        }
    }
}
