import GRDB
import SyncCore
import Synchronization
import SystemPackage

/// Carries out writes one after the other and commits those that wait together in one transaction: under
/// `synchronous=FULL` the price of a commit is its fsync, and a group pays it once. Where one of them fails, that is
/// rolled back, and each is carried out once more in a savepoint of its own.
///
/// A caller goes on only after the COMMIT that covers its write has returned.
actor CommitGroup {
    private struct Member: Sendable {
        let write: @Sendable (Transaction) throws -> Void
        let done: CheckedContinuation<(any Error)?, Never>
    }

    /// Holds what a write gave until its commit has returned.
    private final class Outcome<Value: Sendable>: Sendable {
        // Written by the writer's thread, read by the caller's task.
        private let value = Mutex<Value?>(nil)
        func set(_ new: Value) { value.withLock { $0 = new } }
        func get() -> Value? { value.withLock { $0 } }
    }

    private let pool: DatabasePool
    private let calls: DatabaseCalls
    private let health: DatabaseHealth
    private let onReceipts: @Sendable () -> Void
    private var waiting: [Member] = []
    private var isDraining = false
    /// So that one group never keeps readers of its results waiting for long.
    private static let largestGroup = 256
    /// When the last commit ended. Where the next write comes so soon after it, more are on their way, and are waited for
    /// a moment: a commit costs as much as several writes, and its sync on a slow disk a hundred times that.
    private var lastCommit = ContinuousClock.now
    private static let crowd: Duration = .milliseconds(2)
    private static let gathering: Duration = .milliseconds(1)

    /// - Parameter onReceipts: called after each commit that wrote receipts.
    init(
        pool: DatabasePool, calls: DatabaseCalls, health: DatabaseHealth, onReceipts: @escaping @Sendable () -> Void
    ) {
        self.pool = pool
        self.calls = calls
        self.health = health
        self.onReceipts = onReceipts
    }

    /// Not cancellable: what was begun is either committed or has failed when this returns.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (Transaction) throws -> Value
    ) async throws(Failure) -> Value {
        let outcome = Outcome<Value>()
        let error: (any Error)? = await withCheckedContinuation { continuation in
            waiting.append(Member(write: { outcome.set(try body($0)) }, done: continuation))
            guard !isDraining else { return }
            isDraining = true
            Task { await drain() }
        }
        if let error { throw health.failure(of: error) }
        guard let value = outcome.get() else {
            throw Failure(.stateUnavailable, scope: .agent, "a write to the database ended without a result")
        }
        return value
    }

    private func drain() async {
        while !waiting.isEmpty {
            if calls == .onOwnThreads, lastCommit.duration(to: .now) < Self.crowd {
                try? await Task.sleep(for: Self.gathering)
            }
            let group = Array(waiting.prefix(Self.largestGroup))
            waiting.removeFirst(group.count)
            let (errors, wroteReceipts) = await commit(group)
            lastCommit = .now
            for (member, error) in zip(group, errors) {
                member.done.resume(returning: error)
            }
            if wroteReceipts { onReceipts() }
        }
        isDraining = false
    }

    private func commit(_ group: [Member]) async -> ([(any Error)?], wroteReceipts: Bool) {
        switch calls {
        case .inPlace:
            commitInPlace(group)
        case .onOwnThreads:
            await withCheckedContinuation { continuation in
                pool.asyncWriteWithoutTransaction { database in
                    continuation.resume(returning: Self.outcome(of: group, database))
                }
            }
        }
    }

    /// Not `async`, so that the library's blocking call is the one that is meant.
    private func commitInPlace(_ group: [Member]) -> ([(any Error)?], wroteReceipts: Bool) {
        pool.writeWithoutTransaction { Self.outcome(of: group, $0) }
    }

    private static func outcome(of group: [Member], _ database: Database) -> ([(any Error)?], wroteReceipts: Bool) {
        do {
            return try commit(group, database)
        } catch {
            // The whole group was rolled back: a full disk, an I/O error.
            makeRoom(after: error, database)
            return ([(any Error)?](repeating: error, count: group.count), false)
        }
    }

    /// - Throws: where the whole group was rolled back.
    private static func commit(
        _ group: [Member], _ database: Database
    ) throws -> ([(any Error)?], wroteReceipts: Bool) {
        var errors = [(any Error)?](repeating: nil, count: group.count)
        var transaction = Transaction(database)
        do {
            // No savepoints: each keeps the pages that are changed in it, and all of its statements walk their list.
            try database.inTransaction(.immediate) {
                for member in group { try member.write(transaction) }
                return .commit
            }
        } catch {
            guard group.count > 1, !database.isInsideTransaction else { throw error }
            transaction = Transaction(database)
            try database.inTransaction(.immediate) {
                for (index, member) in group.enumerated() { errors[index] = try attempt(member, transaction) }
                return .commit
            }
        }
        return (errors, transaction.wroteReceipts)
    }

    /// What is in the journal and not in the database yet takes up room twice, up to `wal_autocheckpoint`: on a disk that
    /// is full, that may be all the room that there is to be had.
    private static func makeRoom(after error: any Error, _ database: Database) {
        guard (error as? DatabaseError)?.resultCode == .SQLITE_FULL else { return }
        _ = try? database.checkpoint(.truncate)
    }

    /// Returns the error of one member that was rolled back alone; throws where the whole transaction is lost.
    private static func attempt(_ member: Member, _ transaction: Transaction) throws -> (any Error)? {
        do {
            try transaction.database.inSavepoint {
                try member.write(transaction)
                return .commit
            }
            return nil
        } catch {
            // SQLite may answer a full disk or an I/O error by rolling back everything.
            guard transaction.database.isInsideTransaction else { throw error }
            return error
        }
    }
}
