import SyncCore

/// Keeps up to `limit` deliveries running, oldest first.
actor DeliveryDispatcher {
    private let ports: EnginePorts
    private let directory: TableDirectory
    private let runner: DeliveryRunner
    private let limit: Int
    private let observer: EngineObserver
    private let bell = WorkBell()
    private var active: Set<DeliveryID> = []
    private var upcoming: [Delivery] = []

    /// How long the queue is left alone where nothing rings: a row may be due without anybody having rung.
    static let idlePause: Duration = .seconds(5)
    static let readAhead = 64

    init(
        ports: EnginePorts, directory: TableDirectory, runner: DeliveryRunner, limit: Int,
        observer: @escaping EngineObserver
    ) {
        self.ports = ports
        self.directory = directory
        self.runner = runner
        self.limit = max(limit, 1)
        self.observer = observer
    }

    var isIdle: Bool { active.isEmpty && upcoming.isEmpty }

    /// There may be something new to do.
    func ring() async { await bell.ring() }

    /// Runs until it is cancelled; then the runs under way are cancelled too, each at a place that was saved.
    func run() async {
        await withTaskGroup { group in
            while !Task.isCancelled {
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

    private func fill(_ group: inout TaskGroup<Void>) async throws(Failure) {
        while active.count < limit {
            if upcoming.isEmpty {
                upcoming = try await ports.queue.due(
                    at: ports.clock.now().monotonic, tables: await directory.ready, excluding: active,
                    limit: Self.readAhead
                ).reversed()
            }
            guard let delivery = upcoming.popLast() else { return }
            guard active.insert(delivery.id).inserted else { continue }
            group.addTask { [runner] in
                await runner.run(delivery)
                await self.finished(delivery.id)
            }
        }
    }

    private func finished(_ id: DeliveryID) async {
        active.remove(id)
        await bell.ring()
    }

    private func pause() async throws(Failure) -> Duration {
        guard active.count < limit else { return Self.idlePause }
        let now = ports.clock.now().monotonic
        let load = try await ports.queue.workload(at: now, tables: await directory.ready)
        guard let due = load.nextDue else { return Self.idlePause }
        return min(max(due.since(now) ?? .zero, .milliseconds(10)), Self.idlePause)
    }
}
