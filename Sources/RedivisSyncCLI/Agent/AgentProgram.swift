import FolderWatch
import Glibc
import LocalFiles
import Logging
import MappingConfig
import RedivisAPI
import SQLiteQueue
import ServiceLifecycle
import SyncCore
import SyncEngine

/// `run` without `--once`: the services of the agent, from their start to an orderly end.
struct AgentProgram: Sendable {
    let setup: Setup
    let queue: SQLiteQueue
    let remote: RedivisRemote
    let tokens: LiveTokens
    let signals: SignalWatch
    let logger: Logger

    /// An end takes no longer than this; every state is saved before it is acted on, so that nothing is lost by it.
    static let longestEnd: Duration = .milliseconds(4500)

    /// Returns after SIGTERM or SIGINT.
    func run() async throws(CommandFailure) {
        LocalSourceReader.ignoreLeaseSignals()
        // Until the service that answers it has begun; its default would end the program.
        signal(SIGHUP, SIG_IGN)
        // A file system that hangs, or a scan in its midst, does not keep the agent from ending.
        signals.limitEnd(to: Self.longestEnd) { [logger] in
            logger.notice("stopped without waiting any longer; what was under way goes on at the next start")
        }
        let notifier = ServiceNotifier()
        let ports = setup.ports(queue: queue, remotes: TokenRemotes(remote, tokens))
        let watcher: InotifyFolderWatcher
        do throws(Failure) {
            watcher = try InotifyFolderWatcher(clock: ports.clock)
        } catch {
            throw CommandFailure(error)
        }
        let transfers = RunBoard(logger: logger)
        let board = AgentBoard(
            setup.configuration, problems: setup.problems?.problems.map(\.description) ?? [],
            wall: { ports.clock.now().wall })
        let agent = AgentRun(
            configuration: setup.configuration, ports: ports, watcher: watcher, host: Setup.hostName,
            observer: { report in
                transfers.observe(report)
                board.observe(report)
            })
        let mappingFile = MappingFileService(
            setup, agent: agent, tokens: tokens, remote: remote, sources: ports.sources, reader: queue.reader,
            board: board, notifier: notifier, logger: logger)
        let control = QueueControl(
            queue: queue, sources: ports.sources, configuration: { board.snapshot.configuration }, clock: ports.clock,
            duties: WatchingDuties(
                setup: setup, agent: agent, mappingFile: mappingFile, board: board, transfers: transfers,
                watcher: watcher, queue: queue))
        let services: [any Service] = [
            EngineServiceRunner(agent: agent), mappingFile,
            ControlService(setup: setup, control: control, logger: logger), DamageService(queue: queue),
            LossService(queue: queue),
            UnreadableRetry(queue: queue, sources: ports.sources, control: control, logger: logger),
            NeighbourService(board: board, logger: logger),
            NotifyService(notifier: notifier, board: board, transfers: transfers, queue: queue, logger: logger),
        ]
        let group = ServiceGroup(configuration: .init(services: services, logger: logger.quiet))
        let end = await run(group, notifier)
        await watcher.stop()
        do throws(Failure) {
            try end.get()
            try await queue.flushReceipts()
        } catch {
            throw CommandFailure(error)
        }
        logger.notice("stopped")
    }

    /// - Returns: why the services have ended without having been told to.
    private func run(_ group: ServiceGroup, _ notifier: ServiceNotifier) async -> Result<Void, Failure> {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                await signals.wait()
                guard !Task.isCancelled else { return }
                notifier.tell(.stopping)
                await group.triggerGracefulShutdown()
            }
            defer { tasks.cancelAll() }
            do {
                try await group.run()
                return .success(())
            } catch {
                logger.critical("a service of the agent has ended", metadata: ["reason": "\(error)"])
                return .failure(
                    error as? Failure
                        ?? Failure(.stateUnavailable, scope: .agent, "a service of the agent has ended: \(error)"))
            }
        }
    }
}

/// The engine as one of the services.
private struct EngineServiceRunner: Service {
    let agent: AgentRun

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await agent.run() }
    }
}

/// Ends the agent where its database is damaged: what it would do by one cannot be trusted.
private struct DamageService: Service {
    let queue: SQLiteQueue

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            if let damage = await queue.damage() { throw damage }
        }
    }
}

/// Ends the agent where its state directory, lock or database is not in its place any more: it would work on files that
/// nobody sees, and a second agent beside it.
private struct LossService: Service {
    let queue: SQLiteQueue

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            if let loss = await queue.loss() { throw loss }
        }
    }
}

/// Answers commands.
private struct ControlService: Service {
    let setup: Setup
    let control: QueueControl
    let logger: Logger

    static let pause: Duration = .seconds(10)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var told = ""
            while !Task.isCancelled {
                do throws(Failure) {
                    try await setup.serveControl(control)
                } catch {
                    // Files are delivered all the same; only commands that change something cannot be. A disk that is
                    // full passes.
                    if told != error.description {
                        logger.error("commands cannot reach this agent", metadata: ["reason": "\(error)"])
                    }
                    told = error.description
                }
                try? await Task.sleep(for: Self.pause)
            }
        }
    }
}

/// Tells the service manager that the agent is ready, what it does, and that it is alive.
private struct NotifyService: Service {
    let notifier: ServiceNotifier
    let board: AgentBoard
    let transfers: RunBoard
    let queue: SQLiteQueue
    let logger: Logger

    static let pause: Duration = .seconds(10)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            notifier.tell(.ready)
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await tellStatus() }
                if let interval = notifier.watchdogInterval { group.addTask { await feedWatchdog(interval) } }
            }
        }
    }

    private func tellStatus() async {
        var last = ""
        while !Task.isCancelled {
            let counts = transfers.snapshot
            let line =
                "\(Words.count(counts.delivered, "file")) delivered since the start, "
                + "\(Words.count(counts.transfers.count, "transfer")) under way"
            if line != last { notifier.tell(.status(line)) }
            last = line
            try? await Task.sleep(for: Self.pause)
        }
    }

    /// At half of what the manager waits, and only while every part of the agent makes progress and the database can be
    /// read: an agent that is frozen is started anew.
    private func feedWatchdog(_ interval: Duration) async {
        let start = ContinuousClock.now
        while !Task.isCancelled {
            let frozen = board.frozen(since: start)
            if frozen.isEmpty, await canRead() {
                notifier.tell(.watchdog)
            } else {
                logger.critical("frozen", metadata: ["parts": "\(frozen.map(\.rawValue).joined(separator: ", "))"])
            }
            try? await Task.sleep(for: interval / 2)
        }
    }

    private func canRead() async -> Bool {
        do throws(Failure) {
            _ = try await queue.nextLook()
            return true
        } catch {
            return false
        }
    }
}

extension Logger {
    /// For libraries, whose notes about their own working are nobody's matter here.
    fileprivate var quiet: Logger {
        var logger = self
        logger.logLevel = .error
        return logger
    }
}
