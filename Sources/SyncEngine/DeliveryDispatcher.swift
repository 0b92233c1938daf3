import SyncCore

/// Keeps up to `limit` transfers running, oldest first. What has all its bytes on the server makes room for the next
/// one while it is registered: with small files most of the time goes into that.
actor DeliveryDispatcher {
    private let ports: EnginePorts
    private let directory: TableDirectory
    private let runner: DeliveryRunner
    private let configuration: LiveConfiguration
    private let observer: EngineObserver
    private let bell = WorkBell()
    private var active: Set<DeliveryID> = []
    /// Those of them that send no more bytes.
    private var registering: Set<DeliveryID> = []
    private var upcoming: [Delivery] = []
    /// How often in a row the queue could not be used.
    private var troubles = 0
    /// Rows that could not be saved, left alone until then.
    private var resting: [DeliveryID: Rest] = [:]

    private struct Rest {
        let until: MonotonicInstant
        /// Whether it is the row that is at fault, and not the queue.
        let isOfRow: Bool
    }

    /// How long the queue is left alone where nothing rings: a row may be due without anybody having rung.
    static let idlePause: Duration = .seconds(5)
    static let readAhead = 64
    /// How many may be registered at once, for each transfer: Redivis is not asked by more than this.
    static let registrationsPerTransfer = 2
    /// After a save that failed: a disk that is full would otherwise have a session opened for each try, as fast as
    /// the network goes; a row that contradicts itself would never let a single run end. The rest of the queue doubles
    /// while nothing can be saved.
    static let restOfQueue: Duration = .seconds(5)
    static let longestRestOfQueue: Duration = .seconds(40)
    static let restOfRow: Duration = .seconds(600)
    /// So many rows are tried again meanwhile, and no more.
    static let mostResting = 8

    init(
        configuration: LiveConfiguration, ports: EnginePorts, directory: TableDirectory, runner: DeliveryRunner,
        observer: @escaping EngineObserver
    ) {
        self.configuration = configuration
        self.ports = ports
        self.directory = directory
        self.runner = runner
        self.observer = observer
    }

    private var hasRoom: Bool {
        let limit = max(configuration.current.settings.uploads, 1)
        return active.count - registering.count < limit && registering.count < limit * Self.registrationsPerTransfer
    }

    var isIdle: Bool { active.isEmpty && upcoming.isEmpty }

    /// There may be something new to do.
    func ring() async { await bell.ring() }

    /// Runs until it is cancelled; then the runs under way are cancelled too, each at a place that was saved.
    func run() async {
        // Discarding: the others keep what every child has come to until somebody asks for it.
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                observer(.alive(.dispatcher))
                do throws(Failure) {
                    try await fill(&group)
                    await bell.wait(atMost: try await pause(), on: ports.clock)
                } catch {
                    observer(.queueProblem(error))
                    try? await ports.clock.sleep(for: .seconds(1))
                }
            }
            group.cancelAll()
        }
    }

    private func fill(_ group: inout DiscardingTaskGroup) async throws(Failure) {
        let now = ports.clock.now().monotonic
        resting = resting.filter { now.reached($0.value.until) == false }
        while hasRoom, resting.values.count(where: { !$0.isOfRow }) < Self.mostResting {
            if upcoming.isEmpty {
                upcoming = try await ports.queue.due(
                    at: ports.clock.now().monotonic, tables: await directory.ready,
                    excluding: active.union(resting.keys), limit: Self.readAhead
                ).reversed()
            }
            guard let delivery = upcoming.popLast() else { return }
            guard active.insert(delivery.id).inserted else { continue }
            group.addTask { [runner] in
                let trouble = await runner.run(delivery) { await self.sent(delivery.id) }
                await self.finished(delivery.id, trouble)
            }
        }
    }

    private func sent(_ id: DeliveryID) async {
        registering.insert(id)
        await bell.ring()
    }

    private func finished(_ id: DeliveryID, _ trouble: Failure?) async {
        if let trouble {
            let isOfRow = trouble.scope == .delivery
            if !isOfRow { troubles = min(troubles + 1, 64) }
            let rounds = (troubles - 1) / Self.mostResting
            let pause =
                isOfRow ? Self.restOfRow : min(Self.restOfQueue * (1 << min(rounds, 4)), Self.longestRestOfQueue)
            resting[id] = Rest(until: ports.clock.now().monotonic.advanced(by: pause), isOfRow: isOfRow)
            // Read before the trouble, or part of it: asked for again.
            upcoming = []
        } else {
            troubles = 0
        }
        active.remove(id)
        registering.remove(id)
        if isIdle { await runner.follower.hasten() }
        await bell.ring()
    }

    private func pause() async throws(Failure) -> Duration {
        guard hasRoom else { return Self.idlePause }
        let now = ports.clock.now().monotonic
        let load = try await ports.queue.workload(at: now, tables: await directory.ready)
        guard let due = load.nextDue else { return Self.idlePause }
        return min(max(due.since(now) ?? .zero, .milliseconds(10)), Self.idlePause)
    }
}
