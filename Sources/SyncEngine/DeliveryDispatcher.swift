import SyncCore

/// Keeps up to `limit` transfers running, oldest first. What has all its bytes on the server makes room for the next one
/// while it is registered, and small files get ready behind those that are sent: they take the time of their requests,
/// not that of their bytes.
actor DeliveryDispatcher {
    private let ports: EnginePorts
    private let directory: TableDirectory
    private let runner: DeliveryRunner
    private let configuration: LiveConfiguration
    private let gates: HostGates
    private let observer: EngineObserver
    private let bell = WorkBell()
    private let slots: TransferSlots
    /// What each takes up of the transfers' room, in parts of ``whole``.
    private var active: [DeliveryID: Int] = [:]
    /// Those of them that send no more bytes.
    private var registering: Set<DeliveryID> = []
    private var upcoming: [Delivery] = []
    /// The one that was started to see whether a host that is away answers again.
    private var probe: DeliveryID?
    /// How often in a row the queue could not be used.
    private var troubles = 0
    /// Rows that could not be saved, left alone until then.
    private var resting: [DeliveryID: Rest] = [:]

    private struct Rest {
        let until: MonotonicInstant
        /// Whether it is the row that is at fault, and not the queue.
        let isOfRow: Bool
    }

    /// How long the queue is left alone where nothing rings and nothing gets due: whoever makes a row due rings, so
    /// that this only bounds what a ring that was forgotten would cost.
    static let idlePause: Duration = .seconds(30)
    /// How soon a host is looked at again that somebody else asks just now.
    static let pauseWhileProbed: Duration = .seconds(1)
    static let readAhead = 64
    /// The room that one transfer has, and how many small files share it: one that is sent and those that open their
    /// sessions meanwhile.
    static let whole = 8
    /// Up to this many bytes a file is small.
    static let small: Int64 = 1 << 20
    /// How many may be registered at once, for each transfer: Redivis is not asked by more than this.
    static let registrationsPerTransfer = 4
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
        gates: HostGates, observer: @escaping EngineObserver
    ) {
        self.configuration = configuration
        self.ports = ports
        self.directory = directory
        self.runner = runner
        self.gates = gates
        self.observer = observer
        slots = TransferSlots { configuration.current.settings.uploads }
    }

    private func hasRoom(for size: Int) -> Bool {
        let limit = max(configuration.current.settings.uploads, 1)
        let taken = active.lazy.filter { !self.registering.contains($0.key) }.reduce(0) { $0 + $1.value }
        return taken + size <= limit * Self.whole && registering.count < limit * Self.registrationsPerTransfer
    }

    private static func room(of delivery: Delivery) -> Int { delivery.size <= small ? 1 : whole }

    var isIdle: Bool { active.isEmpty && upcoming.isEmpty }

    /// There may be something new to do.
    func ring() async { await bell.ring() }

    /// Runs until it is cancelled; then the runs under way are cancelled too, each at a place that was saved.
    func run() async {
        // Discarding: the others keep what every child has come to until somebody asks for it.
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                observer(.alive(.dispatcher))
                let began = ports.clock.now().monotonic
                do throws(Failure) {
                    try await fill(&group)
                    await bell.wait(atMost: try await pause(since: began), on: ports.clock)
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
        let rests = gates.rests
        guard rests.isEmpty || probe == nil && rests.values.contains(where: { $0.isDue(at: now) }) else {
            upcoming = []
            return
        }
        while hasRoom(for: 1), resting.values.count(where: { !$0.isOfRow }) < Self.mostResting {
            if upcoming.isEmpty {
                upcoming = try await ports.queue.due(
                    at: ports.clock.now().monotonic, tables: await directory.ready,
                    excluding: Set(active.keys).union(resting.keys), limit: Self.readAhead
                ).reversed()
            }
            guard rests.isEmpty else { return sendProbe(past: rests, at: now, &group) }
            guard let delivery = upcoming.last else { return }
            // Small ones behind a large one wait with it: it would never find enough room at once.
            guard active[delivery.id] != nil || hasRoom(for: Self.room(of: delivery)) else { return }
            upcoming.removeLast()
            guard active[delivery.id] == nil else { continue }
            start(delivery, &group)
        }
    }

    /// While a host is away: the first delivery that would ask none but hosts that may be asked now.
    private func sendProbe(
        past rests: [HostGates.Host: HostGates.Rest], at now: MonotonicInstant, _ group: inout DiscardingTaskGroup
    ) {
        let delivery = upcoming.last { delivery in
            active[delivery.id] == nil && delivery.hostsAskedNext.allSatisfy { rests[$0]?.isDue(at: now) ?? true }
        }
        upcoming = []
        guard let delivery else { return }
        probe = delivery.id
        start(delivery, &group)
    }

    private func start(_ delivery: Delivery, _ group: inout DiscardingTaskGroup) {
        active[delivery.id] = Self.room(of: delivery)
        group.addTask { [runner, slots] in
            let trouble = await runner.run(delivery, in: slots) { await self.sent(delivery.id) }
            await self.finished(delivery.id, trouble)
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
        active[id] = nil
        if probe == id { probe = nil }
        registering.remove(id)
        if isIdle { await runner.follower.hasten() }
        await bell.ring()
    }

    /// - Parameter began: when the queue was last asked, or before: what was due by then is under way, rests, or has to
    ///   wait for room.
    private func pause(since began: MonotonicInstant) async throws(Failure) -> Duration {
        guard hasRoom(for: 1) else { return Self.idlePause }
        let now = ports.clock.now().monotonic
        let rests = gates.rests
        // Who probes rings when that is over.
        guard rests.isEmpty || probe == nil else { return Self.idlePause }
        if !rests.isEmpty, !rests.values.contains(where: { $0.isDue(at: now) }) {
            // A probe of somebody else's may be under way, and rings only where it is answered.
            let untilNext = rests.values.compactMap { $0.until.since(now) }.min() ?? Self.idlePause
            return min(max(untilNext, Self.pauseWhileProbed), AgentRun.longestPause)
        }
        // Where a probe is due, no delivery was that could be one.
        let due = try await ports.queue.nextDue(after: began, tables: await directory.ready)
        let probes = rests.values.map(\.until).filter { now.reached($0) == false }
        let ends = resting.values.map(\.until) + probes + [due].compactMap { $0 }
        let next = ends.compactMap { $0.since(now) }.min() ?? Self.idlePause
        return min(max(next, .milliseconds(10)), Self.idlePause)
    }

    /// One fact about a delivery that nobody works on.
    nonisolated func apply(_ event: DeliveryEvent, to delivery: Delivery) async {
        if await runner.apply(event, to: delivery) { await ring() }
    }
}
