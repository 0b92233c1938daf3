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
        abstract: "Watches the mapped folders and delivers what comes; with --once, what is there.",
        discussion: """
            Runs in the foreground until SIGTERM or SIGINT, and then ends with 0: what was under way goes on at the \
            next start. SIGHUP reads the mapping file and the token again; edits of both are seen without it.
            With --once it scans, delivers all that is settled or settles meanwhile, and ends. Exit status then: \
            0 everything is delivered; 1 something is left, listed on stderr; 69 Redivis is out of reach.
            """)

    @Flag(help: "Ends when everything is delivered that can be.")
    var once = false

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let signals = SignalWatch()
        let logger = options.logger()
        let asked = try Setup.loadForRun(options)
        if let problems = asked.problems {
            CommandFailure(problems.problems).write()
            StandardError.write("redivis-sync: going on with the last good mapping file; mend the problems above\n")
        }
        // Who types `run --once` means the file as it is; an agent that starts by itself must not take up what waited.
        let setup = once ? asked : try await asked.reviewed()
        let tokens = try setup.tokens()
        try await setup.refuseOwnFilesInFolders(tokens)
        let queue: SQLiteQueue
        if once {
            queue = try await setup.openQueue(logger: logger)
        } else {
            let room = StateRoom(setup: setup, signals: signals, logger: logger)
            guard let opened = try await room.openQueue() else { return }
            queue = opened
        }
        if setup.problems == nil { await keepMappingFile(setup, logger) }
        let remote = try setup.remote(tokens, logger: logger)
        guard once else {
            try await AgentProgram(
                setup: setup, queue: queue, remote: remote, tokens: tokens, signals: signals, logger: logger
            ).run()
            await remote.shutdown()
            return
        }
        let ending = await deliver(setup, queue, TokenRemotes(remote, tokens), signals, logger)
        await remote.shutdown()
        try await ending.report(queue, setup.configuration)
        if setup.problems != nil { throw CommandFailure(.somethingLeft, []) }
    }

    private func keepMappingFile(_ setup: Setup, _ logger: Logger) async {
        do throws(CommandFailure) {
            try await LastGoodMappingFile.keep(setup.file, in: setup.statePath)
        } catch {
            // A full disk says so soon enough where it matters.
            let words = error.lines.joined(separator: "; ")
            logger.warning("the mapping file could not be kept for the next start", metadata: ["reason": "\(words)"])
        }
    }

    private func deliver(
        _ setup: Setup, _ queue: SQLiteQueue, _ remotes: TokenRemotes, _ signals: SignalWatch, _ logger: Logger
    ) async -> RunEnding {
        LocalSourceReader.ignoreLeaseSignals()
        let showsProgress = ProgressDisplay.isWanted
        // On a terminal the bars tell what happens; troubles are still written, and what was asked for.
        let board = RunBoard(logger: showsProgress && !options.asksForLog ? logger.quieter : logger)
        let ports = setup.ports(queue: queue, remotes: remotes)
        let run = OnceRun(
            configuration: setup.configuration, ports: ports, host: Setup.hostName, observer: board.observe)
        let configuration = setup.configuration
        let control = QueueControl(
            queue: queue, sources: ports.sources, configuration: { configuration }, clock: ports.clock,
            duties: OnceDuties(setup: setup, run: run, board: board, queue: queue))
        return await withTaskGroup(of: RunEnding?.self) { group in
            group.addTask {
                do {
                    return .finished(try await run.run(), board.snapshot, board.elapsed)
                } catch let failure as Failure {
                    return .failed(failure)
                } catch {
                    return nil
                }
            }
            group.addTask { await queue.damage().map { .failed($0) } }
            group.addTask { await queue.loss().map { .failed($0) } }
            group.addTask {
                await signals.wait()
                return Task.isCancelled ? nil : .stopped
            }
            group.addTask {
                do throws(Failure) {
                    try await setup.serveControl(control)
                } catch {
                    // Files are delivered all the same; only commands that change something must wait for the end.
                    logger.warning("commands cannot reach this run", metadata: ["reason": "\(error)"])
                }
                return nil
            }
            if showsProgress {
                group.addTask {
                    await ProgressDisplay(board: board) { await queue.countsByState }.run()
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

extension SQLiteQueue {
    /// Of all mappings; nothing where they cannot be read now.
    fileprivate var countsByState: [PublicState: Int] {
        get async {
            let counts = (try? await reader.counts()) ?? [:]
            return counts.values.reduce(into: [:]) { $0.merge($1) { $0 + $1 } }
        }
    }
}
