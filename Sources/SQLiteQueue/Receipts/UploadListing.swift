import GRDB
import SyncCore

/// What tables list, for as long as a command holds it against receipts: in a temporary database of SQLite's own
/// (https://sqlite.org/inmemorydb.html, "Temporary Databases"), which goes to disk when it grows and goes away with
/// the process. So a table may list millions.
public final class UploadListing: Sendable {
    private let database: DatabaseQueue

    /// - Throws: `Failure` of kind `stateUnavailable`.
    public init() throws(Failure) {
        do {
            database = try DatabaseQueue(path: "")
            try database.write { database in
                try database.execute(
                    sql: """
                        CREATE TABLE upload (
                            place TEXT NOT NULL, version TEXT NOT NULL, uri TEXT NOT NULL, number INTEGER,
                            name TEXT NOT NULL, tag TEXT, status TEXT NOT NULL, words TEXT, size INTEGER, md5 BLOB
                        );
                        CREATE INDEX uploadByName ON upload (place, name);
                        CREATE INDEX uploadByTag ON upload (place, tag) WHERE tag IS NOT NULL;
                        -- A page that shifts while it is walked may tell an upload twice. Where uris end with names,
                        -- two uploads may have one uri.
                        CREATE UNIQUE INDEX uploadOnce ON upload (place, version, number) WHERE number IS NOT NULL;
                        """)
            }
        } catch {
            throw Self.failure(error)
        }
    }

    public func note(
        _ uploads: [RemoteUpload], of table: TableKey, in version: TableVersion
    ) async throws(Failure) {
        do {
            try await database.write { database in
                for upload in uploads {
                    try database.run(
                        "INSERT OR REPLACE INTO upload VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        [
                            table.value, version.column, upload.uri,
                            upload.uri.split(separator: "/").last.flatMap { Int64($0) }, upload.name,
                            Self.tag(in: upload.name),
                        ] + RemoteUploadRow.columns(upload.status) + [upload.size, upload.md5?.column])
                }
            }
        } catch {
            throw Self.failure(error)
        }
    }

    /// The uploads of a receipt's table that have its name, or its tag under another name; at most a hundred.
    public func candidates(for receipt: ReceiptRecord) async throws(Failure) -> [ListedUpload] {
        do {
            return try await database.read { database in
                try database.rows(
                    """
                    SELECT uri, name, status, words, size, md5, version FROM upload WHERE rowid IN (
                        SELECT rowid FROM upload WHERE place = ?1 AND name = ?2
                        UNION SELECT rowid FROM upload WHERE place = ?1 AND tag = ?3)
                    ORDER BY version, uri LIMIT 100
                    """, [receipt.table.value, receipt.uploadName, Self.tag(in: receipt.uploadName)]
                ).map { ListedUpload(upload: try RemoteUploadRow.upload($0), version: try $0.text(6)) }
            }
        } catch {
            throw Self.failure(error)
        }
    }

    /// The last thing in a name that looks like a tag, wherever it stands: a name that was taken may have been given
    /// a suffix behind it.
    static func tag(in name: String) -> String? {
        if let tag = UploadName.tag(in: name) { return tag }
        let bytes = Array(name.utf8)
        func isHex(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
        }
        var end = bytes.count
        while let dash = bytes[..<end].lastIndex(of: UInt8(ascii: "-")) {
            let digits = bytes[(dash + 1)...].prefix(while: isHex)
            if digits.count == 12 { return String(decoding: bytes[dash..<digits.endIndex], as: UTF8.self) }
            end = dash
        }
        return nil
    }

    private static func failure(_ error: any Error) -> Failure {
        Failure(
            .stateUnavailable, scope: .agent, "the table's uploads cannot be put down for comparing: \(error)",
            hint: "free space in /var/tmp, or set SQLITE_TMPDIR to a directory that has some")
    }
}

/// An upload and the version that lists it.
public struct ListedUpload: Hashable, Sendable {
    public let upload: RemoteUpload
    /// `next`, or a released version's tag.
    public let version: String

    public init(upload: RemoteUpload, version: String) {
        self.upload = upload
        self.version = version
    }
}
