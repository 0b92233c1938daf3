import SyncCore

/// Looks through tables again after a registration that was posted twice, and takes off what is there twice
/// (`SecondLook`).
actor TwinKeeper {
    private let ports: EnginePorts
    private let directory: TableDirectory
    private let configuration: LiveConfiguration
    private let observer: EngineObserver
    private let bell = WorkBell()

    /// How many deliveries one walk through a table is for.
    static let batch = 1_000

    init(
        configuration: LiveConfiguration, ports: EnginePorts, directory: TableDirectory,
        observer: @escaping EngineObserver
    ) {
        self.configuration = configuration
        self.ports = ports
        self.directory = directory
        self.observer = observer
    }

    /// There may be something to look at: a table has become ready, or a registration was posted again.
    func ring() async { await bell.ring() }

    /// Runs until it is cancelled.
    func run() async {
        var failures = 0
        while !Task.isCancelled {
            do throws(Failure) {
                try await lookAtAll()
                failures = 0
            } catch {
                failures += 1
                if error.kind == .stateUnavailable { observer(.queueProblem(error)) }
            }
            await bell.wait(atMost: await pause(failures), on: ports.clock)
        }
    }

    private func pause(_ failures: Int) async -> Duration {
        if failures > 0 {
            return RetryPolicy().delay(afterFailures: failures, jitter: ports.random(), retryAfter: nil)
        }
        guard let next = try? await ports.queue.nextSecondLook(in: await directory.ready) else {
            return AgentRun.longestPause
        }
        // By the wall clock, since it is to outlast restarts; what it steps by only brings a look earlier or later.
        return min(max(next.since(ports.clock.now().wall), .seconds(1)), AgentRun.longestPause)
    }

    /// What is due, table by table. A table that fails leaves the others theirs.
    private func lookAtAll() async throws(Failure) {
        var trouble: Failure?
        for table in await directory.ready {
            do throws(Failure) {
                let due = try await ports.queue.secondLooks(
                    in: table, at: ports.clock.now().wall, limit: Self.batch)
                if !due.isEmpty { try await look(due, in: table) }
            } catch {
                trouble = error
            }
        }
        if let trouble { throw trouble }
    }

    private func look(_ looks: [SecondLook], in table: TableReference) async throws(Failure) {
        let now = ports.clock.now()
        let names = looks.compactMap(\.delivery.uploadName)
        let released = looks.compactMap(\.newestReleased)
        let oldest = released.count == looks.count ? released.min() : nil
        let met = try await directory.uploads(bearing: names, in: table, releasedAfter: oldest)
        for look in looks {
            let verdict = look.verdict(on: look.delivery.uploadName.flatMap { met[$0] } ?? [])
            let twins = try await resolve(verdict, of: look.delivery)
            let stands = twins.contains { $0.fate != .removed }
            let next = look.next(
                after: now.wall, doubt: configuration.current.settings.registrationDoubt, standing: stands)
            try await ports.queue.record(twins, of: look, next: next, at: ports.clock.now())
        }
    }

    private func resolve(_ verdict: TwinVerdict, of delivery: Delivery) async throws(Failure) -> [Twin] {
        var twins = verdict.released.map { met in
            Twin(upload: met.upload, version: met.version, fate: .stands("its version is released"))
        }
        for met in verdict.superfluous {
            twins.append(Twin(upload: met.upload, version: met.version, fate: try await withdraw(met, of: delivery)))
        }
        return twins
    }

    private func withdraw(_ met: MetUpload, of delivery: Delivery) async throws(Failure) -> Twin.Fate {
        do throws(Failure) {
            try await directory.withdraw(uri: met.upload.uri, of: delivery)
            return .removed
        } catch {
            switch error.kind.verdictOnHost {
            case .answers: return .stands(error.summary)
            case .isAway, .unknown: throw error
            }
        }
    }
}
