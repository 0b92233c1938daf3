import ArgumentParser
import SQLiteQueue
import SyncCore

struct RebuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild",
        abstract: "Makes a new database where the old one is damaged; what was delivered is not sent again.",
        discussion: """
            Stop the agent first. The damaged database is set aside under a name with the time and never deleted. The \
            new one is made from receipts.jsonl, as far as its chain of hashes holds; what had been under way is found \
            again on the tables. Pauses, and decisions about files that were not delivered, have to be made anew.

            Exit status: 0 there is a new database; 1 the database is whole and was left alone, or receipts.jsonl could \
            be taken up in part only.
            """)

    @Flag(help: "Also where the database is whole.")
    var force = false

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let setup = try Setup.loadForRun(options)
        let directory = try setup.claimState()
        let report: QueueRebuild.Report
        do throws(Failure) {
            let damage = try QueueRebuild.damage(in: directory)
            guard damage != nil || force else {
                throw Failure(
                    .rejected, "the database in \(setup.statePath) is whole, so it was left alone",
                    hint: "write --force to make a new one all the same")
            }
            if let damage { StandardOutput.line("found: \(damage.summary)") }
            report = try QueueRebuild.run(in: directory, now: SystemTime.wall())
        } catch {
            throw CommandFailure(error)
        }
        if let kept = report.setAside { StandardOutput.line("set aside: \(kept)") }
        StandardOutput.line(
            "rebuilt: \(Words.count(report.receipts, "receipt")), "
                + "\(Words.count(report.versions, "delivered file version")) known again")
        guard let line = report.brokenLine else { return }
        throw CommandFailure(
            .somethingLeft,
            "line \(line) of receipts.jsonl: \(report.brokenReason ?? "it is no receipt"); it and what follows was left "
                + "out, and is found again on the tables; the next run keeps the file under another name")
    }
}
