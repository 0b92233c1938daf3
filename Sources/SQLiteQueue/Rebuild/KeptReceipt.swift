// FoundationEssentials: JSON, and the ISO 8601 form of a time.
import FoundationEssentials
import SyncCore

/// A line of `receipts.jsonl` as a database is made of it again.
struct KeptReceipt: Sendable {
    let link: ChainLink
    let line: String
    let mapping: MappingID
    let path: RelativePath
    /// The number that the delivery had.
    let delivery: Int64
    let table: TableReference
    let receipt: Receipt

    private struct More: Decodable {
        let delivery: Int64
        let md5_confirmed: Bool
        let adopted: Bool
        let delivered_at: String
    }

    /// - Returns: `nil` where the line is no receipt of a format that this version knows.
    init?(_ bytes: [UInt8], at link: ChainLink) {
        guard let line = String(validating: bytes, as: UTF8.self),
            let record = ReceiptLine(sequence: link.sequence, json: line, hash: link.hash).record,
            let more = try? JSONDecoder().decode(More.self, from: Data(bytes)),
            let delivered = Self.timestamp(more.delivered_at),
            let table = try? TableReference(parsing: record.table.value),
            record.size >= 0, !record.uploadName.isEmpty, more.delivery > 0
        else { return nil }
        self.link = link
        self.line = line
        (mapping, path, delivery) = (record.mapping, record.path, more.delivery)
        self.table = table
        receipt = Receipt(
            table: record.table, uploadName: record.uploadName, uri: record.uri,
            content: Content(size: record.size, sha256: record.sha256, md5: record.md5),
            md5Confirmed: more.md5_confirmed, isAdopted: more.adopted, deliveredAt: delivered)
    }

    private static func timestamp(_ text: String) -> Timestamp? {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        guard let date = try? style.parse(text) else { return nil }
        let milliseconds = (date.timeIntervalSince1970 * 1000).rounded()
        return Int64(exactly: milliseconds).map { Timestamp(milliseconds: $0) }
    }
}
