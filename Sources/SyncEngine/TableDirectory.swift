import SyncCore

/// What is known of the tables: what Redivis calls them, whether a version is open, and which uploads they have.
///
/// The local index of a table's uploads is what makes "a look-up before every post" cheap. It is brought up to date
/// once at each start: the open draft, and every version released since the newest that the database knows; with a
/// new database all versions.
public actor TableDirectory {
    private let ports: EnginePorts
    private let doubt: Duration
    private let observer: EngineObserver
    private var tables: [TableReference: Entry] = [:]
    /// Tables whose index is being written, with those who wait for their turn: the pages of two listings would mix,
    /// and the end of the one would take away what the other has yet to confirm. By key, since one table may be
    /// spelled in two ways.
    private var listings: [TableKey: [CheckedContinuation<Void, Never>]] = [:]
    private var furthestPages: [TableReference: Int] = [:]
    private let onRefusal: (@Sendable (Refusal) async -> Void)?

    /// Somebody was refused what the table was thought to allow.
    struct Refusal: Sendable {
        let table: TableReference
        let failure: Failure
    }

    private struct Entry {
        var table: RemoteTable
        var gate: Gate
    }

    /// A database without a past must let requests of that past be carried out or dropped.
    private enum Gate {
        case open
        case closed(until: MonotonicInstant)

        var stored: PostingGate {
            switch self {
            case .open: .open
            case .closed: .closed
            }
        }
    }

    public init(ports: EnginePorts, registrationDoubt: Duration, observer: @escaping EngineObserver) {
        self.init(ports: ports, registrationDoubt: registrationDoubt, onRefusal: nil, observer: observer)
    }

    /// - Parameter onRefusal: told of tables that were closed because of what Redivis answered; `nil`: none is.
    init(
        ports: EnginePorts, registrationDoubt: Duration, onRefusal: (@Sendable (Refusal) async -> Void)?,
        observer: @escaping EngineObserver
    ) {
        self.ports = ports
        self.doubt = registrationDoubt
        self.onRefusal = onRefusal
        self.observer = observer
    }

    /// Tables whose deliveries can be worked on.
    public var ready: Set<TableReference> { Set(tables.keys) }

    public func table(_ reference: TableReference) -> RemoteTable? { tables[reference]?.table }

    /// Pages of uploads that were written to the index, by the furthest listing of each table: what shows that a long
    /// listing moves on, and one that fails at the same page again and again does not.
    var pagesListed: Int { furthestPages.values.reduce(0, +) }

    // MARK: Refusals

    /// A request of a delivery has failed. Where that is the table's or the token's matter, the next delivery would
    /// fail likewise: the table is closed until it has been asked about again.
    func note(_ failure: Failure, about reference: TableReference) async {
        guard let onRefusal else { return }
        switch (failure.kind, failure.scope) {
        case (.unauthorized, _):
            let account = ports.account(of: reference)
            tables = tables.filter { ports.account(of: $0.key) != account }
        case (.forbidden, .destination): tables[reference] = nil
        case (.forbidden, _), (.transient, _), (.throttled, _), (.sessionLost, _), (.sessionRefused, _), (.rejected, _),
            (.tooLarge, _), (.conflict, _), (.ambiguous, _), (.endpointMissing, _), (.unreadable, _), (.sourceGone, _),
            (.sourceChanged, _), (.stateUnavailable, _):
            return
        }
        await onRefusal(Refusal(table: reference, failure: failure))
    }

    // MARK: Preparing

    /// Asks what the table is and brings the index of its uploads up to date.
    public func prepare(_ reference: TableReference) async throws(Failure) {
        let began = ports.clock.now().monotonic
        let key = try await ports.remote(for: reference).table(reference).key
        try await alone(with: key) { () async throws(Failure) in
            let index = try await ports.queue.remoteIndex(of: key)
            let table = try await list(reference, releasedAfter: index.isComplete ? index.newestReleased : nil)
            let remembers = index.isComplete && index.gate == .open
            let mayHavePast = try await ports.queue.remoteIndex(of: table.key).hasTaggedUploads
            let gate: Gate = remembers || !mayHavePast ? .open : .closed(until: began.advanced(by: doubt))
            try await ports.queue.closeListing(
                of: table.key, newestReleased: table.released.last, gate: gate.stored)
            tables[reference] = Entry(table: table, gate: gate)
            observer(.tableReady(reference, table))
        }
    }

    /// Runs `body` while nobody else writes the index of the table.
    private func alone(with key: TableKey, _ body: () async throws(Failure) -> Void) async throws(Failure) {
        if listings[key] == nil {
            listings[key] = []
        } else {
            await withCheckedContinuation { listings[key, default: []].append($0) }
        }
        defer {
            // The turn is handed over, never given up in between.
            if listings[key]?.isEmpty ?? true { listings[key] = nil } else { listings[key]?.removeFirst().resume() }
        }
        try await body()
    }

    /// Writes the uploads of the draft and of every version released after `newest` to the index.
    private func list(
        _ reference: TableReference, releasedAfter newest: VersionTag?
    ) async throws(Failure) -> RemoteTable {
        var pages = 0
        let table = try await walk(reference, releasedAfter: newest) {
            table, version, uploads, isFirst, isLast throws(Failure) in
            try await ports.queue.recordListing(
                uploads, of: table.key, in: version, isFirst: isFirst, isLast: isLast)
            pages += 1
            furthestPages[reference] = max(furthestPages[reference] ?? 0, pages)
        }
        // A draft that was released is listed under its new name; one that was discarded is nowhere, and what is
        // remembered of it must not be taken for an upload that is there.
        if !table.hasDraft {
            try await ports.queue.recordListing([], of: table.key, in: .draft, isFirst: true, isLast: true)
        }
        return table
    }

    /// Lists the table anew: an upload was met that the index does not know.
    public func relist(_ reference: TableReference) async throws(Failure) {
        guard let key = tables[reference]?.table.key else { return }
        try await alone(with: key) { () async throws(Failure) in
            // From the newest version that the database has listed to its end, as at a start.
            let newest = try await ports.queue.remoteIndex(of: key).newestReleased
            let table = try await list(reference, releasedAfter: newest)
            tables[reference]?.table = table
        }
    }

    /// Walks the draft and every version released after `newest`. A release in the middle moves uploads from the one
    /// to the other, where neither listing would meet them: then the walk begins again.
    private func walk(
        _ reference: TableReference, releasedAfter newest: VersionTag?,
        visit: (RemoteTable, TableVersion, [RemoteUpload], _ isFirst: Bool, _ isLast: Bool) async throws(Failure) ->
            Void
    ) async throws(Failure) -> RemoteTable {
        var table = try await ports.remote(for: reference).table(reference)
        while true {
            for version in table.versions(releasedAfter: newest) {
                var page: String?
                var isFirst = true
                repeat {
                    let answer = try await ports.remote(for: reference).uploads(of: reference, in: version, page: page)
                    page = answer.nextPage
                    try await visit(table, version, answer.uploads, isFirst, page == nil)
                    isFirst = false
                } while page != nil
            }
            let after = try await ports.remote(for: reference).table(reference)
            if after.hasDraft == table.hasDraft, after.released == table.released { return after }
            table = after
        }
    }

    // MARK: Versions

    /// Sees to it that an unreleased version is open, opening one where the mapping allows it.
    public func ensureDraft(of reference: TableReference, mayOpen: Bool) async throws(Failure) {
        guard let entry = tables[reference] else { return }
        guard !entry.table.hasDraft else { return }
        guard mayOpen else {
            throw Failure(
                .forbidden, scope: .destination, "the dataset of \(reference) has no unreleased version",
                hint: "open one on Redivis, or set create_version: true")
        }
        try await ports.remote(for: reference).openVersion(of: reference)
        // Two statements: an await on the right of an optional chain would suspend inside the dictionary's accessor,
        // which corrupts the task's memory (Swift 6.3).
        let opened = try await ports.remote(for: reference).table(reference)
        tables[reference]?.table = opened
    }

    /// The table refused a write: what is known of it may be old.
    ///
    /// - Parameter assumed: the table as it was known when the write was made; another delivery may have asked since.
    /// - Returns: whether the versions are others by now, so that the write may be tried again.
    public func hasMoved(_ reference: TableReference, since assumed: RemoteTable?) async -> Bool {
        guard let assumed, tables[reference] != nil, let now = try? await ports.remote(for: reference).table(reference)
        else {
            return false
        }
        tables[reference]?.table = now
        // Whoever writes has seen to it that a version is open: where none is, others have released or deleted it, be it
        // before the table was looked at again.
        return !now.hasDraft || assumed.released != now.released
    }

    // MARK: Looking up

    /// The look-up before a first post: the index is enough, once it remembers the table's past.
    public func lookUpBeforePost(_ name: String, in reference: TableReference) async throws(Failure) -> DeliveryEvent {
        guard let entry = tables[reference] else {
            throw Failure(.transient, scope: .destination, "the table \(reference) is not known yet")
        }
        switch entry.gate {
        case .open: break
        case .closed(let until):
            let now = ports.clock.now().monotonic
            guard now.reached(until) ?? true else { return .postingGated(until: until) }
            try await openGate(reference)
        }
        let begun = ports.clock.now().monotonic
        if let upload = try await ports.queue.knownUpload(named: name, of: entry.table.key) {
            return .registrationFound(upload, newestReleased: entry.table.released.last)
        }
        return .registrationAbsent(LookUpReport(begun: begun, newestReleased: entry.table.released.last))
    }

    /// One listing that begins after the window.
    private func openGate(_ reference: TableReference) async throws(Failure) {
        guard let key = tables[reference]?.table.key else { return }
        try await alone(with: key) { () async throws(Failure) in
            guard let entry = tables[reference], case .closed = entry.gate else { return }
            let table = try await list(reference, releasedAfter: entry.table.released.last)
            try await ports.queue.closeListing(of: key, newestReleased: table.released.last, gate: .open)
            tables[reference]?.table = table
            // Of every spelling: what an earlier run had posted is known now.
            for (other, entry) in tables where entry.table.key == key { tables[other]?.gate = .open }
        }
    }

    /// Takes one of our uploads off its table, and out of what is remembered of it.
    func withdraw(uri: String, of delivery: Delivery) async throws(Failure) {
        try await ports.remote(for: delivery.table).withdraw(uri: uri)
        if let key = delivery.tableKey { try await ports.queue.forgetUpload(uri: uri, of: key) }
    }

    /// Everything in the draft and in the versions released since that bears one of these names, or its tag, by name.
    func uploads(
        bearing names: [String], in reference: TableReference, releasedAfter newest: VersionTag?
    ) async throws(Failure) -> [String: [MetUpload]] {
        var byTag: [String: String] = [:]
        for name in names { if let tag = UploadName.tag(in: name) { byTag[tag] = name } }
        var met: [String: Set<MetUpload>] = [:]
        let table = try await walk(reference, releasedAfter: newest) { _, version, uploads, _, _ throws(Failure) in
            for upload in uploads {
                for tag in UploadName.tags(in: upload.name) {
                    guard let name = byTag[tag] else { continue }
                    met[name, default: []].insert(MetUpload(upload, in: version))
                }
            }
        }
        tables[reference]?.table = table
        return met.mapValues { Array($0) }
    }

    /// One upload by the address of its name, in each of these versions.
    private func upload(
        named name: String, in versions: [TableVersion], _ reference: TableReference
    ) async throws(Failure) -> RemoteUpload? {
        for version in versions {
            let answer = try await ports.remote(for: reference).upload(named: name, of: reference, in: version)
            if let answer, answer.rank(asOurs: name) != nil { return answer }
        }
        return nil
    }

    /// An upload that a listing did not show: by its uri, and where it bears a name of ours, by that.
    func find(
        _ registration: Registration, bearsOurName: Bool, in reference: TableReference
    ) async throws(Failure) -> RemoteUpload? {
        if let upload = try await ports.remote(for: reference).upload(uri: registration.uri) { return upload }
        guard bearsOurName else { return nil }
        let table = try await ports.remote(for: reference).table(reference)
        return try await upload(
            named: registration.name, in: table.versions(releasedAfter: registration.newestReleased), reference)
    }

    /// The look-up in doubt: the server itself is asked, in the draft and in every version released since.
    public func lookUpOnServer(
        _ name: String, in reference: TableReference, releasedAfter newest: VersionTag?
    ) async throws(Failure) -> DeliveryEvent {
        let begun = ports.clock.now().monotonic
        var best: (upload: RemoteUpload, rank: Int)?
        let table = try await walk(reference, releasedAfter: newest) { _, _, uploads, _, _ throws(Failure) in
            for upload in uploads {
                guard let rank = upload.rank(asOurs: name), rank < best?.rank ?? .max else { continue }
                best = (upload, rank)
            }
        }
        tables[reference]?.table = table
        // A list may leave out what is there (api.md 11, 12): absent is what its address does not lead to either.
        if best == nil, let upload = try await upload(named: name, in: table.versions(releasedAfter: newest), reference)
        {
            return .registrationFound(upload, newestReleased: newest)
        }
        if let found = best?.upload { return .registrationFound(found, newestReleased: newest) }
        return .registrationAbsent(LookUpReport(begun: begun, newestReleased: table.released.last))
    }
}

extension RemoteUpload {
    /// How surely this is the upload that we registered as `name`, the surest first; `nil` where it is not. A server
    /// that renames what meets a taken name keeps the tag, and the tag is of our path and content alone.
    fileprivate func rank(asOurs name: String) -> Int? {
        let hasFailed = if case .failed = status { true } else { false }
        if UploadName.isSame(self.name, name) { return hasFailed ? 2 : 0 }
        guard let tag = UploadName.tag(in: name), self.name.contains(tag) else { return nil }
        return hasFailed ? 3 : 1
    }
}

extension RemoteTable {
    /// The draft, where one is open, and the versions released after `newest` (all where it is `nil`).
    func versions(releasedAfter newest: VersionTag?) -> [TableVersion] {
        let since = released.filter { tag in newest.map { tag > $0 } ?? true }
        return (hasDraft ? [.draft] : []) + since.map { .released($0) }
    }
}
