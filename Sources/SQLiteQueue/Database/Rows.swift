// FoundationEssentials: GRDB hands BLOBs over as `Data`.
import FoundationEssentials
import GRDB
import Glibc
import SyncCore
import SystemPackage

/// A stored value that is not what its column should hold: a damaged file, or a newer program's row.
struct UnreadableValue: Error {
    let what: String
}

/// Columns by position, without the traps of typed subscripts: a database comes from outside.
extension Row {
    private func value(_ index: Int) throws -> DatabaseValue.Storage {
        guard index < count else { throw UnreadableValue(what: "column \(index) is missing") }
        let value: DatabaseValue = self[index]
        return value.storage
    }

    func integer(_ index: Int) throws -> Int64 {
        guard let value = try optionalInteger(index) else { throw UnreadableValue(what: "column \(index) is NULL") }
        return value
    }

    func optionalInteger(_ index: Int) throws -> Int64? {
        switch try value(index) {
        case .int64(let value): value
        case .null: nil
        case .double, .string, .blob: throw UnreadableValue(what: "column \(index) is no integer")
        }
    }

    func flag(_ index: Int) throws -> Bool { try integer(index) != 0 }

    func text(_ index: Int) throws -> String {
        guard let value = try optionalText(index) else { throw UnreadableValue(what: "column \(index) is NULL") }
        return value
    }

    func optionalText(_ index: Int) throws -> String? {
        switch try value(index) {
        case .string(let value): value
        case .null: nil
        case .double, .int64, .blob: throw UnreadableValue(what: "column \(index) is no text")
        }
    }

    func bytes(_ index: Int) throws -> [UInt8] {
        guard let value = try optionalBytes(index) else { throw UnreadableValue(what: "column \(index) is NULL") }
        return value
    }

    func optionalBytes(_ index: Int) throws -> [UInt8]? {
        switch try value(index) {
        case .blob(let value): Array(value)
        case .null: nil
        case .double, .int64, .string: throw UnreadableValue(what: "column \(index) is no blob")
        }
    }

    func path(_ index: Int) throws -> RelativePath {
        guard let path = RelativePath(bytes: try bytes(index)) else {
            throw UnreadableValue(what: "a path that cannot be one")
        }
        return path
    }

    func mapping(_ index: Int) throws -> MappingID {
        guard let mapping = MappingID(try text(index)) else {
            throw UnreadableValue(what: "a mapping id that cannot be one")
        }
        return mapping
    }

    /// Five columns from `index` on: device, inode, size, modified, changed.
    func observation(_ index: Int) throws -> FileObservation {
        FileObservation(
            device: UInt64(bitPattern: try integer(index)), inode: UInt64(bitPattern: try integer(index + 1)),
            size: try integer(index + 2), modified: try integer(index + 3), changed: try integer(index + 4))
    }

    func optionalObservation(_ index: Int) throws -> FileObservation? {
        try optionalInteger(index) == nil ? nil : observation(index)
    }
}

/// What a statement is given.
typealias SQLValue = (any DatabaseValueConvertible)?

extension FileObservation {
    /// In the order of the columns everywhere: device, inode, size, modified, changed.
    var columns: [SQLValue] {
        [Int64(bitPattern: device), Int64(bitPattern: inode), size, modified, changed]
    }
}

extension RelativePath {
    var column: Data { Data(bytes) }
}

extension FilePath {
    var column: Data { withPlatformString { Data(bytes: $0, count: strlen($0)) } }
}

extension Digest {
    var column: Data { Data(bytes) }
}

extension Database {
    /// Runs a statement that is prepared once for each connection.
    func run(_ sql: String, _ arguments: [SQLValue] = []) throws {
        try cachedStatement(sql: sql).execute(arguments: StatementArguments(arguments))
    }

    func row(_ sql: String, _ arguments: [SQLValue] = []) throws -> Row? {
        try Row.fetchOne(cachedStatement(sql: sql), arguments: StatementArguments(arguments))
    }

    func rows(_ sql: String, _ arguments: [SQLValue] = []) throws -> [Row] {
        try Row.fetchAll(cachedStatement(sql: sql), arguments: StatementArguments(arguments))
    }

    func exists(_ sql: String, _ arguments: [SQLValue] = []) throws -> Bool {
        try row(sql, arguments) != nil
    }

    /// The first column of the row that an `INSERT … RETURNING` gives.
    func inserted(_ sql: String, _ arguments: [SQLValue]) throws -> Int64 {
        guard let row = try row(sql, arguments) else { throw UnreadableValue(what: "an insertion gave no row") }
        return try row.integer(0)
    }
}

extension [UInt8] {
    var column: Data { Data(self) }
}
