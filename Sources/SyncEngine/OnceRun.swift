import SyncCore

/// `run --once`: scan, deliver all that is settled or settles meanwhile, end.
public struct OnceRun: Sendable {
    private let configuration: Configuration
    private let ports: EnginePorts
    private let observer: EngineObserver
    private let intake: FolderIntake
    private let directory: TableDirectory
    private let dispatcher: DeliveryDispatcher
    private let follower: ImportFollower
    private let gates: HostGates
    private let twins: TwinKeeper

    /// How long nothing may move, while what is left fails, before a single run gives up; the work stays in the queue.
    /// What waits by rule is waited for beyond that: see `patience(with:)`.
    public static let patience: Duration = .seconds(60)
    /// The same while Redivis says that it imports: a large file takes its time there.
    public static let importPatience: Duration = .seconds(3600)

    /// - Parameter host: the name that `{host}` stands for in `upload_name`.
    public init(
        configuration: Configuration, ports: EnginePorts, host: String, observer: @escaping EngineObserver
    ) {
        let gates = HostGates(clock: ports.clock, random: ports.random)
        let ports = ports.gated(by: gates)
        self.configuration = configuration
        self.ports = ports
        self.gates = gates
        self.observer = observer
        let live = LiveConfiguration(configuration)
        intake = FolderIntake(configuration: live, ports: ports, host: host, observer: observer)
        directory = TableDirectory(
            ports: ports, registrationDoubt: configuration.settings.registrationDoubt, observer: observer)
        follower = ImportFollower(
            ports: ports, doubt: { live.current.settings.registrationDoubt }, directory: directory, observer: observer)
        let twins = TwinKeeper(configuration: live, ports: ports, directory: directory, observer: observer)
        self.twins = twins
        let runner = DeliveryRunner(
            configuration: live, ports: ports, directory: directory, follower: follower, observer: observer,
            onPostedAgain: { await twins.ring() })
        dispatcher = DeliveryDispatcher(
            configuration: live, ports: ports, directory: directory, runner: runner, gates: gates, observer: observer)
    }

    /// - Throws: a `Failure` of kind `stateUnavailable` where the queue cannot be used at all; `CancellationError`.
    public func run() async throws -> OnceResult {
        try await ports.queue.beginRun(configuration.mappings)
        return try await gates.ringing([{ await dispatcher.ring() }]) { try await runServices() }
    }

    private func runServices() async throws -> OnceResult {
        try await withThrowingTaskGroup(of: OnceResult?.self) { group in
            let tables = TableOutcomes()
            group.addTask {
                await dispatcher.run()
                return nil
            }
            group.addTask { [dispatcher] in
                await follower.run { event, delivery in await dispatcher.apply(event, to: delivery) }
                return nil
            }
            group.addTask {
                await prepareTables(tables)
                return nil
            }
            group.addTask { [dispatcher] in
                await twins.run { event, delivery in await dispatcher.apply(event, to: delivery) }
                return nil
            }
            group.addTask { try await work(tables) }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    /// The queue was changed from outside: there may be work.
    public func ring() async { await dispatcher.ring() }

    // MARK: Tables

    /// Makes every table ready, each in its own time; those that are refused are reported and left alone.
    private func prepareTables(_ outcomes: TableOutcomes) async {
        var references = Set(configuration.mappings.map(\.table))
        if let inUse = try? await ports.queue.tablesInUse() { references.formUnion(inUse) }
        await outcomes.expect(references)
        await withDiscardingTaskGroup { group in
            for reference in references {
                group.addTask { await prepare(reference, outcomes) }
            }
        }
    }

    private func prepare(_ reference: TableReference, _ outcomes: TableOutcomes) async {
        let retry = RetryPolicy()
        var failures = 0
        while !Task.isCancelled {
            do throws(Failure) {
                try await directory.prepare(reference)
                await outcomes.set(reference, .ready)
                await follower.notice(reference)
                await dispatcher.ring()
                await twins.ring()
                return
            } catch {
                failures += 1
                observer(.tableProblem(reference, error))
                await outcomes.set(reference, error.kind.passesByItself ? .failing(error) : .refused(error))
                guard error.kind.passesByItself else { return }
                let delay = retry.delay(
                    afterFailures: failures, jitter: ports.random(), retryAfter: error.retryAfter)
                let now = ports.clock.now().monotonic
                let untilProbe = gates.rests[.api].flatMap { $0.until.since(now) }
                // Not at once where somebody else's probe is on its way.
                try? await ports.clock.sleep(for: max(untilProbe ?? delay, HostGate.shortestRest))
            }
        }
    }

    // MARK: The run

    private func work(_ tables: TableOutcomes) async throws -> OnceResult {
        let isWhole = try await intake.scanAll()
        var quietSince = ports.clock.now().monotonic
        var seen = Progress()
        while true {
            try Task.checkCancellation()
            let nextLook = try await intake.lookAtDueFiles { await dispatcher.ring() }
            // Looked at before the work: a table that gets ready in between would count as decided, and its work not.
            let outcomes = await tables.summary
            let load = try await ports.queue.workload(
                at: ports.clock.now().monotonic, tables: await directory.ready)
            let now = ports.clock.now().monotonic
            let progress = Progress(load, pagesListed: await directory.pagesListed)
            if progress != seen {
                seen = progress
                quietSince = now
            }
            let restless = await intake.restlessCount
            // What somebody holds open for writing may stay so for ever: it is left to a later run.
            let settlesStill = load.settling > restless
            let isIdle = await dispatcher.isIdle
            let isBlind = await follower.isOutOfReach
            let isAtRest = load.live == 0 && (load.importing == 0 || isBlind) && !settlesStill && isIdle
            let mayPass = load.failing + load.importing > 0 || settlesStill || !outcomes.areAllDecided
            let givesUp = quietSince.advanced(by: patience(with: load, settlesStill: settlesStill, isBlind: isBlind))
            // An hour that the server asks for, say: a minute of it need not be sat out.
            let isHopeless =
                isAtRest && !settlesStill && load.importing == 0 && outcomes.areAllDecided
                && load.isAllDue(after: givesUp)
            if isAtRest && !mayPass || isIdle && (isHopeless || now.reached(givesUp) ?? true) {
                return OnceResult(
                    isWhole: isWhole, workload: load, unsettled: load.settling, tableFailures: outcomes.failures)
            }
            let quiet = now.since(quietSince) ?? .zero
            try await ports.clock.sleep(for: pause(until: nextLook, now: now, quiet: quiet))
        }
    }

    /// How long nothing may move before all that is left counts as stuck. A quiet time, a doubt and an import last as
    /// long as they last, and nothing that can be counted moves meanwhile.
    private func patience(with load: Workload, settlesStill: Bool, isBlind: Bool) -> Duration {
        var patience = Self.patience
        if settlesStill {
            patience +=
                configuration.mappings.map { max($0.settle.quiet, SettlePolicy.quietWithoutLease) }.max() ?? .zero
        }
        // While a host is away, what lies in the queue only waits for it.
        if load.live > 0, gates.rests.isEmpty { patience += configuration.settings.registrationDoubt }
        return load.importing > 0 && !isBlind ? max(patience, Self.importPatience) : patience
    }

    /// The longer nothing moves, the less often it is looked whether something does.
    private func pause(until look: MonotonicInstant?, now: MonotonicInstant, quiet: Duration) -> Duration {
        let longest = min(max(quiet / 20, .milliseconds(100)), .seconds(1))
        guard let look, let left = look.since(now) else { return longest }
        return min(max(left, .milliseconds(1)), longest)
    }

    /// What changes when something moves.
    private struct Progress: Hashable {
        var settling = 0
        /// Together: what fails is tried again and again, and is live meanwhile.
        var open = 0
        /// An import that has ended is progress, also where the file must be sent once more.
        var importing = 0
        /// A table with a million uploads is listed for minutes before its first file can be sent.
        var pagesListed = 0

        init() {}

        init(_ load: Workload, pagesListed: Int) {
            self.pagesListed = pagesListed
            settling = load.settling
            open = load.live + load.failing
            importing = load.importing
        }
    }
}

/// What a single run leaves behind.
public struct OnceResult: Sendable {
    /// Whether every mapped folder could be scanned.
    public let isWhole: Bool
    public let workload: Workload
    /// Files that did not settle: somebody writes them, or their folder went away.
    public let unsettled: Int
    public let tableFailures: [TableReference: Failure]
}

/// How the preparation of each table stands.
actor TableOutcomes {
    enum Outcome: Sendable {
        case ready
        /// Passes by itself, or has not so far.
        case failing(Failure)
        case refused(Failure)
    }

    private var expected: Set<TableReference>?
    private var outcomes: [TableReference: Outcome] = [:]

    struct Summary: Sendable {
        var areAllDecided = false
        var ready: Set<TableReference> = []
        var failures: [TableReference: Failure] = [:]
    }

    func expect(_ references: Set<TableReference>) { expected = references }

    func set(_ reference: TableReference, _ outcome: Outcome) { outcomes[reference] = outcome }

    var summary: Summary {
        var summary = Summary()
        var decided = 0
        for (reference, outcome) in outcomes {
            switch outcome {
            case .ready:
                summary.ready.insert(reference)
                decided += 1
            case .failing(let failure):
                summary.failures[reference] = failure
            case .refused(let failure):
                summary.failures[reference] = failure
                decided += 1
            }
        }
        summary.areAllDecided = expected.map { decided == $0.count } ?? false
        return summary
    }
}

extension Workload {
    /// Whether there is work, and none of it will be tried before `instant`.
    fileprivate func isAllDue(after instant: MonotonicInstant) -> Bool {
        guard let nextDue else { return false }
        return instant.reached(nextDue) == false
    }
}
