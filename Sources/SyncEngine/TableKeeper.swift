import SyncCore

/// Keeps every table ready that a mapping or a row of the queue names: asks until it is, and again after a refusal.
///
/// A refused table is asked about every five minutes. A refused token is asked about once a minute, by one table for
/// all that it is for. Everything else is asked again after pauses that grow.
actor TableKeeper {
    private let ports: EnginePorts
    private let directory: TableDirectory
    private let gates: HostGates
    private let observer: EngineObserver
    private let onReady: @Sendable (TableReference) async -> Void
    private let bell = WorkBell()
    private let retry = RetryPolicy()
    private var wanted: Set<TableReference> = []
    private var asking: Set<TableReference> = []
    private var waits: [TableReference: Wait] = [:]
    /// Until when nobody asks with a token that was refused.
    private var tokenRests: [TokenAccount: MonotonicInstant] = [:]

    private struct Wait {
        var failures: Int
        var until: MonotonicInstant
        /// Not a refusal.
        var passesByItself: Bool
    }

    static let afterRefusal: Duration = .seconds(300)
    static let afterRefusedToken: Duration = .seconds(60)
    static let idlePause: Duration = .seconds(60)

    init(
        ports: EnginePorts, directory: TableDirectory, gates: HostGates, observer: @escaping EngineObserver,
        onReady: @escaping @Sendable (TableReference) async -> Void
    ) {
        self.ports = ports
        self.directory = directory
        self.gates = gates
        self.observer = observer
        self.onReady = onReady
    }

    /// These tables are needed from now on.
    func want(_ tables: Set<TableReference>) async {
        wanted = tables
        await bell.ring()
    }

    func wantAlso(_ tables: Set<TableReference>) async { await want(wanted.union(tables)) }

    /// Asks again at once: the token or the mapping file may have changed.
    ///
    /// - Parameter accounts: those whose token is another one; `nil`: all.
    func retryNow(of accounts: Set<TokenAccount>? = nil) async {
        waits = waits.filter { accounts?.contains(ports.account(of: $0.key)) == false }
        tokenRests = tokenRests.filter { accounts?.contains($0.key) == false }
        await bell.ring()
    }

    /// Redivis answers again: what only waited for that is asked at once.
    func retryFailed() async {
        waits = waits.filter { !$0.value.passesByItself }
        await bell.ring()
    }

    /// Redivis refused something that the table was thought to allow.
    func noteRefusal(_ table: TableReference, _ failure: Failure) async {
        observer(.tableProblem(table, failure))
        postpone(table, failure)
        await bell.ring()
    }

    /// Runs until it is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                observer(.alive(.tables))
                let ready = await directory.ready
                for table in wanted.subtracting(ready).subtracting(asking) where isDue(table) {
                    asking.insert(table)
                    group.addTask { await self.prepare(table) }
                    // To a host that is away one question is enough.
                    if gates.rests[.api] != nil { break }
                }
                await bell.wait(atMost: pause(ready), on: ports.clock)
            }
            group.cancelAll()
        }
    }

    private func isDue(_ table: TableReference) -> Bool {
        let now = ports.clock.now().monotonic
        if let rest = gates.rests[.api], !rest.isDue(at: now) || !asking.isEmpty { return false }
        let account = ports.account(of: table)
        if let rest = tokenRests[account] {
            // With a token that was refused one question is enough.
            guard now.reached(rest) != false, !asking.contains(where: { ports.account(of: $0) == account }) else {
                return false
            }
        }
        return waits[table].map { now.reached($0.until) ?? true } ?? true
    }

    private func pause(_ ready: Set<TableReference>) -> Duration {
        let now = ports.clock.now().monotonic
        let open = wanted.subtracting(ready).subtracting(asking)
        let rests = tokenRests.values + [gates.rests[.api]?.until].compactMap { $0 }
        let instants = open.compactMap { waits[$0]?.until } + rests
        guard !open.isEmpty, let next = instants.compactMap({ $0.since(now) }).filter({ $0 > .zero }).min() else {
            return Self.idlePause
        }
        return min(max(next, .milliseconds(10)), Self.idlePause)
    }

    private func prepare(_ table: TableReference) async {
        do throws(Failure) {
            try await directory.prepare(table)
            waits[table] = nil
            tokenRests[ports.account(of: table)] = nil
            asking.remove(table)
            await onReady(table)
        } catch {
            asking.remove(table)
            observer(.tableProblem(table, error))
            postpone(table, error)
        }
        await bell.ring()
    }

    private func postpone(_ table: TableReference, _ failure: Failure) {
        let now = ports.clock.now().monotonic
        let failures = (waits[table]?.failures ?? 0) + 1
        let pause: Duration
        switch failure.kind {
        case .unauthorized:
            tokenRests[ports.account(of: table)] = now.advanced(by: Self.afterRefusedToken)
            pause = .zero
        case .forbidden, .rejected, .tooLarge, .endpointMissing:
            pause = Self.afterRefusal
        case .transient, .throttled, .sessionLost, .sessionRefused, .conflict, .ambiguous, .unreadable, .sourceGone,
            .sourceChanged, .stateUnavailable:
            pause = retry.delay(
                afterFailures: failures, jitter: ports.random(), retryAfter: failure.retryAfter)
        }
        waits[table] = Wait(
            failures: failures, until: now.advanced(by: pause), passesByItself: failure.kind.passesByItself)
    }
}
