import ArgumentParser
import LocalFiles
import Logging
import MappingConfig
import RedivisAPI
import SQLiteQueue
import SyncCore
import SyncEngine

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Scans the mapped folders, delivers all that is settled or settles meanwhile, and ends.",
        discussion: """
            Exit status: 0 everything is delivered; 1 something is left, listed on stderr; 69 Redivis is out of \
            reach. What was begun goes on where it stopped at the next run.
            """)

    @Flag(help: "Ends when everything is delivered that can be. This version runs in no other way.")
    var once = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard once else {
            throw ValidationError("this version runs with --once only, for example from cron: redivis-sync run --once")
        }
    }

    func run() async throws {
        SecretMemory.keepOffDisk()
        let logger = options.logger()
        let setup = try Setup.loadForRun(options)
        for problem in setup.problems?.problems ?? [] { StandardError.write("\(problem)\n") }
        if setup.problems != nil {
            StandardError.write("redivis-sync: going on with the last good mapping file; mend the problems above\n")
        }
        let token = try setup.token()
        try setup.refuseOwnFilesInFolders(token: token)
        let queue = try await setup.openQueue(logger: logger)
        if setup.problems == nil { try LastGoodMappingFile.keep(setup.file, in: setup.statePath) }
        let remote = try setup.remote(token: token, logger: logger)
        let ending = await deliver(setup, queue, remote, logger)
        await remote.shutdown()
        try await ending.report(queue)
        if setup.problems != nil { throw CommandFailure(.somethingLeft, []) }
    }

    private func deliver(_ setup: Setup, _ queue: SQLiteQueue, _ remote: RedivisRemote, _ logger: Logger) async
        -> RunEnding
    {
        LocalSourceReader.ignoreLeaseSignals()
        let showsProgress = ProgressDisplay.isWanted
        // On a terminal the bars tell what happens; troubles are still written.
        let board = RunBoard(logger: showsProgress && !options.verbose ? logger.quieter : logger)
        let run = OnceRun(
            configuration: setup.configuration, ports: setup.ports(queue: queue, remote: remote),
            host: Setup.hostName, observer: board.observe)
        return await withTaskGroup(of: RunEnding?.self) { group in
            group.addTask {
                do {
                    return .finished(try await run.run(), board.snapshot)
                } catch let failure as Failure {
                    return .failed(failure)
                } catch {
                    return nil
                }
            }
            group.addTask {
                await SignalWatch.wait()
                return Task.isCancelled ? nil : .stopped
            }
            if showsProgress {
                group.addTask {
                    await ProgressDisplay(board: board).run()
                    return nil
                }
            }
            var ending: RunEnding?
            while ending == nil, let next = await group.next() { ending = next }
            group.cancelAll()
            return ending ?? .stopped
        }
    }
}

extension Logger {
    fileprivate var quieter: Logger {
        var logger = self
        logger.logLevel = max(logLevel, .warning)
        return logger
    }
}

/// How a single run ended, and what there is to say of it.
enum RunEnding: Sendable {
    case finished(OnceResult, RunBoard.Counts)
    case failed(Failure)
    case stopped

    static let listed = 20

    func report(_ queue: SQLiteQueue) async throws {
        do throws(Failure) {
            try await queue.flushReceipts()
        } catch {
            throw CommandFailure(error)
        }
        switch self {
        case .stopped:
            throw CommandFailure(.somethingLeft, "stopped; the next run goes on where this one ended")
        case .failed(let failure):
            throw CommandFailure(failure)
        case .finished(let result, let counts):
            StandardOutput.line(summary(counts))
            let left = try await leftBehind(result, counts, queue)
            guard left.isEmpty else { throw CommandFailure(status(result, counts), left) }
        }
    }

    private func summary(_ counts: RunBoard.Counts) -> String {
        var text = "delivered \(Words.count(counts.delivered, "file")), \(Words.bytes(counts.bytes))"
        if counts.adopted > 0 { text += "; \(Words.grouped(counts.adopted)) already on their tables" }
        return text
    }

    /// Nothing could be asked of Redivis at all: that is the network's fault, not a file's.
    private func status(_ result: OnceResult, _ counts: RunBoard.Counts) -> ExitStatus {
        let isOutOfReach =
            !result.tableFailures.isEmpty && counts.delivered + counts.adopted == 0
            && result.tableFailures.values.allSatisfy { $0.kind == .transient }
        return isOutOfReach ? .outOfReach : .somethingLeft
    }

    private func leftBehind(_ result: OnceResult, _ counts: RunBoard.Counts, _ queue: SQLiteQueue) async throws
        -> [String]
    {
        var lines: [String] = []
        for (mapping, problem) in counts.folderProblems.sorted(by: { $0.key < $1.key }) {
            lines.append("mapping \(mapping): \(problem)")
        }
        if counts.unreadableEntries > 0 {
            lines.append(
                "\(Words.count(counts.unreadableEntries, "entry", "entries")) of the folders could not be read")
        }
        for (table, failure) in result.tableFailures.sorted(by: { $0.key.text < $1.key.text }) {
            lines.append("table \(table): \(failure)")
        }
        do throws(Failure) {
            for state in [PublicState.parked, .held, .waiting] {
                lines += try await Self.lines(of: state, queue)
            }
        } catch {
            throw CommandFailure(error)
        }
        let waiting = result.workload.live + result.workload.blocked
        if waiting > 0 { lines.append("\(Words.count(waiting, "file")) still queued") }
        let importing = result.workload.importing
        if importing > 0 {
            lines.append("\(Words.count(importing, "file")) registered, whose import has not been seen to end")
        }
        if result.unsettled > 0 { lines.append("\(Words.count(result.unsettled, "file")) still being written") }
        lines += queue.unreadableRows.map(\.description)
        return lines
    }

    private static func lines(of state: PublicState, _ queue: SQLiteQueue) async throws(Failure) -> [String] {
        let entries = try await queue.reader.list(state: state, limit: listed + 1)
        var lines = entries.prefix(listed).map { entry in
            "\(state.rawValue): \(entry.mapping): \(entry.path): \(entry.remedyText ?? "")"
        }
        if entries.count > listed {
            lines.append("… and more; see: redivis-sync list --state \(state.rawValue)")
        }
        return lines
    }
}
