import GRDB
import SyncCore
import Synchronization

// What is known of each table's uploads, and what is looked for again.

extension SQLiteQueue {
    // MARK: Second looks

    public func secondLooks(
        in table: TableReference, at now: Timestamp, limit: Int
    ) async throws(Failure) -> [SecondLook] {
        try await read { try $0.secondLooks(in: table, at: now, limit: limit) }
    }

    public func suspect(
        _ names: [String], of table: TableKey, newestReleased: VersionTag?, until: Timestamp, at now: Timestamp
    ) async throws(Failure) -> [SecondLook] {
        try await write { try $0.suspect(names, of: table, newestReleased: newestReleased, until: until, at: now) }
    }

    public func nextSecondLook(in tables: Set<TableReference>) async throws(Failure) -> Timestamp? {
        try await read { try $0.nextSecondLook(in: tables) }
    }

    public func record(
        _ twins: [Twin], of look: SecondLook, next: Timestamp?, at now: Moment
    ) async throws(Failure) {
        try await write { try $0.record(twins, of: look, next: next, at: now.wall) }
    }

    // MARK: The table's uploads

    public func remoteIndex(of table: TableKey) async throws(Failure) -> RemoteIndexState {
        let mayHavePast = unknownPast.withLock { $0 != nil }
        return try await read { database in
            let index = try database.remoteIndex(table)
            // What a lost database has posted may not be listed yet.
            return RemoteIndexState(
                isComplete: index.isComplete, newestReleased: index.newestReleased, gate: index.gate,
                hasTaggedUploads: index.hasTaggedUploads || mayHavePast,
                hasUntaggedUploads: index.hasUntaggedUploads)
        }
    }

    public func recordListing(
        _ uploads: [RemoteUpload], of table: TableKey, in version: TableVersion, isFirst: Bool, isLast: Bool
    ) async throws(Failure) {
        try await write {
            try $0.recordListing(uploads, of: table, in: version, isFirst: isFirst, isLast: isLast)
        }
    }

    public func recordMet(
        _ upload: RemoteUpload, of table: TableKey, in version: TableVersion
    ) async throws(Failure) {
        try await write { try $0.recordMet(upload, of: table, in: version) }
    }

    public func closeListing(
        of table: TableKey, newestReleased: VersionTag?, gate: PostingGate
    ) async throws(Failure) {
        try await write { try $0.closeListing(of: table, newestReleased: newestReleased, gate: gate) }
    }

    public func knownUpload(named name: String, of table: TableKey) async throws(Failure) -> RemoteUpload? {
        try await read { database in
            guard let number = try database.tableNumber(table) else { return nil }
            return try database.knownUpload(name, number)
        }
    }

    public func hasOthers(among names: [String], of table: TableKey) async throws(Failure) -> Bool {
        try await read { try $0.hasOthers(among: names, table) }
    }

    public func forgetUpload(uri: String, of table: TableKey) async throws(Failure) {
        try await write { try $0.forgetUpload(uri: uri, of: table) }
    }
}
