import ArgumentParser
import MappingConfig
import RedivisAPI
import SQLiteQueue
import SyncCore

struct ReceiptsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipts",
        abstract: "The deliveries as hash-chained JSON lines, or what has become of them.",
        discussion: """
            The lines are those of receipts.jsonl in the state directory. With --verify they are not printed but \
            held against the database, the local files as far as they still exist, and the uploads of their tables.

            Exit status of --verify: 0 all is proven; 1 something is wrong, listed on stderr; 69 Redivis is out of \
            reach. A file that was changed or removed since it was delivered is told and is no error.
            """)

    @Option(
        help: ArgumentHelp(
            "Only those delivered since then: \(SinceTime.forms) ago. UTC where no zone is given.", valueName: "time"),
        transform: { text in
            guard let since = SinceTime(text) else {
                throw ValidationError("`\(text)` is no time; write one as \(SinceTime.forms)")
            }
            return since
        })
    var since: SinceTime?

    @Flag(help: "Hold them against the database, local files and Redivis.")
    var verify = false

    @OptionGroup var output: JSONOption
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let setup = try Setup.load(options)
        let since = since?.timestamp(now: SystemTime.wall())
        guard verify else { return try await print(setup, since) }
        // Before the state directory is opened: as root, the rest is done as its owner.
        let tokens = LiveTokens(setup)
        var report = VerificationReport(since: since)
        if let reader = try setup.openReader() {
            let connection = tokens.problemOfAll == nil ? try setup.remote(tokens, logger: options.logger()) : nil
            let verification = ReceiptVerification(setup: setup, reader: reader, since: since)
            do throws(Failure) {
                report = try await verification.run(
                    connection.map { TokenRemotes($0, tokens) }, without: tokens.problemOfAll)
            } catch {
                await connection?.shutdown()
                throw CommandFailure(error)
            }
            await connection?.shutdown()
        }
        StandardOutput.line(output.json ? JSONText.line(report) : report.sheet(.standardOutput).text)
        if let status = report.status { throw CommandFailure(status, report.told) }
    }

    // MARK: The lines

    private static let page = 1000

    private func print(_ setup: Setup, _ since: Timestamp?) async throws(CommandFailure) {
        guard let reader = try setup.openReader() else { return }
        do throws(Failure) {
            try await reader.earlierReceipts { line in
                if since.map({ Self.wasDelivered(line, since: $0) }) ?? true { StandardOutput.write(Self.shown(line)) }
            }
            var after: Int64 = 0
            while true {
                let lines = try await reader.receipts(since: since, after: after, limit: Self.page)
                guard let last = lines.last else { return }
                after = last.sequence
                StandardOutput.write(lines.map { Self.shown($0.json) }.joined())
            }
        } catch {
            throw CommandFailure(error)
        }
    }

    private static func wasDelivered(_ line: String, since: Timestamp) -> Bool {
        guard let time = ReceiptRecord.deliveryTime(in: line).flatMap(SinceTime.init) else { return true }
        return time.timestamp(now: since) >= since
    }

    /// Byte for byte, since hashes are made of them; on a terminal with what it would obey escaped.
    private static func shown(_ line: String) -> String {
        (TextStyle.standardOutput.isTerminal ? JSONText.escapingInvisible(line) : line) + "\n"
    }
}
