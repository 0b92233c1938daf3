import GRDB
import SyncCore

/// An upload as the local index keeps it.
enum RemoteUploadRow {
    static let select = "SELECT uri, name, status, words, size, md5 FROM remoteUpload"

    static func upload(_ row: Row) throws -> RemoteUpload {
        let status: RemoteUpload.Status =
            switch try row.text(2) {
            case "inProgress": .inProgress
            case "completed": .completed
            case "failed": .failed(try row.optionalText(3) ?? "")
            default: throw UnreadableValue(what: "an upload's status")
            }
        return RemoteUpload(
            uri: try row.text(0), name: try row.text(1), status: status, size: try row.optionalInteger(4),
            md5: try row.optionalBytes(5).map(Digest.init(bytes:)))
    }

    static func columns(_ status: RemoteUpload.Status) -> [SQLValue] {
        switch status {
        case .inProgress: ["inProgress", nil]
        case .completed: ["completed", nil]
        case .failed(let words): ["failed", words]
        }
    }
}

extension TableVersion {
    static let draftColumn = "next"

    var column: String {
        switch self {
        case .draft: Self.draftColumn
        case .released(let tag): tag.description
        }
    }
}

extension Database {
    /// The upload of exactly this name that has not failed, the draft's first. Names compare as bytes in SQLite,
    /// where Swift would take two spellings of one letter for the same.
    func knownUpload(_ name: String, _ table: Int64) throws -> RemoteUpload? {
        try row(
            RemoteUploadRow.select + """
                 WHERE remoteTable = ? AND name = ? AND isPresent = 1 AND status <> 'failed'
                ORDER BY version <> ?, id DESC LIMIT 1
                """, [table, name, TableVersion.draftColumn]
        ).map(RemoteUploadRow.upload)
    }

    /// Whether one of these names is the upload name of none of the table's deliveries.
    func hasOthers(among names: [String], _ table: TableKey) throws -> Bool {
        guard let number = try tableNumber(table) else { return !names.isEmpty }
        return try names.contains { name in
            try !exists("SELECT 1 FROM delivery WHERE remoteTable = ? AND uploadName = ? LIMIT 1", [number, name])
        }
    }

    func remoteIndex(_ table: TableKey) throws -> RemoteIndexState {
        let row = try row("SELECT id, isComplete, newestReleased, gate FROM remoteTable WHERE key = ?", [table.value])
        guard let row else {
            return RemoteIndexState(
                isComplete: false, newestReleased: nil, gate: .closed, hasTaggedUploads: false,
                hasUntaggedUploads: false)
        }
        let number = try row.integer(0)
        func has(tagged: Bool) throws -> Bool {
            try exists(
                "SELECT 1 FROM remoteUpload WHERE remoteTable = ? AND isTagged = ? AND isPresent = 1 LIMIT 1",
                [number, tagged])
        }
        return RemoteIndexState(
            isComplete: try row.flag(1), newestReleased: try row.optionalText(2).flatMap(VersionTag.init),
            gate: PostingGate(rawValue: try row.text(3)) ?? .closed, hasTaggedUploads: try has(tagged: true),
            hasUntaggedUploads: try has(tagged: false))
    }
}

extension Transaction {
    func recordListing(
        _ uploads: [RemoteUpload], of table: TableKey, in version: TableVersion, isFirst: Bool, isLast: Bool
    ) throws {
        let number = try tableNumber(table)
        let generation = try generation(number, version, begins: isFirst)
        for upload in uploads { try record(upload, number, version, generation) }
        guard isLast else { return }
        try database.run(
            "UPDATE remoteUpload SET isPresent = 0 WHERE remoteTable = ? AND version = ? AND generation < ?",
            [number, version.column, generation])
    }

    private func generation(_ table: Int64, _ version: TableVersion, begins: Bool) throws -> Int64 {
        try database.inserted(
            """
            INSERT INTO listing (remoteTable, version, generation) VALUES (?, ?, 1)
            ON CONFLICT DO UPDATE SET generation = generation + ? RETURNING generation
            """, [table, version.column, begins ? 1 : 0])
    }

    /// A row that is listed again keeps its number, and a name that is met in another version its age.
    private func record(
        _ upload: RemoteUpload, _ table: Int64, _ version: TableVersion, _ generation: Int64
    ) throws {
        try database.run(
            """
            INSERT INTO remoteUpload (remoteTable, version, uri, name, status, words, size, md5, isTagged, seen,
                generation, isPresent)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
                ifnull((SELECT min(seen) FROM remoteUpload WHERE remoteTable = ?1 AND name = ?4),
                    1 + ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'remoteUpload'), 0)),
                ?10, 1)
            ON CONFLICT (remoteTable, version, uri) DO UPDATE SET name = excluded.name, status = excluded.status,
                words = excluded.words, size = excluded.size, md5 = excluded.md5, isTagged = excluded.isTagged,
                generation = excluded.generation, isPresent = 1
            """,
            [table, version.column, upload.uri, upload.name] + RemoteUploadRow.columns(upload.status) + [
                upload.size, upload.md5?.column, UploadName.isTagged(upload.name), generation,
            ])
    }

    /// What we have just registered is on the table before any listing says so: a retry must find it.
    func noteRegistered(_ registration: Registration, of table: TableKey) throws {
        let number = try tableNumber(table)
        guard
            try !database.exists(
                // By its name first, which few uploads have: a table may have a million.
                "SELECT 1 FROM remoteUpload WHERE remoteTable = ? AND name = ? AND uri = ? AND isPresent = 1 LIMIT 1",
                [number, registration.name, registration.uri])
        else { return }
        let upload = RemoteUpload(
            uri: registration.uri, name: registration.name, status: .inProgress, size: nil, md5: nil)
        try record(upload, number, .draft, try generation(number, .draft, begins: false))
    }

    /// What an address led to and no list showed. It bears no tag, so that it is no upload of an agent's: it counts as
    /// one that was there before.
    func recordMet(_ upload: RemoteUpload, of table: TableKey, in version: TableVersion) throws {
        let number = try tableNumber(table)
        try record(upload, number, version, try generation(number, version, begins: false))
        try database.run(
            "UPDATE remoteUpload SET seen = 0 WHERE remoteTable = ? AND version = ? AND uri = ? AND isTagged = 0",
            [number, version.column, upload.uri])
    }

    func closeListing(of table: TableKey, newestReleased: VersionTag?, gate: PostingGate) throws {
        let number = try tableNumber(table)
        try database.run(
            "UPDATE remoteTable SET isComplete = 1, newestReleased = ?, gate = ? WHERE id = ?",
            [newestReleased?.description, gate.rawValue, number])
        try recordBaselines(number)
    }

    func forgetUpload(uri: String, of table: TableKey) throws {
        try database.run(
            """
            DELETE FROM remoteUpload WHERE remoteTable = ?1 AND uri = ?2
                AND version IN (SELECT version FROM listing WHERE remoteTable = ?1)
            """, [try tableNumber(table), uri])
    }
}
