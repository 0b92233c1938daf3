import GRDB
import SyncCore

/// What has become known of one row, and where it is to be found.
struct ContentQuestion {
    let row: DeliveryRow
    let content: Content
    let uploadName: String
    let table: Int64
    let tableKey: TableKey
    let now: Timestamp
}

/// Each query is one range of an index that holds what is asked for and nothing else, however many versions a path or an
/// inode has had.
extension Transaction {
    func facts(of question: ContentQuestion) throws -> ContentFacts {
        var facts = ContentFacts(
            subject: question.row.delivery, content: question.content, table: question.tableKey,
            uploadName: question.row.delivery.uploadName ?? question.uploadName)
        facts.links = try database.fileRow(question.row.file)?.links ?? 1
        facts.same = try same(question)
        facts.open = try open(question)
        facts.delivered = try delivered(question)
        facts.unreadName = try unreadName(question)
        facts.upload = try database.knownUpload(facts.uploadName, question.table)
        return facts
    }

    // MARK: The same content

    /// What was delivered from this path counts also where its mapping had another table then; so does what this very
    /// file was, or may be, registered as.
    private func same(_ question: ContentQuestion) throws -> [SameVersion] {
        let inode = question.row.delivery.observation
        let content: [SQLValue] = [question.content.sha256.column, question.content.size]
        let found = try [
            database.rows(
                """
                SELECT id FROM delivery WHERE file = ? AND sha256 = ? AND contentSize = ?
                    AND (remoteTable = ? OR public = ?)
                """,
                [question.row.file] + content + [question.table, PublicState.delivered.rawValue]),
            database.rows(
                """
                SELECT id FROM delivery WHERE device = ? AND inode = ? AND sha256 = ? AND contentSize = ?
                    AND (remoteTable = ? OR mapping = ? AND kind IN (
                        'lookingUp', 'posting', 'importing', 'withdrawing', 'delivered'))
                """,
                [Int64(bitPattern: inode.device), Int64(bitPattern: inode.inode)] + content + [
                    question.table, question.row.mapping,
                ]),
            database.rows(
                "SELECT id FROM delivery WHERE remoteTable = ? AND uploadName = ? AND sha256 = ? AND contentSize = ?",
                [question.table, question.uploadName] + content),
        ].flatMap { try $0.map { try $0.integer(0) } }
        return try Set(found).subtracting([question.row.id]).sorted().compactMap { id in
            guard let row = try database.deliveryRow(id) else { return nil }
            return SameVersion(row.delivery, seenAtItsPath: try database.fileRow(row.file)?.observation)
        }
    }

    // MARK: Other contents of the path

    private static let openStates: [PublicState] = [
        .queued, .uploading, .registering, .importing, .waiting, .held, .parked,
    ]

    private func open(_ question: ContentQuestion) throws -> [OlderVersion] {
        let ids = try Self.openStates.flatMap { state in
            try database.rows(
                "SELECT id FROM delivery WHERE file = ? AND public = ? AND id <> ?",
                [question.row.file, state.rawValue, question.row.id])
        }
        return try ids.map { try $0.integer(0) }.sorted().compactMap { id in
            try database.deliveryRow(id).map { try older($0, question) }
        }
    }

    private func delivered(_ question: ContentQuestion) throws -> OlderVersion? {
        try database.row(
            DeliveryRow.select + """
                 WHERE d.file = ? AND d.public = ? AND d.remoteTable = ? AND d.id <> ? ORDER BY d.id DESC LIMIT 1
                """,
            [question.row.file, PublicState.delivered.rawValue, question.table, question.row.id]
        ).map { try older(DeliveryRow($0), question) }
    }

    private func older(_ row: DeliveryRow, _ question: ContentQuestion) throws -> OlderVersion {
        let inode = row.delivery.observation
        guard !inode.isSameFile(as: question.row.delivery.observation) else { return OlderVersion(row.delivery) }
        let columns: [SQLValue] = [
            Int64(bitPattern: inode.device), Int64(bitPattern: inode.inode), row.delivery.size,
        ]
        // What waits out a failure is not waited for: nobody knows how long that takes.
        let reader = try database.row(
            """
            SELECT id FROM delivery WHERE device = ? AND inode = ? AND size = ? AND sha256 IS NULL AND file <> ?
                AND work IN (1, 2) ORDER BY id LIMIT 1
            """, columns + [question.row.file])
        let settles = try database.exists(
            "SELECT 1 FROM settling WHERE device = ? AND inode = ? AND size = ? LIMIT 1", columns)
        return OlderVersion(
            row.delivery, mayBe: try reader.map { DeliveryID(try $0.integer(0)) }, settlesElsewhere: settles)
    }

    // MARK: The same file under another name

    private func unreadName(_ question: ContentQuestion) throws -> DeliveryID? {
        let inode = question.row.delivery.observation
        return try database.row(
            """
            SELECT id FROM delivery WHERE device = ? AND inode = ? AND size = ? AND sha256 IS NULL AND id < ?
                AND work IS NOT NULL AND (destination = ? OR remoteTable = ?) ORDER BY id LIMIT 1
            """,
            [
                Int64(bitPattern: inode.device), Int64(bitPattern: inode.inode), question.content.size,
                question.row.id, question.row.destination, question.table,
            ]
        ).map { DeliveryID(try $0.integer(0)) }
    }
}
