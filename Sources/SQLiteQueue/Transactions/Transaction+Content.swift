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

extension Transaction {
    /// See `Standing`. Does not add to the row's revision: the decision that follows is saved on top of it.
    func settleContent(
        _ content: Content, uploadName: String, table: TableKey, of delivery: Delivery, admission: Admission,
        at now: Moment
    ) throws -> Standing {
        // A stale copy gets an answer that writes nothing; the save that follows is told.
        guard let row = try database.deliveryRow(delivery.id.value), row.delivery.revision == delivery.revision else {
            return .alone
        }
        let question = ContentQuestion(
            row: row, content: content, uploadName: uploadName, table: try tableNumber(table), tableKey: table,
            now: now.wall)
        if let known = row.delivery.content, known != content {
            return try beginAnew(question)
        }
        if let same = try sameVersion(as: question) { return try join(question, to: same) }
        if let other = try transferOfSameInode(question) { return .behind(other) }
        if let older = try olderUnderWay(question) { return .behind(older) }
        let hasDelivered = try supersedeOlder(question)
        // Path and content together are already on the table, whoever sent them.
        if let exact = try database.knownUpload(question.uploadName, question.table) {
            try adopt(exact, question)
            try write(question)
            return .adopts(exact)
        }
        if hasDelivered {
            try write(question)
            return .successor(try deliveredBefore(question) ?? delivery.id)
        }
        if admission == .existing, let judged = try judgeExisting(question) {
            try write(question)
            return judged
        }
        try write(question)
        return .alone
    }

    /// The row's version is over: the file now holds another content, which gets a row of its own, to be examined.
    private func beginAnew(_ question: ContentQuestion) throws -> Standing {
        let row = question.row
        let stored = try stored(.working(.pending(.examine)), Delivery.Tally(), mapping: row.mapping)
        let id = try database.inserted(
            """
            INSERT INTO delivery (mapping, file, destination, nameBase, isExisting, device, inode, size, modified,
                changed, state, stateFormat, kind, public, work, due, tally, created, updated)
            SELECT mapping, file, destination, nameBase, isExisting, device, inode, size, modified, changed, ?, ?, ?,
                ?, ?, ?, ?, ?, ? FROM delivery WHERE id = ? RETURNING id
            """,
            [
                stored.json, DeliveryState.formatVersion, stored.kind, stored.publicState.rawValue,
                stored.work?.rawValue, stored.due, stored.tally, question.now.milliseconds,
                question.now.milliseconds, row.id,
            ])
        try setFile(row.file, delivery: id, observation: row.delivery.observation)
        try setState(.abandoned(.superseded), of: row, note: "the file holds another content", at: question.now)
        try note("the path holds another content", delivery: id, file: row.file, at: question.now)
        return .joined(DeliveryID(id))
    }

    func write(_ question: ContentQuestion) throws {
        try database.run(
            """
            UPDATE delivery SET contentSize = ?, sha256 = ?, md5 = ?, uploadName = ?, remoteTable = ? WHERE id = ?
            """,
            [
                question.content.size, question.content.sha256.column, question.content.md5.column,
                question.row.delivery.uploadName ?? question.uploadName, question.row.remoteTable ?? question.table,
                question.row.id,
            ])
    }

    // MARK: The same version

    /// A version of this table with this content: of this path, of this inode, or of this upload name. What was delivered
    /// from this path stays delivered, also where its mapping had another table then.
    func sameVersion(as question: ContentQuestion) throws -> DeliveryRow? {
        let inode = question.row.delivery.observation
        let inodeColumns: [SQLValue] = [Int64(bitPattern: inode.device), Int64(bitPattern: inode.inode)]
        let same = " AND d.remoteTable = ? AND d.sha256 = ? AND d.contentSize = ? AND d.id <> ?"
        let sameColumns: [SQLValue] = [
            question.table, question.content.sha256.column, question.content.size, question.row.id,
        ]
        let found = try [
            database.rows(
                DeliveryRow.select + """
                     WHERE d.file = ? AND (d.remoteTable = ? OR d.public = ?) AND d.sha256 = ? AND d.contentSize = ?
                        AND d.id <> ?
                    """,
                [
                    question.row.file, question.table, PublicState.delivered.rawValue,
                    question.content.sha256.column, question.content.size, question.row.id,
                ]),
            database.rows(
                DeliveryRow.select + """
                     WHERE d.id IN (
                        SELECT delivery FROM file WHERE device = ? AND inode = ? AND delivery IS NOT NULL)
                    """ + same, inodeColumns + sameColumns),
            database.rows(
                DeliveryRow.select + " WHERE d.device = ? AND d.inode = ?" + same, inodeColumns + sameColumns),
            database.rows(
                DeliveryRow.select + " WHERE d.uploadName = ?" + same, [question.uploadName] + sameColumns),
        ].flatMap { try $0.map(DeliveryRow.init) }
        // What is delivered, or may be on the table, is the stronger claim; then what is on this table.
        func rank(_ row: DeliveryRow) -> (Int, Int) { (Self.rank(row), row.remoteTable == question.table ? 0 : 1) }
        return found.min { rank($0) < rank($1) }
    }

    private static func rank(_ row: DeliveryRow) -> Int {
        switch row.delivery.state {
        case .delivered: 0
        case .working(let stage), .waiting(let stage, _): stage.mayBeRegistered ? 1 : 2
        case .held, .parked: 3
        case .abandoned: 4
        }
    }

    /// Another row of this inode whose content is not known yet, because it is on its way out.
    private func transferOfSameInode(_ question: ContentQuestion) throws -> DeliveryID? {
        let inode = question.row.delivery.observation
        let found = try database.row(
            """
            SELECT id FROM delivery WHERE device = ? AND inode = ? AND size = ? AND id <> ? AND sha256 IS NULL
                AND work IS NOT NULL AND kind <> 'pending' LIMIT 1
            """,
            [
                Int64(bitPattern: inode.device), Int64(bitPattern: inode.inode), question.content.size,
                question.row.id,
            ])
        return try found.map { DeliveryID(try $0.integer(0)) }
    }

    // MARK: Older versions of the path

    private func older(_ question: ContentQuestion) throws -> [DeliveryRow] {
        try database.deliveryRows(ofFile: question.row.file, except: question.row.id)
    }

    private func isOfSameTable(_ row: DeliveryRow, _ question: ContentQuestion) -> Bool {
        row.remoteTable.map { $0 == question.table } ?? (row.destination == question.row.destination)
    }

    /// An older version that the newer one waits for: between post and end of import, or perhaps moved to a path
    /// whose content is not known yet, so that it may not be an older version of this path at all (log rotation).
    private func olderUnderWay(_ question: ContentQuestion) throws -> DeliveryID? {
        for row in try older(question) where isOfSameTable(row, question) {
            if row.delivery.state.stage?.mayBeRegistered == true { return row.delivery.id }
            if let mover = try perhapsMovedTo(row, question) { return mover }
        }
        return nil
    }

    private func perhapsMovedTo(_ row: DeliveryRow, _ question: ContentQuestion) throws -> DeliveryID? {
        let inode = row.delivery.observation
        guard !inode.isSameFile(as: question.row.delivery.observation) else { return nil }
        switch row.delivery.state {
        case .abandoned: return nil
        case .working, .waiting, .delivered, .held, .parked: break
        }
        let columns: [SQLValue] = [
            Int64(bitPattern: inode.device), Int64(bitPattern: inode.inode), row.delivery.size,
        ]
        let examined = try database.row(
            """
            SELECT d.id FROM file AS f JOIN delivery AS d ON d.id = f.delivery
            WHERE f.device = ? AND f.inode = ? AND f.size = ? AND f.id <> ? AND d.sha256 IS NULL
                AND d.work IS NOT NULL LIMIT 1
            """, columns + [question.row.file])
        if let examined { return DeliveryID(try examined.integer(0)) }
        let settles = try database.exists(
            "SELECT 1 FROM settling WHERE device = ? AND inode = ? AND size = ? LIMIT 1", columns)
        return settles ? row.delivery.id : nil
    }

    /// What was not posted and cannot be read any more ends. Returns whether an older version is delivered.
    @discardableResult
    func supersedeOlder(_ question: ContentQuestion) throws -> Bool {
        var hasDelivered = false
        for row in try older(question) {
            switch row.delivery.state {
            case .delivered:
                hasDelivered = hasDelivered || isOfSameTable(row, question)
            case .working(let stage), .waiting(let stage, _):
                guard !stage.mayBeRegistered else { continue }
                try supersede(row, question)
            case .parked(.withdrawalRefused):
                // Its upload is still on the table: a person must see it.
                continue
            case .held, .parked:
                try supersede(row, question)
            case .abandoned:
                continue
            }
        }
        return hasDelivered
    }

    private func supersede(_ row: DeliveryRow, _ question: ContentQuestion) throws {
        try setState(.abandoned(.superseded), of: row, note: "the file has a newer content", at: question.now)
    }

    private func deliveredBefore(_ question: ContentQuestion) throws -> DeliveryID? {
        try older(question).last { $0.kind == "delivered" && isOfSameTable($0, question) }?.delivery.id
    }
}
