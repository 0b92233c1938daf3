import ArgumentParser
import Glibc
import MappingConfig
import RedivisAPI
import SQLiteQueue
import SyncCore
import SystemPackage

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Looks at this machine: what would keep the agent from its work, with the remedy.",
        discussion: """
            Goes as far as it can where the mapping file is not valid, or none is there. An upload session is opened \
            on the first mapping's table and left unused; nothing else is changed.

            Exit status: 0 nothing is a problem, though there may be warnings; 1 something is, listed on stderr; 78 \
            the mapping file is.
            """)

    @OptionGroup var output: JSONOption
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let style = TextStyle.standardOutput
        var report = DoctorReport()
        var text = DoctorText(style)
        let examination = Examination(options)
        for await checks in examination.checks() {
            report.add(checks)
            // As it comes: some of them take seconds.
            if !output.json { text.lines(of: checks).forEach(StandardOutput.line) }
        }
        if output.json {
            StandardOutput.line(JSONText.line(report))
        } else {
            text.lines(of: report).forEach(StandardOutput.line)
        }
        guard report.verdict == .problem else { return }
        let isMappingFile = report.checks.contains { $0.subject == .mappingFile && $0.verdict == .problem }
        throw CommandFailure(isMappingFile ? .invalidMappingFile : .somethingLeft, report.told)
    }
}
