import GRDB
import SyncCore

/// Uploads that a table has twice, or had.
public struct TwinFigures: Hashable, Sendable {
    public struct Standing: Hashable, Sendable {
        public let mapping: MappingID
        public let path: RelativePath
        public let table: TableKey
        public let name: String
        public let version: String
        public let why: String
        public let found: Timestamp

        public init(
            mapping: MappingID, path: RelativePath, table: TableKey, name: String, version: String, why: String,
            found: Timestamp
        ) {
            self.mapping = mapping
            self.path = path
            self.table = table
            self.name = name
            self.version = version
            self.why = why
            self.found = found
        }
    }

    /// Found and removed, since the database was made.
    public var removed = 0
    /// Oldest first, as many as are told.
    public var standing: [Standing] = []
    public var standingCount = 0

    public init() {}
}

extension Database {
    func secondLooks(in table: TableReference, at now: Timestamp, limit: Int) throws -> [SecondLook] {
        guard let destination = try destinationNumber(table) else { return [] }
        let found = try rows(
            """
            SELECT l.delivery, l.newestReleased, l.until, l.looks FROM secondLook AS l JOIN delivery AS d ON d.id = l.delivery
            WHERE d.destination = ? AND l.due <= ? ORDER BY l.due LIMIT ?
            """, [destination, now.milliseconds, limit])
        return try found.compactMap { row in
            // One that cannot be read is told where it is worked on.
            guard let delivery = try? deliveryRow(row.integer(0))?.delivery else { return nil }
            return SecondLook(
                delivery: delivery, newestReleased: try row.optionalText(1).flatMap(VersionTag.init),
                until: Timestamp(milliseconds: try row.integer(2)), looks: Int(clamping: try row.integer(3)))
        }
    }

    func secondLook(of delivery: Int64) throws -> SecondLook? {
        guard let row = try row("SELECT newestReleased, until, looks FROM secondLook WHERE delivery = ?", [delivery]),
            let found = try deliveryRow(delivery)
        else { return nil }
        return SecondLook(
            delivery: found.delivery, newestReleased: try row.optionalText(0).flatMap(VersionTag.init),
            until: Timestamp(milliseconds: try row.integer(1)), looks: Int(clamping: try row.integer(2)))
    }

    func nextSecondLook(in tables: Set<TableReference>) throws -> Timestamp? {
        try tables.compactMap { table -> Int64? in
            guard let destination = try destinationNumber(table) else { return nil }
            return try row(
                """
                SELECT min(l.due) FROM secondLook AS l JOIN delivery AS d ON d.id = l.delivery
                WHERE d.destination = ?
                """, [destination])?.optionalInteger(0)
        }.min().map(Timestamp.init(milliseconds:))
    }

    func twinFigures(limit: Int) throws -> TwinFigures {
        guard try tableExists("twin") else { return TwinFigures() }
        var figures = TwinFigures()
        figures.removed = Int(
            clamping: try row("SELECT count(*) FROM twin WHERE standing IS NULL")?.integer(0) ?? 0)
        figures.standingCount = Int(
            clamping: try row("SELECT count(*) FROM twin WHERE standing IS NOT NULL")?.integer(0) ?? 0)
        figures.standing = try rows(
            """
            SELECT m.name, f.path, k.key, t.name, t.version, t.standing, t.found FROM twin AS t
            JOIN delivery AS d ON d.id = t.delivery JOIN mapping AS m ON m.id = d.mapping
            JOIN file AS f ON f.id = d.file JOIN remoteTable AS k ON k.id = d.remoteTable
            WHERE t.standing IS NOT NULL ORDER BY t.found LIMIT ?
            """, [limit]
        ).map { row in
            TwinFigures.Standing(
                mapping: try row.mapping(0), path: try row.path(1), table: TableKey(try row.text(2)),
                name: try row.text(3), version: try row.text(4), why: try row.text(5),
                found: Timestamp(milliseconds: try row.integer(6)))
        }
        return figures
    }
}
