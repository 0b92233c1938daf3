import SyncCore

/// `run`: watches, settles, delivers, until it is told to stop.
public struct AgentRun: Sendable {
    private let live: LiveConfiguration
    private let ports: EnginePorts
    private let watcher: any FolderWatcher
    private let observer: EngineObserver
    private let intake: FolderIntake
    private let dispatcher: DeliveryDispatcher
    private let follower: ImportFollower
    private let tables: TableKeeper
    private let gates: HostGates
    private let twins: TwinKeeper
    private let away: AwayFiles
    private let folders: FolderSupervisor
    private let roots: KnownRoots
    private let scans: ScanDesk
    private let refusalDesk: RefusalDesk
    private let dispatcherBell: DispatcherBell
    private let settleBell = WorkBell()
    private let routeBell = WorkBell()

    /// How often what could not be watched is tried again.
    static let watchRetry: Duration = .seconds(30)
    /// How soon what the queue refused at the start is tried again.
    static let queueRetry: Duration = .seconds(5)
    /// The longest that a service waits where nothing rings.
    static let longestPause: Duration = .seconds(60)

    /// - Parameter host: the name that `{host}` stands for in `upload_name`.
    public init(
        configuration: Configuration, ports: EnginePorts, watcher: any FolderWatcher, host: String,
        observer: @escaping EngineObserver
    ) {
        let gates = HostGates(clock: ports.clock, random: ports.random)
        let ports = ports.gated(by: gates)
        let scans = ScanDesk()
        let observer = scans.listening(observer)
        let live = LiveConfiguration(configuration)
        let refusals = RefusalDesk()
        let directory = TableDirectory(
            ports: ports, registrationDoubt: configuration.settings.registrationDoubt,
            onRefusal: { await refusals.take($0) }, observer: observer)
        let follower = ImportFollower(
            ports: ports, doubt: { live.current.settings.registrationDoubt }, directory: directory, observer: observer)
        let roots = KnownRoots()
        let bell = settleBell
        let twins = TwinKeeper(configuration: live, ports: ports, directory: directory, observer: observer)
        self.twins = twins
        let dispatcherBell = DispatcherBell()
        let away = AwayFiles(
            configuration: live, ports: ports, roots: roots, observer: observer,
            onBack: { await dispatcherBell.ring() })
        self.away = away
        self.dispatcherBell = dispatcherBell
        let runner = DeliveryRunner(
            configuration: live, ports: ports, directory: directory, follower: follower, observer: observer,
            roots: roots, closesRefusedTables: true, meetsMovedFiles: true, onResettled: { await bell.ring() },
            onPostedAgain: { await twins.ring() }, onFileAway: { await away.note($0, $1) })
        let dispatcher = DeliveryDispatcher(
            configuration: live, ports: ports, directory: directory, runner: runner, gates: gates, observer: observer)
        let intake = FolderIntake(configuration: live, ports: ports, host: host, observer: observer)
        self.roots = roots
        self.scans = scans
        self.live = live
        self.ports = ports
        self.watcher = watcher
        self.observer = observer
        self.intake = intake
        self.follower = follower
        self.dispatcher = dispatcher
        tables = TableKeeper(ports: ports, directory: directory, gates: gates, observer: observer) { table in
            await follower.notice(table)
            await dispatcher.ring()
            await twins.ring()
        }
        self.gates = gates
        folders = FolderSupervisor(clock: ports.clock) { mapping in
            FolderKeeper(
                mapping, configuration: live, ports: ports, watcher: watcher, intake: intake, roots: roots,
                observer: observer, onNews: { await bell.ring() }, onRoot: { await dispatcher.ring() })
        }
        refusalDesk = refusals
    }

    /// Runs until the task is cancelled; every file is then at a place that was saved.
    ///
    /// - Throws: a `Failure` of kind `stateUnavailable` where what the queue holds cannot be read.
    public func run() async throws {
        try await begin()
        for mapping in live.current.mappings {
            guard let root = try await ports.queue.folderIdentity(of: mapping.id, at: mapping.folder) else { continue }
            roots.learn(root, of: mapping.folder)
        }
        await refusalDesk.open(with: tables)
        await dispatcherBell.open(with: dispatcher)
        await wantTables()
        await gates.ringing([{ await dispatcher.ring() }, { await tables.retryFailed() }]) {
            await withDiscardingTaskGroup { group in
                group.addTask { await dispatcher.run() }
                group.addTask { await follower.run { event, delivery in await dispatcher.apply(event, to: delivery) } }
                group.addTask { await tables.run() }
                group.addTask { await twins.run { event, delivery in await dispatcher.apply(event, to: delivery) } }
                group.addTask { await away.run() }
                group.addTask { await settle() }
                group.addTask { await reroute() }
                group.addTask { await retryWatches() }
                group.addTask { await folders.run { live.current } }
            }
        }
    }

    /// Waits where the queue cannot be written, as on a full disk: an agent that stays does not give up for that.
    private func begin() async throws {
        while true {
            do throws(Failure) {
                return try await intake.begin()
            } catch {
                guard error.scope == .agent else { throw error }
                observer(.queueProblem(error))
                for service in EngineService.allCases { observer(.alive(service)) }
            }
            try await ports.clock.sleep(for: Self.queueRetry)
        }
    }

    /// Takes up an edited mapping file, wholly or not at all.
    ///
    /// - Throws: a `Failure` of kind `stateUnavailable`; the old one stays in force then.
    public func takeUp(_ configuration: Configuration) async throws(Failure) {
        let before = live.current
        guard configuration != before else { return }
        try await intake.takeUp(configuration)
        await wantTables()
        await tables.retryNow()
        if configuration.mappings != before.mappings {
            await folders.update(to: configuration)
            scans.keep(only: Set(configuration.mappings.map(\.id)))
        }
        await settleBell.ring()
        await dispatcher.ring()
    }

    /// The token may be another one by now, or a person wants to see at once whether a refusal was lifted.
    ///
    /// - Parameter accounts: whose token is another one; `nil`: all are asked.
    public func retryRefusals(of accounts: Set<TokenAccount>? = nil) async { await tables.retryNow(of: accounts) }

    /// Looks through the folder of one mapping, or of all, once more; returns when that is over, and everything that
    /// lies there now has been noticed.
    ///
    /// - Returns: the mappings whose folder could not be looked through.
    public func scan(_ mapping: MappingID?) async -> [MappingID] {
        let wanted = live.current.mappings.map(\.id).filter { mapping == nil || $0 == mapping }
        let (scans, folders) = (scans, folders)
        return await withTaskGroup(of: MappingID?.self) { group in
            for id in wanted {
                group.addTask { await scans.scan(id) { await folders.rescan(id) } ? nil : id }
            }
            return await group.reduce(into: []) { failed, id in
                if let id { failed.append(id) }
            }.sorted()
        }
    }

    /// Rows were changed by hand. What is taken up again may be of a table that no row needed until now, or that its
    /// mapping has no longer.
    public func ring() async {
        await routeBell.ring()
        await settleBell.ring()
        await dispatcher.ring()
    }

    /// In a loop of its own: there may be a million rows to send elsewhere, and whoever rang waits for an answer.
    private func reroute() async {
        while !Task.isCancelled {
            guard await routeBell.wait(atMost: Self.longestPause, on: ports.clock) else { continue }
            do throws(Failure) { try await intake.rerouteUnsent() } catch { observer(.queueProblem(error)) }
            await wantTables()
            await dispatcher.ring()
        }
    }

    /// Those of the mapping file as it is once they are known: it may be edited meanwhile.
    private func wantTables() async {
        var configuration: Configuration
        repeat {
            configuration = live.current
            let mapped = Set(configuration.mappings.map(\.table))
            do throws(Failure) {
                await tables.want(try await ports.queue.tablesInUse().union(mapped))
            } catch {
                // Which other tables rows go to is not known now: those that were wanted stay so.
                observer(.queueProblem(error))
                await tables.wantAlso(mapped)
            }
        } while configuration != live.current
    }

    // MARK: Loops

    private func settle() async {
        while !Task.isCancelled {
            observer(.alive(.settling))
            var pause = Self.longestPause
            do {
                let next = try await intake.lookAtDueFiles { await dispatcher.ring() }
                if let next {
                    let left = next.since(ports.clock.now().monotonic) ?? .zero
                    pause = min(max(left, .milliseconds(1)), Self.longestPause)
                }
            } catch let failure as Failure {
                observer(.queueProblem(failure))
                pause = .seconds(1)
            } catch {
                return
            }
            await settleBell.wait(atMost: pause, on: ports.clock)
        }
    }

    private func retryWatches() async {
        while !Task.isCancelled {
            try? await ports.clock.sleep(for: Self.watchRetry)
            watcher.retryUnwatched()
        }
    }
}

/// Between the directory of tables, which is made first, and the keeper, which needs it.
private actor RefusalDesk {
    private var keeper: TableKeeper?

    func open(with keeper: TableKeeper) { self.keeper = keeper }

    func take(_ refusal: TableDirectory.Refusal) async {
        await keeper?.noteRefusal(refusal.table, refusal.failure)
    }
}

/// Between those who are made before the dispatcher, and the dispatcher, which needs them.
private actor DispatcherBell {
    private var dispatcher: DeliveryDispatcher?

    func open(with dispatcher: DeliveryDispatcher) { self.dispatcher = dispatcher }

    func ring() async { await dispatcher?.ring() }
}

/// One keeper for each mapping, as the mapping file has them now.
actor FolderSupervisor {
    private let clock: any SyncClock
    private let makeKeeper: @Sendable (Mapping) -> FolderKeeper
    private var keepers: [MappingID: (mapping: Mapping, keeper: FolderKeeper, task: Task<Void, Never>)] = [:]
    private var isRunning = false
    private var end: CheckedContinuation<Void, Never>?

    /// How long an edit waits for those whose folders it changes: where one does not answer, the others are not held up.
    static let longestGoodbye: Duration = .seconds(2)

    init(clock: any SyncClock, makeKeeper: @escaping @Sendable (Mapping) -> FolderKeeper) {
        self.clock = clock
        self.makeKeeper = makeKeeper
    }

    /// Runs until it is cancelled, and returns when every keeper has ended.
    ///
    /// - Parameter configuration: the mapping file in force; asked once edits are taken up here.
    func run(_ configuration: @Sendable () -> Configuration) async {
        isRunning = true
        await update(to: configuration())
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { continuation.resume() } else { end = continuation }
            }
        } onCancel: {
            Task { await self.stop() }
        }
        isRunning = false
        let tasks = keepers.values.map(\.task)
        keepers = [:]
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    private func stop() {
        end?.resume()
        end = nil
    }

    /// A folder that is not looked after yet is scanned once it is.
    func rescan(_ mapping: MappingID) async { await keepers[mapping]?.keeper.rescan() }

    /// Who was cancelled does nothing more; this only waits for what was in its midst then.
    private func goodbye(_ ended: [Task<Void, Never>]) async {
        guard !ended.isEmpty else { return }
        let bell = WorkBell()
        Task {
            for task in ended { await task.value }
            await bell.ring()
        }
        await bell.wait(atMost: Self.longestGoodbye, on: clock)
    }

    /// Mappings that stayed as they were go on; the others' folders are watched and scanned anew. Whose a file is
    /// follows from all mappings together, so those that go on look at their files again.
    func update(to configuration: Configuration) async {
        guard isRunning else { return }
        var ended: [Task<Void, Never>] = []
        for (id, running) in keepers where configuration.mapping(id) != running.mapping {
            running.task.cancel()
            ended.append(running.task)
            keepers[id] = nil
        }
        await goodbye(ended)
        for mapping in configuration.mappings {
            if let running = keepers[mapping.id] {
                await running.keeper.rescan()
            } else {
                let keeper = makeKeeper(mapping)
                keepers[mapping.id] = (mapping, keeper, Task { await keeper.run() })
            }
        }
    }
}
