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
    /// Since when the listings have not shown an upload, and no request for its uri has found it either.
    private var absences = Absences()
    /// How many pages the last walk through a table's draft took.
    private var pages: [TableReference: Int] = [:]
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
        var search = ImportSearch(batch)
        var hasMoved = false
        let began = ports.clock.now().monotonic
        if batch.count < pages[table] ?? 0 {
            hasMoved = try await ask(batch, in: table, &search, apply)
        }
        if !search.isDone {
            hasMoved = try await walk(.draft, of: table, &search, apply) || hasMoved
        }
        if !search.isDone {
            // Not in the draft: it may have been released meanwhile.
            let released = try await ports.remote(for: table).table(table).versions(
                releasedAfter: batch.oldestPredecessor)
            for version in released where version != .draft && !search.isDone {
                hasMoved = try await walk(version, of: table, &search, apply) || hasMoved
            }
        }
        return try await judgeMissing(search.missing, since: began, in: table, &search, apply) || hasMoved
    }

    /// What no listing of this walk showed. A list that lags behind, or leaves something out, is normal: a request for
    /// the uri itself decides, and only once the doubt about it is over (`Absences`).
    private func judgeMissing(
        _ missing: [Delivery], since began: MonotonicInstant, in table: TableReference, _ search: inout ImportSearch,
        _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async throws(Failure) -> Bool {
        var hasMoved = false
        let asked = absences.toAsk(missing, walkBegan: began, doubt: doubt(), limit: Self.requestsForMissing)
        for (delivery, isOver) in asked {
            guard let registration = delivery.registration else { continue }
            let found = try await directory.find(
                registration, bearsOurName: delivery.bearsOurName(registration), in: table)
            observer(.alive(.follower))
            if let found {
                hasMoved = await report(search.take(found, as: delivery), apply) || hasMoved
                continue
            }
            guard isOver else { continue }
            absences.forget(delivery.id)
            if let key = delivery.tableKey {
                try await ports.queue.forgetUpload(uri: registration.uri, of: key)
            }
            await apply(.importVanished, delivery)
        }
        return hasMoved
    }

    /// How many uploads that a walk did not show are asked for by themselves after it.
    static let requestsForMissing = 32

    /// Each upload by its uri. What is not found is looked for in the listings.
    private func ask(
        _ batch: [Delivery], in table: TableReference, _ search: inout ImportSearch,
        _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async throws(Failure) -> Bool {
        var hasMoved = false
        for uri in batch.compactMap(\.registration?.uri) {
            let asked = ports.clock.now().monotonic
            let answer = try await ports.remote(for: table).upload(uri: uri)
            listed += ports.clock.now().monotonic.since(asked) ?? .zero
            observer(.alive(.follower))
            guard let answer else { continue }
            hasMoved = await report(search.meet([answer]), apply) || hasMoved
        }
        return hasMoved
    }

    private func walk(
        _ version: TableVersion, of table: TableReference, _ search: inout ImportSearch,
        _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async throws(Failure) -> Bool {
        var hasMoved = false
        var page: String?
        var count = 0
        repeat {
            let asked = ports.clock.now().monotonic
            let answer = try await ports.remote(for: table).uploads(of: table, in: version, page: page)
            listed += ports.clock.now().monotonic.since(asked) ?? .zero
            observer(.alive(.follower))
            hasMoved = await report(search.meet(answer.uploads), apply) || hasMoved
            page = answer.nextPage
            count += 1
            if version == .draft { pages[table] = max(page == nil ? count : pages[table] ?? 0, count) }
        } while page != nil && !search.isDone
        return await report(search.settleByName(), apply) || hasMoved
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
