import Logging
import RedivisSyncCLI
import SQLiteQueue
import SyncCore
import SyncEngine
import SyncTestSupport
import SystemPackage

/// An agent over its whole life: the state directory that stays, and the process that runs now.
final class SimulatedAgent {
    let name: String
    /// From 1.
    let number: Int
    let state: SimulatedState
    let host = HostTime()
    /// What its mapping file says; edits change it.
    var settings: Settings
    private(set) var process: AgentProcess?
    private var starts = 0
    /// Whether its state was ever lost or set back: then it cannot know its past.
    var lostState = false
    /// Writes to the state fail until then, in nanoseconds.
    var diskFailsUntil: Int64 = 0
    /// Cells that its processes have read, by inode.
    private var earlierReads: [UInt64: Int] = [:]
    var readsByInode: [UInt64: Int] {
        earlierReads.merging(process?.kernel.statistics.readsByInode ?? [:]) { $0 + $1 }
    }
    var totalReads: Int { readsByInode.values.reduce(0, +) }

    init(name: String, number: Int, settings: Settings) throws {
        self.name = name
        self.number = number
        self.settings = settings
        state = try SimulatedState(name: name)
    }

    var isRunning: Bool { process != nil }

    /// Of every process of this agent.
    static func number(of owner: Int) -> Int { owner / 1000 }

    func start(in world: World) {
        // Whoever starts it waits no longer for one that is ending.
        if process?.isStopping == true { kill(in: world) }
        guard process == nil else { return }
        starts += 1
        let process = AgentProcess(self, owner: number * 1000 + starts, in: world)
        self.process = process
        process.start()
    }

    /// As by SIGKILL.
    func kill(in world: World) {
        guard let process else { return }
        process.kill()
        forget(process)
    }

    /// As by SIGTERM, and SIGKILL after five seconds.
    func stop(in world: World) {
        guard let process else { return }
        process.cancel()
        world.scheduler.after(5_000_000_000, of: SeededScheduler.world) { [weak self] in
            guard let self, self.process === process else { return }
            process.kill()
            forget(process)
        }
    }

    private func forget(_ ended: AgentProcess) {
        ended.letGo()
        earlierReads.merge(ended.kernel.statistics.readsByInode) { $0 + $1 }
        process = nil
    }

    func ended(_ ended: AgentProcess) {
        if process === ended { forget(ended) }
    }
}

/// One process: the real engine and the real queue, with everything around them simulated.
final class AgentProcess: @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.

    let owner: Int
    unowned let agent: SimulatedAgent
    unowned let world: World
    let clock: SimulatedClock
    let kernel: VirtualProcess
    let connection: RedivisConnection
    private let gate: ProcessGate
    private var task: Task<Void, Never>?
    private var run: AgentRun?
    private var queue: SQLiteQueue?
    private var watcher: KernelWatcher?
    private let live: LiveConfiguration
    /// Taken up one after the other, as the agent takes them up.
    private var edits: [Configuration] = []

    init(_ agent: SimulatedAgent, owner: Int, in world: World) {
        self.agent = agent
        self.owner = owner
        self.world = world
        clock = SimulatedClock(world.scheduler, owner: owner, run: UInt64(owner), host: agent.host)
        let scheduler = world.scheduler
        kernel = world.kernel.makeProcess { body in
            if !scheduler.isDead(owner) { scheduler.asOwner(owner, body) }
        }
        connection = RedivisConnection(
            to: world.redivis, owner: owner, who: "\(agent.name)\(owner % 1000)", story: world.story,
            chance: world.chance)
        gate = ProcessGate(
            world.scheduler, owner: owner, chance: world.chance, slowness: world.script.world.int("slow", 1))
        live = LiveConfiguration(WorldConfiguration.make(agent.settings))
        connection.willPost = { [unowned world, unowned agent] in world.oracle.willPost($0, by: agent) }
        connection.willSend = { [unowned world, unowned agent] in world.oracle.willSend($0, by: agent) }
        connection.willList = { [unowned world, unowned agent] in world.oracle.willList(by: agent) }
    }

    /// Whether it tells of files, or a folder, that cannot be reached.
    var tellsOfFilesAway: Bool { !devicesAway.isEmpty || isFolderAway }
    private var devicesAway: Set<UInt64> = []
    /// The longest time that a scan of the folder took, in nanoseconds.
    private(set) var longestScan: Int64 = 0
    private var scanBegan: Int64?
    private var isFolderAway = false

    // MARK: Life

    func start() {
        world.story.note(agent.name, "starts")
        world.scheduler.start(owner) { [self] in
            // The task itself, so that it can be cancelled.
            let task = Task { await self.live() }
            self.task = task
            await task.value
            world.story.note(agent.name, "has ended")
            kernel.kill()
            agent.ended(self)
        }
    }

    private(set) var isStopping = false

    func cancel() {
        isStopping = true
        world.scheduler.asOwner(owner) { task?.cancel() }
    }

    func kill() {
        world.story.note(agent.name, "is killed")
        world.scheduler.kill(owner)
        var random = world.chance.stream("kill", owner)
        connection.cut(&random)
        kernel.kill()
    }

    /// What it ran refers to it.
    func letGo() { (task, run, queue, watcher) = (nil, nil, nil, nil) }

    private func live() async {
        do {
            try await begin()
        } catch {
            world.story.note(agent.name, "ends by itself", "\(error)")
            if !Task.isCancelled { world.oracle.agentGaveUp(agent, "\(error)") }
        }
    }

    private func begin() async throws {
        let queue = try await SQLiteQueue(
            agent.state.database, calls: .inPlace, api: WorldConfiguration.api,
            logger: Logger(label: "") { _ in SwiftLogNoOpLogHandler() }, origin: agent.state.opened(),
            receipts: agent.state.receipts)
        self.queue = queue
        let watcher = try KernelWatcher(kernel, gate: gate, clock: clock, readSize: 4096)
        self.watcher = watcher
        let jitter = Drawn(world.chance.stream("jitter", owner))
        let sources = KernelSourceReader(kernel, gate: gate)
        let ports = EnginePorts(
            clock: clock, scanner: KernelScanner(kernel, gate: gate, batchSize: 4),
            sources: sources, queue: guarded(queue), remote: connection,
            random: { jitter.fraction() }, naming: sources)
        let run = AgentRun(
            configuration: live.current, ports: ports, watcher: watcher, host: agent.name,
            observer: { [weak self] report in self?.observe(report) })
        self.run = run
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await watcher.run() }
            group.addTask { try await run.run() }
            try await group.next()
            group.cancelAll()
        }
    }

    /// Time passes around each call of the queue, and a disk that fails takes nothing.
    private func guarded(_ queue: SQLiteQueue) -> QueueWithHooks {
        let (gate, scheduler) = (gate, world.scheduler)
        let agent = UncheckedWeak(agent)
        return QueueWithHooks(
            queue, Activity(),
            before: CallHook { call, _ throws(Failure) in
                await gate.pause(.queue)
                guard call.operation.writes, agent.value?.diskFailsUntil ?? 0 > scheduler.elapsed else { return }
                throw Failure(.stateUnavailable, scope: .agent, "the disk is full")
            },
            after: CallHook { _, _ throws(Failure) in await gate.pause(.queue) })
    }

    private func observe(_ report: EngineReport) {
        switch report {
        case .moved(let delivery, let note):
            world.story.note(agent.name, "moves", "\(delivery.path) → \(delivery.state.publicState.rawValue): \(note)")
            world.oracle.moved(delivery, note: note, by: agent)
        case .scanned(_, let report):
            if let scanBegan { longestScan = max(longestScan, world.scheduler.elapsed - scanBegan) }
            world.story.note(agent.name, "has scanned", "\(report.files) files")
        case .folderProblem(_, let failure):
            world.story.note(agent.name, "has trouble with its folder", failure.summary)
        case .folderState(_, let state):
            isFolderAway = if case .unmounted = state { true } else { false }
            if state == .scanning { scanBegan = world.scheduler.elapsed }
            world.story.note(agent.name, "folder", "\(state)")
        case .folderRoot(_, let root):
            world.story.note(agent.name, "folder is", "\(root.map { "\($0.device):\($0.inode)" } ?? "not there")")
        case .tableReady(let table, _): world.story.note(agent.name, "table is ready", table.text)
        case .tableProblem(let table, let failure):
            world.story.note(agent.name, "has trouble with its table", "\(table.text): \(failure.summary)")
        case .tableAnswers(let table): world.story.note(agent.name, "table answers again", table.text)
        case .sourceProblem(_, let path, let failure):
            world.story.note(agent.name, "cannot read", "\(path): \(failure.summary)")
        case .queueProblem(let failure): world.story.note(agent.name, "has trouble with its queue", failure.summary)
        case .filesAway(_, let device, let failure):
            if failure == nil { devicesAway.remove(device) } else { devicesAway.insert(device) }
            world.story.note(
                agent.name, "files wait", "device \(device): \(failure?.summary ?? "there again")")
        case .sending, .alive: break
        }
    }

    // MARK: What people ask of it

    func edit(_ settings: Settings) {
        agent.settings = settings
        edits.append(WorldConfiguration.make(settings))
        guard edits.count == 1 else { return }
        act { [self] in
            while let edit = edits.first {
                await takeUp(edit)
                edits.removeFirst()
            }
        }
    }

    /// Tried again while the queue cannot be used, as the agent does.
    private func takeUp(_ configuration: Configuration) async {
        for _ in 0..<50 {
            do {
                if let run {
                    try await run.takeUp(configuration)
                    return live.replace(with: configuration)
                }
            } catch {
                world.story.note(agent.name, "cannot take up an edit", "\(error)")
            }
            await gate.sleep(500_000_000)
        }
    }

    func ask(_ request: ControlRequest) {
        act { [self] in
            for _ in 0..<50 where run == nil { await gate.sleep(100_000_000) }
            guard let queue, let run else { return }
            let control = QueueControl(
                queue: queue, sources: KernelSourceReader(kernel, gate: gate),
                configuration: { [live] in live.current }, clock: clock, duties: SimulatedDuties(run: run))
            let answer = await control.answer(to: request)
            world.story.note(agent.name, "answers", "\(answer)")
            world.oracle.asked(request, answer, of: agent)
        }
    }

    private func act(_ body: @escaping @Sendable () async -> Void) {
        world.scheduler.start(owner) { await body() }
    }
}

/// What a running agent does beside its queue; what needs the command line is not simulated.
private struct SimulatedDuties: AgentDuties {
    let run: AgentRun

    func queueChanged() async { await run.ring() }
    func acceptPlan(_ edit: String?) async -> ControlAnswer { Self.refusal }
    func scan(_ mapping: MappingID?) async -> ControlAnswer { Self.refusal }
    func reload() async -> ControlAnswer { Self.refusal }
    func status() async -> ControlAnswer { Self.refusal }

    private static let refusal = ControlAnswer.refused(
        ControlRefusal(.unavailable, "not simulated", remedy: "ask something else"))
}

/// An object of the world's one thread, for closures that have to be sendable, and that a process which is killed never
/// lets go of.
private struct UncheckedWeak<Object: AnyObject>: @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.
    weak var value: Object?

    init(_ value: Object) { self.value = value }
}

/// Numbers drawn by whoever comes.
final class Drawn: @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.
    private var random: SeededRandom

    init(_ random: SeededRandom) { self.random = random }

    func fraction() -> Double { random.fraction() }
}
