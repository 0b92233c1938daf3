import SyncCore

/// Follows the imports of every table by one listing a table, or by a request a file where that takes fewer: a table
/// with tens of thousands of uploads is not listed for the one that came last.
actor ImportFollower {
    private let ports: EnginePorts
    private let directory: TableDirectory
    private let observer: EngineObserver
    private var tables: Set<TableReference> = []
    /// Of those, the ones whose last walk failed.
    private var failing: Set<TableReference> = []
    /// Tables whose uploads are listed by another uri than the registration was told.
    private var hasTwoURIs: Set<TableReference> = []
    /// Since when the listings have not shown an upload, and no request for its uri has found it either.
    private var absences = Absences()
    private let bell = WorkBell()
    private let walkBell = WorkBell()
    /// Whether the last walk found nobody to ask.
    private(set) var isOutOfReach = false

    /// How long the server took to answer in the last round of walks.
    private var listed: Duration = .zero

    static let shortestPause: Duration = .milliseconds(300)
    /// While nothing is sent, and somebody may be waiting for the last imports.
    static let shortestIdlePause: Duration = .milliseconds(100)
    static let longestPause: Duration = .seconds(10)
    /// A walk lists every upload of the table. With thousands of them that takes longer than the shortest pause, and
    /// walks without a rest would take the processor, and the API's patience, from the uploads: the least pause is so
    /// long, times the time that listing took, while files are sent, and while none is.
    static let pausePerListing = (busy: 8.0, idle: 0.1)
    /// How many imports of a table are looked for in one walk through its uploads.
    static let batch = 2_000
    private let doubt: @Sendable () -> Duration

    /// - Parameters:
    ///   - doubt: `registration_doubt`: how long what was registered may not be found anywhere.
    ///   - directory: tables that it has closed, because Redivis refused them or the token, are not asked.
    init(
        ports: EnginePorts, doubt: @escaping @Sendable () -> Duration, directory: TableDirectory,
        observer: @escaping EngineObserver
    ) {
        self.ports = ports
        self.doubt = doubt
        self.directory = directory
        self.observer = observer
    }

    /// There is an import to follow on this table.
    func notice(_ table: TableReference) async {
        tables.insert(table)
        await bell.ring()
    }

    /// Runs until it is cancelled. Pauses grow while nothing moves.
    func run(reporting apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void) async {
        var pause = Self.shortestPause
        while !Task.isCancelled {
            observer(.alive(.follower))
            // Who opens a table again gives notice of it.
            let open = tables.intersection(await directory.ready)
            guard !open.isEmpty else {
                await bell.wait(atMost: AgentRun.longestPause, on: ports.clock)
                pause = Self.shortestPause
                continue
            }
            await rest(pause)
            listed = .zero
            var hasMoved = false
            for table in open {
                do throws(Failure) {
                    hasMoved = try await follow(table, apply) || hasMoved
                    isOutOfReach = false
                    if failing.remove(table) != nil { observer(.tableAnswers(table)) }
                } catch {
                    tables.insert(table)
                    failing.insert(table)
                    isOutOfReach = true
                    observer(.tableProblem(table, error))
                    await directory.note(error, about: table)
                }
            }
            pause = hasMoved ? Self.shortestPause : min(pause * 1.5, Self.longestPause)
        }
    }

    /// Nothing is sent now: what was registered may be asked for without taking anything from it.
    func hasten() async { await walkBell.ring() }

    /// With a sign of life now and then: after a long listing it lasts longer than a part that is frozen is let be.
    private func rest(_ pause: Duration) async {
        let least = max(Self.shortestIdlePause, listed * Self.pausePerListing.idle)
        await inSteps(least) {
            try? await ports.clock.sleep(for: $0)
            return false
        }
        await inSteps(max(pause, listed * Self.pausePerListing.busy) - least) {
            await walkBell.wait(atMost: $0, on: ports.clock)
        }
    }

    /// - Parameter wait: says whether to wait no longer.
    private func inSteps(_ duration: Duration, _ wait: (Duration) async -> Bool) async {
        var left = duration
        while left > .zero, !Task.isCancelled {
            let step = min(left, AgentRun.longestPause)
            if await wait(step) { return }
            left -= step
            observer(.alive(.follower))
        }
    }

    /// One walk through the table's uploads.
    /// - Returns: whether an import has ended.
    private func follow(
        _ table: TableReference, _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async throws(Failure) -> Bool {
        // Before the question: whoever gives notice while it is answered puts the table back.
        tables.remove(table)
        var hasMoved = false
        var last: DeliveryID?
        while true {
            let batch = try await ports.queue.importing(in: table, after: last, limit: Self.batch)
            guard let end = batch.last else { break }
            last = end.id
            hasMoved = try await follow(batch, in: table, apply) || hasMoved
        }
        if last != nil { tables.insert(table) }
        return hasMoved
    }

    private func follow(
        _ batch: [Delivery], in table: TableReference,
        _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async throws(Failure) -> Bool {
        let search = Gathered(ImportSearch(batch))
        let hasMoved = Gathered(false)
        let walks = await directory.observer(of: table)
        if batch.count < (await walks.draftPages) {
            try await ask(batch, in: table, search, hasMoved, apply)
        }
        guard await !search.value.isDone else { return await hasMoved.value }
        let report = try await walks.read(
            TableObserver.Reader(releasedAfter: batch.oldestPredecessor, isProof: false) { page throws(Failure) in
                var found = await search.change { $0.meet(page.uploads) }
                if page.place.isLast {
                    for (upload, delivery) in await search.change({ $0.settleByName() }) {
                        found.append((try await self.own(upload, of: delivery, in: table), delivery))
                    }
                }
                if await self.report(found, apply) { await hasMoved.change { $0 = true } }
                return await search.value.isDone
            })
        listed += report.took
        try await judgeMissing(search, since: report.began, in: table, hasMoved, apply)
        return await hasMoved.value
    }

    /// What was met by its name alone may be another agent's, while a list that lags behind leaves ours out: then ours
    /// answers at the uri that the registration was told. Where it answers with the uri that is listed, the server has two
    /// uris for one upload, and is not asked again.
    private func own(
        _ named: RemoteUpload, of delivery: Delivery, in table: TableReference
    ) async throws(Failure) -> RemoteUpload {
        guard let registration = delivery.registration, registration.uri != named.uri, !hasTwoURIs.contains(table),
            let answer = try await ports.remote(for: table).upload(uri: registration.uri)
        else { return named }
        if answer.uri == named.uri { hasTwoURIs.insert(table) }
        return answer
    }

    /// What no listing of this walk showed. A list that lags behind, or leaves something out, is normal: a request for
    /// the uri itself decides, and only once the doubt about it is over (`Absences`).
    private func judgeMissing(
        _ search: Gathered<ImportSearch>, since began: MonotonicInstant, in table: TableReference,
        _ hasMoved: Gathered<Bool>, _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async throws(Failure) {
        let missing = await search.value.missing
        for (delivery, isOver) in absences.toAsk(
            missing, walkBegan: began, doubt: doubt(), limit: Self.requestsForMissing)
        {
            guard let registration = delivery.registration else { continue }
            let found = try await directory.find(registration, of: delivery, in: table)
            observer(.alive(.follower))
            if let found {
                let taken = await search.change { $0.take(found, as: delivery) }
                if await report(taken, apply) { await hasMoved.change { $0 = true } }
            } else if isOver {
                absences.forget(delivery.id)
                if let key = delivery.tableKey { try await ports.queue.forgetUpload(uri: registration.uri, of: key) }
                // Where others register, one of them may have taken it off for one that is gone too by now.
                await apply(await directory.isShared(table) ? .uploadLost : .importVanished, delivery)
            }
        }
    }

    /// How many uploads that a walk did not show are asked for by themselves after it.
    static let requestsForMissing = 32

    /// Each upload by its uri. What is not found is looked for in the listings.
    private func ask(
        _ batch: [Delivery], in table: TableReference, _ search: Gathered<ImportSearch>, _ hasMoved: Gathered<Bool>,
        _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async throws(Failure) {
        for delivery in batch {
            guard let uri = delivery.registration?.uri else { continue }
            let asked = ports.clock.now().monotonic
            let answer = try await ports.remote(for: table).upload(uri: uri)
            listed += ports.clock.now().monotonic.since(asked) ?? .zero
            observer(.alive(.follower))
            guard let answer else { continue }
            let found = await search.change { $0.meet([answer]) }
            if await report(found, apply) { await hasMoved.change { $0 = true } }
        }
    }

    /// Side by side, so that their commits are grouped.
    /// - Returns: whether an import has ended.
    private func report(
        _ found: [(RemoteUpload, Delivery)], _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async -> Bool {
        for (_, delivery) in found { absences.forget(delivery.id) }
        let ended = found.filter { $0.0.status != .inProgress }
        await withTaskGroup(of: Void.self) { group in
            for (index, (upload, delivery)) in ended.enumerated() {
                if index >= Self.reportsAtOnce { await group.next() }
                group.addTask { await apply(.importReported(upload), delivery) }
            }
        }
        return !ended.isEmpty
    }

    static let reportsAtOnce = 32
}

extension [Delivery] {
    /// The newest release that every one of them was registered after; `nil` where one may be older than all.
    fileprivate var oldestPredecessor: VersionTag? {
        let predecessors = compactMap { $0.registration?.newestReleased }
        return predecessors.count == count ? predecessors.min() : nil
    }
}
