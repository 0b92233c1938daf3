import GRDB
import Glibc
import SyncCore
import SystemPackage

/// On which thread the database is called.
package enum DatabaseCalls: Sendable {
    /// On the library's own, so that no task blocks the few threads of Swift's pool.
    case onOwnThreads
    /// On the caller's: for a simulation, whose one thread does everything in an order of its own.
    case inPlace
}

/// The queue's database, open and up to date, apart from the queue: a simulated agent that is killed and started again
/// finds it as it was, without paying for its opening each time.
package struct OpenedDatabase: Sendable {
    package let pool: DatabasePool
    package let path: FilePath

    /// - Throws: `Failure` of kind `stateUnavailable`.
    package init(at path: FilePath) throws(Failure) {
        self.path = path
        pool = try QueueDatabase.openForWriting(path)
    }
}

/// Opens `queue.sqlite` as this program needs it.
enum QueueDatabase {
    static let fileName = "queue.sqlite"

    /// For the one process that holds the state directory's lock.
    static func openForWriting(_ path: FilePath) throws(Failure) -> DatabasePool {
        do {
            let pool = try DatabasePool(path: path.string, configuration: configuration(readonly: false))
            try pool.writeWithoutTransaction { database in
                // GRDB sets NORMAL when it opens WAL, after `prepareDatabase` has run, and NORMAL may lose the last
                // commits in a power failure (https://sqlite.org/pragma.html#pragma_synchronous): so it is set here,
                // on the one connection that writes.
                try database.execute(sql: "PRAGMA synchronous = FULL")
                try database.execute(sql: "PRAGMA journal_size_limit = 67108864")
                try database.execute(sql: "PRAGMA cache_size = -16000")
                // In pages. The usual 1,000 are used up by some thirty files, and each checkpoint syncs twice.
                try database.execute(sql: "PRAGMA wal_autocheckpoint = 4000")
            }
            try migrate(pool, path)
            return pool
        } catch {
            throw Failure.ofDatabase(error, at: path)
        }
    }

    /// For commands that read, whether an agent runs or not. An agent that brings its tables up to date is waited for.
    /// - Returns: `nil` where the agent has not made its tables yet.
    static func openForReading(
        _ path: FilePath, patience: Duration = .seconds(busySeconds)
    ) throws(Failure) -> DatabaseQueue? {
        do {
            let queue = try DatabaseQueue(path: path.string, configuration: configuration(readonly: true))
            let deadline = ContinuousClock.now + patience
            while true {
                let readiness = try queue.read { try Readiness($0, path) }
                switch readiness {
                case .ready: return queue
                case .empty: return nil
                case .older where ContinuousClock.now < deadline: usleep(20_000)
                case .older: throw older(path)
                }
            }
        } catch {
            throw Failure.ofDatabase(error, at: path)
        }
    }

    /// What a reader finds.
    private enum Readiness {
        case empty, older, ready

        init(_ database: Database, _ path: FilePath) throws {
            guard try database.tableExists("delivery") else {
                self = .empty
                return
            }
            try QueueDatabase.refuseNewer(database, path)
            self = try Schema.migrator.hasCompletedMigrations(database) ? .ready : .older
        }
    }

    /// How long another connection is waited for.
    private static let busySeconds = 5

    private static func older(_ path: FilePath) -> Failure {
        Failure(
            .stateUnavailable, scope: .agent, "\(path) was written by an older version of redivis-sync",
            hint: "start the agent anew, with this version: it brings the database up to date")
    }

    static func configuration(readonly: Bool) -> GRDB.Configuration {
        var configuration = GRDB.Configuration()
        configuration.readonly = readonly
        configuration.label = "queue"
        configuration.foreignKeysEnabled = true
        // Statements' values may hold session URLs.
        configuration.publicStatementArguments = false
        configuration.busyMode = .timeout(Double(busySeconds))
        configuration.maximumReaderCount = 2
        configuration.prepareDatabase { database in
            // A small /tmp must not stop the queue.
            try database.execute(sql: "PRAGMA temp_store = MEMORY")
        }
        return configuration
    }

    private static func migrate(_ pool: DatabasePool, _ path: FilePath) throws {
        try pool.read { try refuseNewer($0, path) }
        try Schema.migrator.migrate(pool)
    }

    static func refuseNewer(_ reader: any DatabaseReader, _ path: FilePath) throws {
        try reader.read { try refuseNewer($0, path) }
    }

    private static func refuseNewer(_ database: Database, _ path: FilePath) throws {
        guard try Schema.migrator.hasBeenSuperseded(database) else { return }
        // A newer version has applied all that we know, and more. An unknown name in the place of a known one is a
        // damaged page.
        guard try Schema.migrator.hasCompletedMigrations(database) else {
            throw DatabaseError(
                resultCode: .SQLITE_CORRUPT, message: "the database is damaged: its migrations are not ours")
        }
        throw Failure(
            .stateUnavailable, scope: .agent, "\(path) was written by a newer version of redivis-sync",
            hint: "run that version, or give this one another state_directory; the file was not touched")
    }
}
