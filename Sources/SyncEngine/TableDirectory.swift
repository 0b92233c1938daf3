import SyncCore

/// What is known of the tables: what Redivis calls them, whether a version is open, and which uploads they have.
///
/// The local index of a table's uploads is what makes "a look-up before every post" cheap. It is brought up to date
/// once at each start: the open draft, and every version released since the newest that the database knows; with a
/// new database all versions.
public actor TableDirectory {
    let ports: EnginePorts
    private let doubt: Duration
    private let observer: EngineObserver
    var tables: [TableReference: Entry] = [:]
    /// What Redivis called them, also while they are closed.
    private var keys: [TableReference: TableKey] = [:]
    /// Tables whose index is being written, with those who wait for their turn: the pages of two listings would mix,
    /// and the end of the one would take away what the other has yet to confirm. By key, since one table may be
    /// spelled in two ways.
    private var listings: [TableKey: [CheckedContinuation<Void, Never>]] = [:]
    private var observers: [TableReference: TableObserver] = [:]
    private var sweeps: [TableReference: SweepSchedule] = [:]
    /// Tables on which uploads with a name tag were met that are not this database's: another agent registers there.
    private(set) var shared: Set<TableReference> = []
    /// What was in doubt within the last look-ups, and when it was looked for.
    var doubts: [TableReference: [String: MonotonicInstant]] = [:]
    /// Told of name tags that a walk has shown twice.
    private var onDuplicates: (@Sendable (DuplicateTags) async -> Void)?
    private let onRefusal: (@Sendable (Refusal) async -> Void)?

    /// Name tags that two uploads of a table bear, and the walk that showed them.
    struct DuplicateTags: Sendable {
        let table: TableReference
        let tags: Set<String>
        let releasedAfter: VersionTag?
    }

    /// Somebody was refused what the table was thought to allow.
    struct Refusal: Sendable {
        let table: TableReference
        let failure: Failure
    }

    struct Entry {
        var table: RemoteTable
        var gate: Gate
        /// When Redivis last told what the table is.
        var told: MonotonicInstant
        /// The newest released version whose uploads the index has.
        var listed: VersionTag?

        /// Whether a version was released that the index does not have.
        var isBehind: Bool { table.released.last != listed }
    }

    /// A database without a past must let requests of that past be carried out or dropped.
    enum Gate {
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

    /// What Redivis calls a table, once it was asked: a refusal that closes the table changes nothing about that.
    func key(of reference: TableReference) -> TableKey? { tables[reference]?.table.key ?? keys[reference] }

    /// Pages of uploads that were written to the index, by the furthest listing of each table: what shows that a long
    /// listing moves on, and one that fails at the same page again and again does not.
    var pagesListed: Int {
        get async {
            var sum = 0
            for observer in observers.values { sum += await observer.furthestPage }
            return sum
        }
    }

    func tellDuplicates(to listener: @escaping @Sendable (DuplicateTags) async -> Void) { onDuplicates = listener }

    // MARK: Observing

    /// The only one that lists that table.
    func observer(of reference: TableReference) -> TableObserver {
        if let known = observers[reference] { return known }
        let made = TableObserver(reference, ports: ports) { [weak self] in await self?.notice($0, of: reference) }
        observers[reference] = made
        return made
    }

    /// Every page that anybody reads is searched for duplicates, and for signs of another agent.
    private func notice(_ page: TableObserver.Noticed, of reference: TableReference) async {
        // Whoever waits for a long walk is as alive as it is.
        observer(.alive(.follower))
        if !page.twice.isEmpty {
            await onDuplicates?(DuplicateTags(table: reference, tags: page.twice, releasedAfter: page.releasedAfter))
        }
        guard !shared.contains(reference), let key = key(of: reference) else { return }
        let tagged = page.uploads.map(\.name).filter(UploadName.isTagged)
        // What cannot be asked now is asked with the next page.
        guard !tagged.isEmpty, (try? await ports.queue.hasOthers(among: tagged, of: key)) == true else { return }
        shared.insert(reference)
    }

    /// Whether another agent is known on the table.
    func isShared(_ reference: TableReference) -> Bool { shared.contains(reference) }

    // MARK: Sweeps

    func noteRegistration(on reference: TableReference) {
        sweeps[reference, default: SweepSchedule()].noteRegistration(at: ports.clock.now().monotonic)
    }

    /// When the table is to be listed once more because of what was registered there; `nil`: not at all.
    func nextSweep(of reference: TableReference, doubt: Duration) -> MonotonicInstant? {
        sweeps[reference]?.due(doubt: doubt)
    }

    /// Lists the table anew, from the newest version that the database has listed to its end, as at a start.
    func sweep(_ reference: TableReference) async throws(Failure) {
        guard let key = tables[reference]?.table.key else { return }
        try await alone(with: key) { () async throws(Failure) in
            guard let gate = tables[reference]?.gate else { return }
            try await bringUpToDate(reference, key, gate: gate)
        }
    }

    /// Lists the draft and the versions released since the index ends.
    func bringUpToDate(_ reference: TableReference, _ key: TableKey, gate: Gate) async throws(Failure) {
        let newest = try await ports.queue.remoteIndex(of: key).newestReleased
        let table = try await list(reference, releasedAfter: newest)
        try await ports.queue.closeListing(of: key, newestReleased: table.released.last, gate: gate.stored)
        note(table, of: reference, isListed: true)
    }

    /// Keeps what Redivis has just told of a table whose deliveries can be worked on.
    func note(_ table: RemoteTable, of reference: TableReference, isListed: Bool = false) {
        guard var entry = tables[reference] else { return }
        (entry.table, entry.told) = (table, ports.clock.now().monotonic)
        if isListed { entry.listed = table.released.last }
        tables[reference] = entry
    }

    /// Asks which versions there are, where that was told too long ago for a first post to rely on it: what another agent
    /// registered in a draft that was released meanwhile is in no list of the present one.
    func refresh(_ reference: TableReference) async throws(Failure) {
        let now = ports.clock.now().monotonic
        guard let told = tables[reference]?.told, now.reached(told.advanced(by: Self.freshness)) != false else {
            return
        }
        // Whoever comes meanwhile does not ask, too.
        tables[reference]?.told = now
        do throws(Failure) {
            let table = try await ports.remote(for: reference).table(reference)
            note(table, of: reference)
        } catch {
            tables[reference]?.told = told
            throw error
        }
    }

    /// How old the word of Redivis may be that a first post relies on.
    static let freshness: Duration = .seconds(5)

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
            tables[reference] = Entry(
                table: table, gate: gate, told: ports.clock.now().monotonic, listed: table.released.last)
            keys[reference] = table.key
            observer(.tableReady(reference, table))
        }
    }

    /// Runs `body` while nobody else writes the index of the table.
    func alone(with key: TableKey, _ body: () async throws(Failure) -> Void) async throws(Failure) {
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
    func list(
        _ reference: TableReference, releasedAfter newest: VersionTag?
    ) async throws(Failure) -> RemoteTable {
        let queue = ports.queue
        let report = try await observer(of: reference).read(
            TableObserver.Reader(releasedAfter: newest) { page throws(Failure) in
                guard let table = page.table else { return false }
                try await queue.recordListing(
                    page.uploads, of: table.key, in: page.place.version, isFirst: page.place.isFirst,
                    isLast: page.place.isLast)
                return false
            })
        let table = try Self.known(report.table)
        // A draft that was released is listed under its new name; one that was discarded is nowhere, and what is
        // remembered of it must not be taken for an upload that is there.
        if !table.hasDraft {
            try await queue.recordListing([], of: table.key, in: .draft, isFirst: true, isLast: true)
        }
        sweeps[reference]?.noteWalk(began: report.began, ended: ports.clock.now().monotonic, doubt: doubt)
        return table
    }

    /// A walk that is a proof has asked for the table.
    static func known(_ table: RemoteTable?) throws(Failure) -> RemoteTable {
        guard let table else { throw Failure(.transient, scope: .destination, "the table was not told") }
        return table
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
        note(opened, of: reference)
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
        note(now, of: reference)
        // Whoever writes has seen to it that a version is open: where none is, others have released or deleted it, be it
        // before the table was looked at again.
        return !now.hasDraft || assumed.released != now.released
    }
}

/// What the pages of a walk add up to for one reader.
actor Gathered<Value: Sendable> {
    private(set) var value: Value

    init(_ value: Value) { self.value = value }

    @discardableResult
    func change<Result: Sendable>(_ body: @Sendable (inout Value) -> Result) -> Result { body(&value) }
}
