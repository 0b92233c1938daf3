import GRDB
import SyncCore
import SystemPackage

/// What commands read, beside a running agent or without one. Nothing here writes, and nothing waits for a writer:
/// readers of a WAL see the last commit.
public struct QueueReader: Sendable {
    private let database: any DatabaseReader
    private let calls: DatabaseCalls
    private let path: FilePath
    private let health: DatabaseHealth

    init(
        database: any DatabaseReader, calls: DatabaseCalls = .onOwnThreads, path: FilePath,
        health: DatabaseHealth? = nil
    ) {
        self.database = database
        self.calls = calls
        self.path = path
        self.health = health ?? DatabaseHealth(path: path)
    }

    /// Opens the queue of a state directory for reading; `nil` where there is none yet.
    ///
    /// - Throws: `Failure` of kind `stateUnavailable`.
    public init?(in directory: FilePath) throws(Failure) {
        let path = directory.appending(QueueDatabase.fileName)
        guard try StateDirectory.holdsFile(path) else { return nil }
        guard let database = try QueueDatabase.openForReading(path) else { return nil }
        self.init(database: database, path: path)
    }

    /// Not cancelled with the caller's task: a read takes milliseconds, and a half-told queue helps nobody.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, any Error>
        switch calls {
        case .inPlace:
            result = readInPlace(body)
        case .onOwnThreads:
            result = await withCheckedContinuation { continuation in
                database.asyncRead { database in
                    continuation.resume(returning: Result { try body(try database.get()) })
                }
            }
        }
        do { return try result.get() } catch { throw health.failure(of: error) }
    }

    /// Not `async`, so that the library's blocking call is the one that is meant. Without a transaction: on the one thread
    /// that there is, nobody writes meanwhile.
    private func readInPlace<Value>(_ body: (Database) throws -> Value) -> Result<Value, any Error> {
        Result { try database.unsafeRead(body) }
    }

    // MARK: Lists

    /// File versions, newest first; files that settle come before all others.
    ///
    /// - Parameter limit: at most so many; values below 1 give none.
    public func list(
        state: PublicState? = nil, mapping: MappingID? = nil, limit: Int
    ) async throws(Failure) -> [DeliverySummary] {
        guard limit > 0 else { return [] }
        return try await read { try $0.summaries(state: state, mapping: mapping, limit: limit) }
    }

    /// The versions that a path has or had: its own, and the one that it shares as a hard link or after a move.
    /// Oldest first; where the path settles, that comes last.
    public func versions(
        at path: RelativePath, mapping: MappingID? = nil
    ) async throws(Failure) -> [DeliverySummary] {
        try await read { try $0.versions(at: path, mapping: mapping) }
    }

    /// The same as deliveries, for the verbs that change them.
    public func deliveries(
        at path: RelativePath, mapping: MappingID? = nil
    ) async throws(Failure) -> [Delivery] {
        try await read { database in
            try database.deliveryNumbers(at: path, mapping).compactMap { try database.deliveryRow($0)?.delivery }
        }
    }

    /// Paths below a directory that files were seen at, those that settle included, in ascending order of their bytes.
    public func files(
        below directory: RelativePath, mapping: MappingID, after: RelativePath? = nil, limit: Int
    ) async throws(Failure) -> [RelativePath] {
        try await read { try $0.files(below: directory, mapping, after: after, limit: limit) }
    }

    /// Deliveries in one public state, by id, for the verbs that change many.
    public func deliveries(
        in state: PublicState, mapping: MappingID? = nil, after: DeliveryID? = nil, limit: Int
    ) async throws(Failure) -> [Delivery] {
        try await read { try $0.deliveries(in: state, mapping, after: after, limit: limit) }
    }

    public func delivery(_ id: DeliveryID) async throws(Failure) -> Delivery? {
        try await read { try $0.deliveryRow(id.value)?.delivery }
    }

    public func settling(at path: RelativePath, mapping: MappingID) async throws(Failure) -> SettlingFile? {
        try await read { database in
            try database.row(
                SettlingRow.select + " WHERE m.name = ? AND s.path = ?", [mapping.value, path.column]
            ).map { try SettlingRow($0).file }
        }
    }

    /// The observation that was last accepted of a path; `nil` where the next scan looks again in any case.
    public func observation(of path: RelativePath, mapping: MappingID) async throws(Failure) -> FileObservation? {
        try await read { database in
            guard let number = try database.mappingNumber(mapping) else { return nil }
            return try database.fileRow(number, path)?.observation
        }
    }

    // MARK: History

    /// Everything that happened to one delivery, oldest first.
    public func journal(of delivery: DeliveryID) async throws(Failure) -> [JournalLine] {
        try await read { database in
            try database.rows(
                "SELECT at, note, delivery, times, last FROM journal WHERE delivery = ? ORDER BY id", [delivery.value]
            ).map(JournalLine.init)
        }
    }

    /// Everything that happened at a path, also to versions that were given up there, oldest first.
    public func journal(at path: RelativePath, mapping: MappingID) async throws(Failure) -> [JournalLine] {
        try await read { database in
            guard let number = try database.mappingNumber(mapping), let file = try database.fileRow(number, path)
            else { return [] }
            return try database.rows(
                "SELECT at, note, delivery, times, last FROM journal WHERE file = ? ORDER BY id", [file.id]
            ).map(JournalLine.init)
        }
    }

    /// Receipts by their number, at most `limit` after `sequence`, delivered at or after `since`.
    public func receipts(
        since: Timestamp? = nil, after sequence: Int64 = 0, limit: Int
    ) async throws(Failure) -> [ReceiptLine] {
        try await read { try $0.receipts(since: since, after: sequence, limit: limit) }
    }

    /// Beside the database.
    var receiptFile: FilePath { path.removingLastComponent().appending("receipts.jsonl") }

    /// Hands on the lines that `receipts.jsonl` has from before this database was made, in their order: of a database
    /// that was lost. They are read from the file, so they are worth what the file is.
    public func earlierReceipts(_ handle: (_ line: String) -> Void) async throws(Failure) {
        guard let base = try await read({ try $0.receiptBase() }), var file = try ReceiptLines(receiptFile) else {
            return
        }
        while case .line(let line) = try file.next() {
            guard let head = ReceiptChain.Head(line), head.seq <= base.sequence else { return }
            handle(String(decoding: line, as: UTF8.self))
        }
    }

    /// The number of the last receipt; 0 where there is none.
    public func lastReceipt() async throws(Failure) -> Int64 {
        try await read { try $0.lastReceipt().sequence }
    }

    /// The tables that have receipts delivered at or after `since`, up to the number `last`.
    public func tablesOfReceipts(since: Timestamp?, upTo last: Int64) async throws(Failure) -> Set<TableKey> {
        try await read { database in
            // DISTINCT keeps each table once; grouping would sort all receipts, in memory.
            let rows = try database.rows(
                """
                SELECT DISTINCT ifnull(json_extract(line, '$.table'), '') FROM receipt WHERE seq <= ? AND at >= ?
                """, [last, since?.milliseconds ?? Int64.min])
            return Set(try rows.map { TableKey(try $0.text(0)) })
        }
    }

    // MARK: Pauses

    public func pauses() async throws(Failure) -> Pauses {
        try await read { try $0.pauses() }
    }

    // MARK: Numbers

    /// How many file versions there are in each state.
    public func counts(of mapping: MappingID) async throws(Failure) -> [PublicState: Int] {
        let all = try await counts()
        return all[mapping] ?? [:]
    }

    public func counts() async throws(Failure) -> [MappingID: [PublicState: Int]] {
        try await read { try $0.counts() }
    }
}
