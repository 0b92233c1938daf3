import GRDB
import SyncCore

extension Transaction {
    /// Writes a receipt and the delivery that it is of, as they were but for what the receipt does not tell: what the
    /// file looked like. Its path is known without an observation, so that the next look reads its content.
    ///
    /// - Returns: whether the delivery is one that no earlier receipt has made.
    func takeUp(_ kept: KeptReceipt) throws -> Bool {
        if kept.link.sequence > 1, try database.lastReceipt().sequence == 0 {
            // The file goes on with the chain of one that was lost before.
            guard let head = ReceiptChain.Head(kept.line) else { throw UnreadableValue(what: "a receipt") }
            try database.run(
                "INSERT INTO meta VALUES ('receiptBase', ?)", ["\(kept.link.sequence - 1) \(head.previous.hex)"])
        }
        let mapping = try mappingNumber(kept.mapping)
        let table = try tableNumber(kept.receipt.table)
        let content = kept.receipt.content
        let known = try database.row(
            """
            SELECT id FROM delivery WHERE remoteTable = ? AND uploadName = ? AND sha256 = ? AND contentSize = ?
            """, [table, kept.receipt.uploadName, content.sha256.column, content.size])
        let id = try known?.integer(0) ?? insert(kept, mapping, table)
        try database.run(
            "INSERT INTO receipt (seq, delivery, at, line, hash) VALUES (?, ?, ?, ?, ?)",
            [kept.link.sequence, id, kept.receipt.deliveredAt.milliseconds, kept.line, kept.link.hash.column])
        return known == nil
    }

    private func insert(_ kept: KeptReceipt, _ mapping: Int64, _ table: Int64) throws -> Int64 {
        let file = try database.inserted(
            """
            INSERT INTO file (mapping, path) VALUES (?, ?)
            ON CONFLICT (mapping, path) DO UPDATE SET links = links RETURNING id
            """, [mapping, kept.path.column])
        let content = kept.receipt.content
        let at = kept.receipt.deliveredAt.milliseconds
        let stored = try stored(Versions.restored(kept.receipt), Delivery.Tally(), mapping: mapping)
        // Its number as it was, where it is free: people may have it written down.
        let isTaken = try database.exists("SELECT 1 FROM delivery WHERE id = ?", [kept.delivery])
        let number: SQLValue = isTaken ? nil : kept.delivery
        let id = try database.inserted(
            """
            INSERT INTO delivery (id, mapping, file, destination, remoteTable, nameBase, isExisting, device, inode, size,
                modified, changed, contentSize, sha256, md5, uploadName, state, stateFormat, kind, public, work, due,
                tally, created, updated)
            VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
            """,
            [
                number, mapping, file, try destinationNumber(kept.table), table, kept.path.column, content.size,
                content.size, content.sha256.column, content.md5.column, kept.receipt.uploadName, stored.json,
                DeliveryState.formatVersion, stored.kind, stored.publicState.rawValue, stored.work?.rawValue,
                stored.due, stored.tally, at, at,
            ])
        try setFile(file, delivery: id, observation: nil)
        try note("taken up from receipts.jsonl", delivery: id, file: file, at: kept.receipt.deliveredAt)
        return id
    }
}
