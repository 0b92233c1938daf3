import GRDB
import Glibc
import Logging
import SyncCore
import Synchronization
import SystemPackage

/// The queue in the state directory's `queue.sqlite`: WAL, `synchronous=FULL`, one writer.
///
/// Every verb is one whole transaction; those of concurrent callers are committed together (see `CommitGroup`), and
/// a caller goes on only when the COMMIT that covers it has returned. What is read is what was committed.
///
///     let directory = try StateDirectory.claim("/var/lib/redivis-sync")
///     let queue = try await SQLiteQueue(in: directory, api: settings.api, logger: logger)
///     try await queue.beginRun(configuration.mappings)
public final class SQLiteQueue: DeliveryQueue {
    let pool: DatabasePool
    let path: FilePath
    private let api: String
    let logger: Logger
    private let commits: CommitGroup
    private let receiptLog: ReceiptLog
    private let health: DatabaseHealth
    /// What commands read.
    public let reader: QueueReader
    /// Rows that could not be read, told once each and passed over until the next start.
    private let unreadable = Mutex<[Int64: Failure]>([:])
    /// The run of the last moment that was handed in: stored instants of this database belong to it.
    private let run = Mutex<UInt64>(0)
    /// Asked for with each decision, and changed only by this queue. The outer `nil`: not read yet.
    private let rememberedFact = Mutex<EndpointFact??>(nil)
    /// Asked for with each decision, and changed only by this queue.
    let unknownPast = Mutex<UnknownPast?>(nil)

    /// Opens or makes the database, brings its tables up to date, and brings `receipts.jsonl` up to it.
    ///
    /// - Parameters:
    ///   - directory: claimed; kept for as long as the queue lives, and with it the lock.
    ///   - api: the API's base, under which facts about its endpoints are remembered.
    /// - Throws: `Failure` of kind `stateUnavailable`, with SQLite's words and what to do.
    public convenience init(in directory: StateDirectory, api: String, logger: Logger) async throws(Failure) {
        let path = directory.path.appending(QueueDatabase.fileName)
        // Opening the queue brings them up to the database.
        let hasReceipts = DatabaseMark.hasReceipts(directory.path)
        try directory.makePrivateFile(QueueDatabase.fileName)
        try await self.init(path: path, api: api, logger: logger, keeping: directory)
        directory.keepsInPlace(path)
        let origin = try await read {
            try DatabaseMark.origin(of: $0, in: directory.path, hasReceipts: hasReceipts)
        }
        try await begin(as: origin)
        await renewMark()
    }

    let directory: StateDirectory?

    convenience init(path: FilePath, api: String, logger: Logger, keeping directory: StateDirectory?)
        async throws(Failure)
    {
        let opened = try OpenedDatabase(at: path)
        // A journal that was deleted while the database was made must not come back with a power failure. Not every file
        // system can do this; those that cannot do it by themselves.
        try? QueueRebuild.sync(path.removingLastComponent())
        try await self.init(opened, calls: .onOwnThreads, api: api, logger: logger, keeping: directory)
        if Self.size(of: path) <= QueueDatabase.checkedAtStart { try QueueDatabase.checkWhole(pool, path) }
    }

    /// - Parameters:
    ///   - origin: what the database is, where that is not found out by the files beside it.
    ///   - receipts: where `receipts.jsonl` is; `nil`: beside the database.
    package init(
        _ opened: OpenedDatabase, calls: DatabaseCalls, api: String, logger: Logger,
        keeping directory: StateDirectory? = nil, origin: DatabaseOrigin = .itself, receipts: FilePath? = nil
    ) async throws(Failure) {
        path = opened.path
        self.api = api
        self.logger = logger
        self.directory = directory
        let pool = opened.pool
        self.pool = pool
        let log = ReceiptLog(
            pool: pool, path: receipts ?? path.removingLastComponent().appending("receipts.jsonl"), logger: logger)
        receiptLog = log
        let health = DatabaseHealth(path: path)
        self.health = health
        reader = QueueReader(database: pool, calls: calls, path: path, health: health)
        commits = CommitGroup(pool: pool, calls: calls, health: health) { Task { await log.noteCommit() } }
        try await log.start()
        try await begin(as: origin)
    }

    private static func size(of path: FilePath) -> Int64 {
        var status = stat()
        return stat(path.string, &status) == 0 ? Int64(clamping: status.st_size) : 0
    }

    /// Waits until SQLite says that the database is damaged, for one caller. Nothing that is read then can be trusted:
    /// the agent must end.
    /// - Returns: what was found, with the command that mends it; `nil` where the task is cancelled.
    public func damage() async -> Failure? { await health.damage() }

    /// Returns when every receipt that was committed is in `receipts.jsonl` and synced: before a run ends.
    public func flushReceipts() async throws(Failure) {
        try await receiptLog.flush()
        await renewMark()
    }

    /// Rows that could not be read since the start, each told with its number and what to do.
    public var unreadableRows: [Failure] { unreadable.withLock { rows in rows.keys.sorted().compactMap { rows[$0] } } }

    func write<Value: Sendable>(
        _ body: @escaping @Sendable (Transaction) throws -> Value
    ) async throws(Failure) -> Value {
        try await commits.write(body)
    }

    func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(Failure) -> Value {
        try await reader.read(body)
    }

    func note(_ now: MonotonicInstant) { run.withLock { $0 = now.run } }

    private func instant(_ nanoseconds: Int64) -> MonotonicInstant {
        MonotonicInstant(run: run.withLock { $0 }, nanoseconds: nanoseconds)
    }

    // MARK: Start

    public func beginRun(_ mappings: [Mapping]) async throws(Failure) {
        try await write { try $0.beginRun(mappings) }
    }

    public func takeUp(_ mappings: [Mapping], at now: Moment) async throws(Failure) {
        note(now.monotonic)
        try await write { try $0.takeUp(mappings, run: now.monotonic.run) }
    }

    public func rerouteUnsent(_ mappings: [Mapping], at now: Moment) async throws(Failure) {
        for mapping in mappings {
            var last: Int64? = 0
            while let after = last {
                last = try await write { try $0.rerouteUnsent(of: mapping, after: after, at: now.wall) }
            }
        }
    }

    public func reroute(
        _ delivery: Delivery, to table: TableReference, key: TableKey?, at now: Moment
    ) async throws(Failure) {
        try await write { try $0.reroute(delivery, to: table, key: key, at: now.wall) }
    }

    public func existingVerdict(of mapping: MappingID) async throws(Failure) -> ExistingVerdict {
        try await read { database in
            guard let number = try database.mappingNumber(mapping) else { return .open }
            return try database.existingVerdict(number)
        }
    }

    public func closeExisting(of mapping: MappingID, exceptBelow unseen: [RelativePath]) async throws(Failure) {
        try await write { try $0.closeExisting(of: mapping, exceptBelow: unseen) }
    }

    public func folderIdentity(of mapping: MappingID, at folder: FilePath) async throws(Failure) -> FolderIdentity? {
        try await read { database in
            guard let number = try database.mappingNumber(mapping) else { return nil }
            return try database.folderIdentity(of: number, at: folder)
        }
    }

    public func folderIdentity(of delivery: DeliveryID) async throws(Failure) -> FolderIdentity? {
        try await read { try $0.folderIdentity(of: delivery) }
    }

    public func noteFolder(
        _ identity: FolderIdentity?, of mapping: MappingID, at folder: FilePath, now: Moment
    ) async throws(Failure) {
        note(now.monotonic)
        try await write { try $0.noteFolder(identity, of: mapping, at: folder, run: now.monotonic.run) }
    }

    public func fileSystems() async throws(Failure) -> [String: UInt64] { try await reader.fileSystems() }

    public func noteFileSystem(_ name: String, number: UInt64) async throws(Failure) {
        try await write { transaction in
            try transaction.database.run(
                "INSERT INTO fileSystem (name, number) VALUES (?, ?) ON CONFLICT DO NOTHING",
                [name, Int64(bitPattern: number)])
        }
    }

    // MARK: Intake

    public func noteSeen(
        _ files: [SeenFile], in mapping: MappingID, lookAgainAfter quiet: Duration, began: MonotonicInstant,
        at now: Moment, hastens: Bool
    ) async throws(Failure) -> SeenSummary {
        note(now.monotonic)
        return try await write {
            try $0.noteSeen(files, in: mapping, lookAgainAfter: quiet, began: began, at: now, hastens: hastens)
        }
    }

    public func noteLeft(_ paths: [RelativePath], in mapping: MappingID) async throws(Failure) -> Bool {
        try await write { try $0.noteLeft(paths, in: mapping) }
    }

    public func settlingDue(at now: MonotonicInstant, limit: Int) async throws(Failure) -> [SettlingFile] {
        note(now)
        return try await read { try $0.settlingDue(at: now, limit: limit) }
    }

    /// Of the run that was last handed in with a moment; an instant at 0 means "now".
    public func nextLook() async throws(Failure) -> MonotonicInstant? {
        let due = try await read { try $0.row("SELECT min(due) FROM settling")?.optionalInteger(0) }
        return due.map(instant)
    }

    public func recordLooks(
        _ looks: [SettleOutcome], began: MonotonicInstant, at now: Moment
    ) async throws(Failure) {
        note(now.monotonic)
        try await write { try $0.recordLooks(looks, began: began, at: now) }
    }

    // MARK: Deliveries

    public func due(
        at now: MonotonicInstant, tables: Set<TableReference>, excluding excluded: Set<DeliveryID>, limit: Int
    ) async throws(Failure) -> [Delivery] {
        note(now)
        var found = FoundDeliveries()
        repeat {
            // Rows that cannot be read take no place of others: they are told, passed over, and the rest is asked for.
            let passed = unreadable.withLock { Set($0.keys) }.union(excluded.map(\.value))
            found = try await read { try $0.due(at: now, tables: tables, excluding: passed, limit: limit) }
            report(found.unreadable)
        } while found.deliveries.count < limit && !found.unreadable.isEmpty
        return found.deliveries
    }

    public func importing(
        in table: TableReference, after: DeliveryID?, limit: Int
    ) async throws(Failure) -> [Delivery] {
        let found = try await read { try $0.importing(in: table, after: after, limit: limit) }
        report(found.unreadable)
        return found.deliveries
    }

    private func report(_ rows: [(Int64, Failure)]) {
        for (id, failure) in rows {
            let isNew = unreadable.withLock { $0.updateValue(failure, forKey: id) == nil }
            guard isNew else { continue }
            logger.error("a delivery cannot be read", metadata: ["delivery": "\(id)", "problem": "\(failure)"])
        }
    }

    public func delivery(_ id: DeliveryID) async throws(Failure) -> Delivery? {
        try await read { try $0.deliveryRow(id.value)?.delivery }
    }

    public func tablesInUse() async throws(Failure) -> Set<TableReference> {
        try await read { try $0.tablesInUse() }
    }

    public func save(_ decision: Decision, at now: Moment) async throws(Failure) -> SaveOutcome {
        note(now.monotonic)
        let api = api
        let stored = Result { try StoredState(decision.delivery.state, decision.delivery.tally) }
        let before = unknownPast.withLock { $0 }
        let (outcome, past) = try await write { transaction in
            let outcome = try transaction.save(decision, as: stored.get(), api: api, at: now)
            guard let before, outcome.isSaved else { return (outcome, before) }
            return (outcome, try transaction.checkFirstPost(decision.delivery, before, at: now.wall))
        }
        if past != before { unknownPast.withLock { $0 = past } }
        if outcome.isSaved, let fact = decision.endpointFact { rememberedFact.withLock { $0 = .some(fact) } }
        return outcome
    }

    public func settleContent(
        _ content: Content, uploadName: String, table: TableKey, of delivery: Delivery, admission: Admission,
        at now: Moment
    ) async throws(Failure) -> Standing {
        note(now.monotonic)
        return try await write {
            try $0.settleContent(
                content, uploadName: uploadName, table: table, of: delivery, admission: admission, at: now)
        }
    }

    public func resettle(_ delivery: Delivery, note text: String, at now: Moment) async throws(Failure) {
        note(now.monotonic)
        try await write { try $0.resettle(delivery, note: text, at: now) }
    }

    /// `nextDue` is that of rows of `tables` that wait: what can be done now has none.
    public func workload(
        at now: MonotonicInstant, tables: Set<TableReference>
    ) async throws(Failure) -> Workload {
        note(now)
        return try await read { try $0.workload(run: now.run, tables: tables) }
    }

    public func nextDue(
        after instant: MonotonicInstant, tables: Set<TableReference>
    ) async throws(Failure) -> MonotonicInstant? {
        note(instant)
        return try await read { try $0.nextDue(after: instant, tables: tables) }
    }

    /// `forget` of a path that the queue holds no content of yet, or whose version is delivered already: whatever
    /// comes there is ignored, until `retry`.
    @discardableResult
    public func ignoreByHand(
        _ path: RelativePath, in mapping: MappingID, table: TableReference, at now: Moment
    ) async throws(Failure) -> DeliveryID {
        try await write { try $0.ignoreByHand(path, in: mapping, table: table, at: now.wall) }
    }

    // MARK: Pauses

    /// Lets deliveries of one mapping, or of all, begin no new transfer, for good: until `resume`. What has a session
    /// goes on to its end; files are still seen, settle and queue.
    public func pause(_ mapping: MappingID?) async throws(Failure) -> PauseChange {
        try await write { try $0.pause(mapping) }
    }

    public func resume(_ mapping: MappingID?, at now: Moment) async throws(Failure) -> PauseChange {
        try await write { try $0.resume(mapping, run: now.monotonic.run) }
    }

    // MARK: Facts about the API

    public func endpointFact(of api: String) async throws(Failure) -> EndpointFact? {
        if api == self.api, let known = rememberedFact.withLock({ $0 }) { return known }
        let fact = try await read { database in
            try database.row("SELECT endpoint FROM apiFact WHERE api = ?", [api])?.optionalText(0)
                .flatMap(EndpointFact.init(rawValue:))
        }
        guard api == self.api else { return fact }
        // A save that ended meanwhile knows better.
        return rememberedFact.withLock { known in
            known = known ?? .some(fact)
            return known ?? fact
        }
    }
}
