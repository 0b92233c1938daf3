import CSimulator
import FoundationEssentials
import Glibc
import SQLiteQueue
import SyncCore
import SystemPackage

/// The state directory of one simulated agent: its database on a disk in memory, and its `receipts.jsonl`.
///
/// The connections to the database outlive the agent's processes: between two steps no transaction is open, so what a
/// process that is killed leaves behind is what was committed.
final class SimulatedState {
    private(set) var database: OpenedDatabase
    private(set) var directory: String
    /// A real file, since it is written past SQLite.
    let receipts: FilePath
    private var backedUp: String?
    /// What the database is to the next process that opens it.
    private var origin = DatabaseOrigin.new

    init(name: String) throws {
        receipts = FilePath("\(SimulatedDisk.receiptFolder)/\(name).jsonl")
        unlink(receipts.string)
        (directory, database) = try SimulatedDisk.take()
    }

    deinit {
        unlink(receipts.string)
        if let backedUp { simulated_disk_remove(backedUp) }
        SimulatedDisk.give(directory, database)
    }

    /// The power fails: what was not synced is lost, all of it or some.
    /// - Returns: how many sectors were lost.
    func losePower(keepsSome: Bool, seed: UInt64) throws -> Int {
        let next = SimulatedDisk.newDirectory()
        let lost = simulated_disk_lose_power(directory, next, keepsSome ? 1 : 0, seed)
        try replace(by: next)
        return lost
    }

    /// The database is gone, with its directory; the receipts as well where `all`.
    func lose(all: Bool) throws {
        if all { unlink(receipts.string) }
        origin = all ? .new : .restored
        let (directory, database) = try SimulatedDisk.take()
        SimulatedDisk.give(self.directory, self.database)
        (self.directory, self.database) = (directory, database)
    }

    /// What a process that opens it now finds it to be; the next one finds it as it was left.
    func opened() -> DatabaseOrigin {
        defer { origin = .itself }
        return origin
    }

    func backUp() {
        if let backedUp { simulated_disk_remove(backedUp) }
        let copy = SimulatedDisk.newDirectory()
        simulated_disk_copy(directory, copy)
        backedUp = copy
    }

    /// - Returns: false where there is no backup.
    func restore() throws -> Bool {
        guard let backedUp else { return false }
        let next = SimulatedDisk.newDirectory()
        simulated_disk_copy(backedUp, next)
        try replace(by: next)
        origin = .restored
        return true
    }

    private func replace(by next: String) throws {
        let opened = try SimulatedDisk.open(next)
        SimulatedDisk.give(directory, database)
        (directory, database) = (next, opened)
    }
}

/// Databases for agents that have none yet. Opening one takes longer than a small world, so those that are given back are
/// emptied and used again, with all their statements.
enum SimulatedDisk {
    nonisolated(unsafe) private static var free: [(String, OpenedDatabase)] = []
    // Unsafe: used by the one thread that runs worlds.
    nonisolated(unsafe) private static var made = 0

    /// For this process alone, which takes it away when it exits.
    static let receiptFolder: String = {
        let folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        let path = "\(folder)/sync-simulator-\(getpid())"
        mkdir(path, 0o700)
        atexit { try? FileManager.default.removeItem(atPath: SimulatedDisk.receiptFolder) }
        return path
    }()

    private static let template: String = {
        simulated_disk_install()
        let directory = "/simulated/template"
        // Closed again here, which leaves the whole database in its one file.
        _ = try? OpenedDatabase(at: FilePath("\(directory)/queue.sqlite"))
        return directory
    }()

    /// One that never was.
    static func newDirectory() -> String {
        made += 1
        return "/simulated/\(made)"
    }

    static func take() throws -> (String, OpenedDatabase) {
        if let last = free.popLast() { return last }
        let directory = newDirectory()
        simulated_disk_copy(template, directory)
        return (directory, try open(directory))
    }

    /// With a short journal: memory is what a long one costs here, and checkpoints come in the midst of worlds.
    static func open(_ directory: String) throws -> OpenedDatabase {
        let database = try OpenedDatabase(at: FilePath("\(directory)/queue.sqlite"))
        try database.checkpoint(afterPages: 60)
        return database
    }

    static func give(_ directory: String, _ database: OpenedDatabase) {
        guard free.count < 8, (try? database.empty()) != nil else { return simulated_disk_remove(directory) }
        free.append((directory, database))
    }
}
