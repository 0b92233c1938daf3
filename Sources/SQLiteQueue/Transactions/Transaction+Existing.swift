import GRDB
import SyncCore

/// `existing: auto`: files that were there before the mapping, held against the uploads that were there before it.
extension Transaction {
    /// - Throws: `Failure` of kind `transient` where the table's uploads were never listed as a whole.
    func existingFacts(_ question: ContentQuestion) throws -> ExistingFacts {
        let upTo = try baseline(question)
        let equal = try equalUploads(question, upTo: upTo)
        return ExistingFacts(
            adoptable: try equal.first { try !UploadName.isTagged($0.name) && !isAdopted($0, question) },
            equalTagged: equal.first { UploadName.isTagged($0.name) }?.name,
            hasUntagged: try hasUntagged(question.table, upTo: upTo))
    }

    private func baseline(_ question: ContentQuestion) throws -> Int64 {
        let row = try database.row(
            "SELECT upTo FROM baseline WHERE mapping = ? AND remoteTable = ?", [question.row.mapping, question.table])
        if let row { return try row.integer(0) }
        guard try database.exists("SELECT 1 FROM remoteTable WHERE id = ? AND isComplete = 1", [question.table]) else {
            throw Failure(
                .transient, scope: .destination, "the uploads of \(question.tableKey) are not listed yet",
                hint: "it is judged when they are")
        }
        try recordBaselines(question.table)
        return try lastSeen()
    }

    private func equalUploads(_ question: ContentQuestion, upTo: Int64) throws -> [RemoteUpload] {
        try database.rows(
            RemoteUploadRow.select + """
                 WHERE remoteTable = ? AND md5 = ? AND size = ? AND seen <= ? AND isPresent = 1
                AND status <> 'failed' ORDER BY seen
                """,
            [question.table, question.content.md5.column, question.content.size, upTo]
        ).map(RemoteUploadRow.upload)
    }

    private func hasUntagged(_ table: Int64, upTo: Int64) throws -> Bool {
        try database.exists(
            """
            SELECT 1 FROM remoteUpload WHERE remoteTable = ? AND isTagged = 0 AND seen <= ? AND isPresent = 1
                AND status <> 'failed' LIMIT 1
            """, [table, upTo])
    }

    private func isAdopted(_ upload: RemoteUpload, _ question: ContentQuestion) throws -> Bool {
        try database.exists(
            """
            SELECT 1 FROM adoption WHERE remoteTable = ? AND name = ? AND md5 = ? AND size = ? AND delivery <> ?
            """,
            [
                question.table, upload.name, question.content.md5.column, question.content.size, question.row.id,
            ])
    }

    func adopt(_ upload: RemoteUpload, _ question: ContentQuestion) throws {
        try database.run("DELETE FROM adoption WHERE delivery = ?", [question.row.id])
        try database.run(
            "INSERT INTO adoption (remoteTable, name, md5, size, delivery) VALUES (?, ?, ?, ?, ?)",
            [
                question.table, upload.name, question.content.md5.column, question.content.size, question.row.id,
            ])
    }

    // MARK: What was there before

    /// Fixes, for every mapping that has none yet, which of the table's uploads were there before its deliveries.
    /// Our own first uploads come later, so a crash in the first minute cannot turn them into somebody else's.
    func recordBaselines(_ table: Int64) throws {
        try database.run(
            "INSERT INTO baseline SELECT id, ?, ? FROM mapping WHERE true ON CONFLICT DO NOTHING",
            [table, try lastSeen()])
    }

    private func lastSeen() throws -> Int64 {
        try database.row("SELECT seq FROM sqlite_sequence WHERE name = 'remoteUpload'")?.integer(0) ?? 0
    }
}
