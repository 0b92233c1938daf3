import SyncCore

/// Looks through tables again after a registration that was posted twice, where a listing showed a name tag at two
/// addresses, and once after registrations; takes off what is there twice (`Duplicates`), and sees to it that a delivery
/// belongs to the upload that stays.
actor TwinKeeper {
    private let ports: EnginePorts
    private let directory: TableDirectory
    private let configuration: LiveConfiguration
    private let observer: EngineObserver
    private let bell = WorkBell()
    /// Name tags that listings have shown twice and nobody has looked after yet.
    private var suspects: [TableReference: Suspects] = [:]
    /// Since when no upload of a delivery was found.
    private var lost: [DeliveryID: MonotonicInstant] = [:]
    /// Whose address several uploads share, as an earlier walk has shown.
    private var crowded: Set<DeliveryID> = []
    /// Of several uploads at one address the one that could not be taken off.
    private var refused: [DeliveryID: Twin] = [:]

    /// When a name tag was last looked after: until the doubt about that is over, lists that show it twice say nothing
    /// new, the walk of that look itself among them.
    private var lookedAfter: [TableReference: [String: MonotonicInstant]] = [:]

    private struct Suspects {
        var tags: Set<String>
        /// Of the walk that showed them.
        var releasedAfter: VersionTag?
    }

    typealias Apply = @Sendable (DeliveryEvent, Delivery) async -> Void

    /// How many deliveries one walk through a table is for.
    static let batch = 1_000
    /// In how many looks the name is asked for though the list shows the delivery's own upload: the list may leave out
    /// the other one each time, and each request is for one delivery.
    static let looksByName = 2
    /// How long a table is looked through after two uploads of one file were met there: another agent may have seen
    /// others than this one.
    static let watchAfterDuplicate: Duration = .seconds(24 * 3600)

    init(
        configuration: LiveConfiguration, ports: EnginePorts, directory: TableDirectory,
        observer: @escaping EngineObserver
    ) {
        self.configuration = configuration
        self.ports = ports
        self.directory = directory
        self.observer = observer
    }

    private var doubt: Duration { configuration.current.settings.registrationDoubt }

    /// There may be something to look at: a table has become ready, or a registration was posted again.
    func ring() async { await bell.ring() }

    /// Runs until it is cancelled.
    func run(reporting apply: @escaping Apply) async {
        await directory.tellDuplicates { [weak self] in await self?.suspect($0) }
        var failures = 0
        while !Task.isCancelled {
            do throws(Failure) {
                try await lookAtAll(apply)
                failures = 0
            } catch {
                failures += 1
                if error.kind == .stateUnavailable { observer(.queueProblem(error)) }
            }
            await bell.wait(atMost: await pause(failures), on: ports.clock)
        }
    }

    private func suspect(_ told: TableDirectory.DuplicateTags) async {
        let now = ports.clock.now().monotonic
        let rests = lookedAfter[told.table, default: [:]].filter { _, looked in
            now.reached(looked.advanced(by: doubt)) == false
        }
        lookedAfter[told.table] = rests
        let found = TableDirectory.DuplicateTags(
            table: told.table, tags: told.tags.filter { rests[$0] == nil }, releasedAfter: told.releasedAfter)
        guard !found.tags.isEmpty else { return }
        if var known = suspects[found.table] {
            known.tags.formUnion(found.tags)
            known.releasedAfter = known.releasedAfter.flatMap { old in found.releasedAfter.map { min(old, $0) } }
            suspects[found.table] = known
        } else {
            suspects[found.table] = Suspects(tags: found.tags, releasedAfter: found.releasedAfter)
        }
        await bell.ring()
    }

    private func pause(_ failures: Int) async -> Duration {
        if failures > 0 {
            return RetryPolicy().delay(afterFailures: failures, jitter: ports.random(), retryAfter: nil)
        }
        let ready = await directory.ready
        var pauses = [AgentRun.longestPause]
        for table in ready {
            guard let sweep = await directory.nextSweep(of: table, doubt: doubt) else { continue }
            pauses.append(sweep.since(ports.clock.now().monotonic) ?? .zero)
        }
        if let next = try? await ports.queue.nextSecondLook(in: ready) {
            // By the wall clock, since it is to outlast restarts; what it steps by only brings a look earlier or later.
            pauses.append(next.since(ports.clock.now().wall))
        }
        return max(pauses.min() ?? .zero, .seconds(1))
    }

    /// What is due, table by table. A table that fails leaves the others theirs.
    private func lookAtAll(_ apply: Apply) async throws(Failure) {
        var trouble: Failure?
        for table in await directory.ready {
            do throws(Failure) {
                try await lookAt(table, apply)
            } catch {
                trouble = error
            }
        }
        if let trouble { throw trouble }
    }

    private func lookAt(_ table: TableReference, _ apply: Apply) async throws(Failure) {
        let now = ports.clock.now()
        if let sweep = await directory.nextSweep(of: table, doubt: doubt), now.monotonic.reached(sweep) != false {
            try await directory.sweep(table)
        }
        let due = try await due(in: table, at: now.wall)
        let found = suspects.removeValue(forKey: table)
        guard !due.isEmpty || found != nil else { return }
        do throws(Failure) {
            try await look(due, found, in: table, apply)
        } catch {
            if let found {
                for tag in found.tags { lookedAfter[table]?[tag] = nil }
                await suspect(.init(table: table, tags: found.tags, releasedAfter: found.releasedAfter))
            }
            throw error
        }
    }

    /// Where a walk is due, those looks come along that would need one of their own soon.
    private func due(in table: TableReference, at now: Timestamp) async throws(Failure) -> [SecondLook] {
        guard try await !ports.queue.secondLooks(in: table, at: now, limit: 1).isEmpty else { return [] }
        return try await ports.queue.secondLooks(in: table, at: now.advanced(by: doubt / 2), limit: Self.batch)
    }

    // MARK: One walk

    private func look(
        _ due: [SecondLook], _ found: Suspects?, in table: TableReference, _ apply: Apply
    ) async throws(Failure) {
        let oldest = (due.map(\.newestReleased) + (found.map { [$0.releasedAfter] } ?? [])).oldest
        let tags = Set(due.compactMap(\.tag)).union(found?.tags ?? [])
        let began = ports.clock.now().monotonic
        for tag in tags { lookedAfter[table, default: [:]][tag] = began }
        let walk = try await directory.uploads(bearing: tags, in: table, releasedAfter: oldest)
        var looks = due
        if let found, let key = await directory.key(of: table) {
            let names = Set(
                walk.met.filter { found.tags.contains($0.key) && $0.value.count > 1 }.values.joined()
                    .map(\.upload.name))
            let now = ports.clock.now().wall
            let suspected = try await ports.queue.suspect(
                Array(names), of: key, newestReleased: found.releasedAfter,
                until: now.advanced(by: Self.watchAfterDuplicate), at: now)
            looks += suspected.filter { new in !due.contains { $0.delivery.id == new.delivery.id } }
        }
        for look in looks {
            try await settle(look, look.tag.flatMap { walk.met[$0] } ?? [], began: walk.began, in: table, apply)
        }
    }

    private func settle(
        _ look: SecondLook, _ listed: [MetUpload], began: MonotonicInstant, in table: TableReference, _ apply: Apply
    ) async throws(Failure) {
        let met = try await completed(listed, of: look, in: table).filter { look.isOurs($0.upload) }
        let verdict = look.verdict(on: met)
        let now = ports.clock.now()
        var next = look.next(after: now.wall, doubt: doubt)
        guard try await isThere(verdict, of: look.delivery) else {
            return try await ports.queue.record([], of: look, next: now.wall.advanced(by: doubt), at: now)
        }
        var twins = try await resolve(verdict, of: look.delivery) + look.strangers(among: listed)
        var isSoon = false
        if let kept = verdict.kept, kept.version == .draft {
            let sharing = listed.filter { $0.version == .draft && $0.upload.uri == kept.upload.uri }
            let (twin, again) = try await thinOut(sharing.map(\.upload), of: look.delivery)
            if let twin { twins.append(twin) }
            isSoon = again
        }
        let standing = twins.filter { $0.fate != .removed }
        if !standing.isEmpty { next = look.next(after: now.wall, doubt: doubt, standing: standing) }
        // At a time of its own: two agents that take off one each at once would leave none.
        if isSoon { next = now.wall.advanced(by: .seconds(1) + doubt * ports.random()) }
        switch look.binding(verdict) {
        case .stays:
            lost[look.delivery.id] = nil
        case .moves(let kept):
            lost[look.delivery.id] = nil
            await apply(.keptInstead(kept.upload, newestReleased: look.newestReleased), look.delivery)
        case .lost:
            let since = lost[look.delivery.id] ?? began
            lost[look.delivery.id] = since
            next = now.wall.advanced(by: doubt)
            if began.reached(since.advanced(by: doubt)) == true {
                lost[look.delivery.id] = nil
                await apply(.uploadLost, look.delivery)
            }
        }
        try await ports.queue.record(twins, of: look, next: next, at: ports.clock.now())
    }

    /// A list may lag behind or leave something out: what it does not show is asked for by its addresses.
    private func completed(
        _ listed: [MetUpload], of look: SecondLook, in table: TableReference
    ) async throws(Failure) -> [MetUpload] {
        guard let uri = look.ownURI, let name = look.delivery.uploadName else { return listed }
        let search = UploadSearch(name, of: look.delivery)
        var met = listed
        let showsOwn = listed.contains { $0.upload.uri == uri }
        if !showsOwn {
            let own = try await ports.remote(for: table).upload(uri: uri)
            // It may be listed under another uri than the one that was told.
            if let own, !listed.contains(where: { $0.upload.uri == own.uri }) { met.append(MetUpload(own, in: .draft)) }
        }
        guard listed.count < 2, !showsOwn || look.looks < Self.looksByName else { return met }
        if let named = try await directory.upload(search, in: table),
            !met.contains(where: { $0.upload.uri == named.uri })
        {
            met.append(MetUpload(named, in: .draft))
        }
        return met
    }

    /// Whether what is kept is there now, so that nothing else goes while it is not. What was released stays.
    private func isThere(_ verdict: DuplicateVerdict, of delivery: Delivery) async throws(Failure) -> Bool {
        guard let kept = verdict.kept, kept.version == .draft, !verdict.superfluous.isEmpty else { return true }
        return try await ports.remote(for: delivery.table).upload(uri: kept.upload.uri) != nil
    }

    /// Takes off what is superfluous.
    private func resolve(_ verdict: DuplicateVerdict, of delivery: Delivery) async throws(Failure) -> [Twin] {
        var twins = verdict.released.map { met in
            Twin(upload: met.upload, version: met.version, fate: .stands("its version is released"))
        }
        for met in verdict.superfluous {
            twins.append(Twin(upload: met.upload, version: met.version, fate: try await withdraw(met, of: delivery)))
        }
        return twins
    }

    /// Of several uploads at one address all but one go, one at a time.
    ///
    /// - Returns: what became of one of them, and whether to look again soon.
    private func thinOut(
        _ entries: [RemoteUpload], of delivery: Delivery
    ) async throws(Failure) -> (twin: Twin?, again: Bool) {
        guard let first = entries.first, entries.count > 1 else {
            crowded.remove(delivery.id)
            refused[delivery.id] = nil
            return (nil, false)
        }
        let isConfirmed = !crowded.insert(delivery.id).inserted
        let shown = try await ports.remote(for: delivery.table).upload(uri: first.uri)
        switch SharedAddress.remedy(for: entries, shown: shown, isConfirmed: isConfirmed, fits: delivery.fits) {
        case .none: return (nil, false)
        // It stands as before, as far as is known.
        case .wait: return (refused[delivery.id], true)
        case .takeOffOne:
            crowded.remove(delivery.id)
            let fate = try await withdraw(MetUpload(first, in: .draft), of: delivery)
            let twin = Twin(upload: first, version: .draft, fate: fate)
            refused[delivery.id] = fate == .removed ? nil : twin
            return (twin, fate == .removed)
        case .tell:
            let why = "one of the uploads at its address is not this file, and cannot be told from the one that is"
            return (Twin(upload: first, version: .draft, fate: .stands(why)), false)
        }
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

extension SecondLook {
    fileprivate var tag: String? { delivery.uploadName.flatMap(UploadName.tag) }
}

extension [VersionTag?] {
    /// `nil` where one of them is.
    fileprivate var oldest: VersionTag? { contains(nil) ? nil : compactMap { $0 }.min() }
}
