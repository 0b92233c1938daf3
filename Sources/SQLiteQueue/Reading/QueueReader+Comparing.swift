import GRDB
import SyncCore

/// What the queue knows of a file that lies in a folder.
public enum Familiarity: Hashable, Sendable {
    /// Nothing needs doing, or what there is to do is in the queue.
    case known
    /// It is on its way to being settled.
    case settling
    /// A content of this path that was never seen, as far as can be told without reading it.
    case new
    /// A version of this path is delivered, and the file is not the one that was seen then: it was changed, or only
    /// touched. On another table than that one it is a version of its own.
    case changed(deliveredTo: TableReference)
    /// Ignored by hand, however it changes.
    case forgotten
    /// Ignored by this rule, and looked at again once the mapping takes other files.
    case leftOut(rule: String, wasThereBefore: Bool)
}

/// Some files, and their bytes.
public struct FileCount: Hashable, Sendable {
    public private(set) var files = 0
    /// Saturates.
    public private(set) var bytes: Int64 = 0

    public init() {}

    public init(files: Int, bytes: Int64) {
        self.files = files
        self.bytes = bytes
    }

    public mutating func add(_ size: Int64) { self += FileCount(files: 1, bytes: size) }

    public static func += (left: inout FileCount, right: FileCount) {
        let (files, tooMany) = left.files.addingReportingOverflow(right.files)
        let (bytes, tooLarge) = left.bytes.addingReportingOverflow(right.bytes)
        left.files = tooMany ? .max : files
        left.bytes = tooLarge ? .max : bytes
    }
}

extension QueueReader {
    /// The numbers of file systems by name, which observations in the queue carry.
    public func fileSystems() async throws(Failure) -> [String: UInt64] {
        try await read { database in
            // An agent of an earlier version may have written the database.
            guard try database.tableExists("fileSystem") else { return [:] }
            return try database.rows("SELECT name, number FROM fileSystem").reduce(into: [:]) { numbers, row in
                numbers[try row.text(0)] = UInt64(bitPattern: try row.integer(1))
            }
        }
    }

    /// Holds what a scan met against the queue, without writing anything.
    /// - Returns: one for each file, in their order.
    public func familiarity(of files: [SeenFile], in mapping: MappingID) async throws(Failure) -> [Familiarity] {
        try await read { database in
            guard let number = try database.mappingNumber(mapping) else { return files.map { _ in .new } }
            return try files.map { try database.familiarity(of: $0, in: number) }
        }
    }

    /// Whether the first scan of a mapping is over: what comes then was not there before.
    public func knowsExistingFiles(of mapping: MappingID) async throws(Failure) -> Bool {
        try await read { database in
            guard let number = try database.mappingNumber(mapping) else { return false }
            return try database.existingVerdict(number) == .closed
        }
    }

    /// What is in the queue and has not been sent wholly.
    public func unsent(of mapping: MappingID) async throws(Failure) -> FileCount {
        try await read { database in
            guard let number = try database.mappingNumber(mapping) else { return FileCount() }
            let row = try database.row(
                """
                SELECT count(*), CAST(min(total(size), 9e18) AS INTEGER) FROM delivery
                WHERE mapping = ? AND public IN ('queued', 'uploading', 'waiting')
                """, [number])
            return FileCount(files: Int(clamping: try row?.integer(0) ?? 0), bytes: try row?.integer(1) ?? 0)
        }
    }
}

extension Database {
    fileprivate func familiarity(of seen: SeenFile, in mapping: Int64) throws -> Familiarity {
        if let file = try fileRow(mapping, seen.path), let delivery = file.delivery {
            let kind = try kind(of: delivery)
            if file.observation == seen.observation {
                return kind == "ignored" ? try leftOut(delivery) : .known
            }
            if try isForgotten(file) { return .forgotten }
            if kind == "delivered", let row = try deliveryRow(delivery) {
                return .changed(deliveredTo: row.delivery.table)
            }
        }
        let settles = try exists(
            "SELECT 1 FROM settling WHERE mapping = ? AND path = ?", [mapping, seen.path.column])
        return settles ? .settling : .new
    }

    private func leftOut(_ delivery: Int64) throws -> Familiarity {
        guard let row = try deliveryRow(delivery), case .abandoned(.ignored(let rule)) = row.delivery.state else {
            return .known
        }
        return .leftOut(rule: rule, wasThereBefore: row.isExisting)
    }
}
