import Crypto
// FoundationEssentials: base64 of paths that are not UTF-8, and the ISO 8601 form of a time.
import FoundationEssentials
import GRDB
import SyncCore

/// One line of `receipts.jsonl`.
public struct ReceiptLine: Hashable, Sendable {
    /// From 1, without gaps.
    public let sequence: Int64
    /// One JSON object on one line, without the newline.
    public let json: String
    /// What the next line names as `previous`.
    public let hash: SyncCore.Digest
}

/// The chain of receipts: each line names the hash of the one before it, so that a line that was changed, taken out
/// or put in shows.
public enum ReceiptChain {
    /// What the first line names as `previous`.
    public static let origin = SyncCore.Digest(bytes: [UInt8](repeating: 0, count: 32))

    /// SHA-256 over the 32 bytes of the previous hash and the bytes of the line without its newline.
    public static func hash(of line: some Sequence<UInt8>, after previous: SyncCore.Digest) -> SyncCore.Digest {
        SyncCore.Digest(bytes: Array(SHA256.hash(data: previous.bytes + Array(line))))
    }

    public enum Verdict: Hashable, Sendable {
        /// Every line follows from the one before; the last hash.
        case whole(lines: Int, last: SyncCore.Digest)
        /// The first line (from 1) that does not.
        case broken(line: Int, reason: String)
    }

    /// Holds lines against each other.
    public static func verify(_ lines: some Sequence<String>) -> Verdict {
        var walk = ChainWalk()
        for line in lines {
            do throws(ChainBreak) {
                try walk.step(Array(line.utf8))
            } catch {
                return .broken(line: walk.lines + 1, reason: error.reason)
            }
        }
        return .whole(lines: walk.lines, last: walk.end?.hash ?? origin)
    }

    /// What chains a line.
    struct Head: Decodable {
        let seq: Int64
        let previous: SyncCore.Digest

        init?(_ line: String) { self.init(Array(line.utf8)) }

        init?(_ line: [UInt8]) {
            guard let head = try? JSONDecoder().decode(Head.self, from: Data(line)) else { return nil }
            self = head
        }
    }
}

/// The fields of a line, by the names that users read.
private struct ReceiptFields: Encodable {
    let seq: Int64
    let previous: SyncCore.Digest
    let delivery: DeliveryID
    let mapping: MappingID
    let path: String
    /// Where the path is not UTF-8.
    let path_base64: String?
    let table: TableKey
    let upload_name: String
    let uri: String
    let size: Int64
    let sha256: SyncCore.Digest
    let md5: SyncCore.Digest
    let md5_confirmed: Bool
    let adopted: Bool
    let delivered_at: String

    init(_ receipt: Receipt, of delivery: Delivery, seq: Int64, previous: SyncCore.Digest) {
        self.seq = seq
        self.previous = previous
        self.delivery = delivery.id
        mapping = delivery.mapping
        path = delivery.path.text ?? delivery.path.description
        path_base64 = delivery.path.text == nil ? Data(delivery.path.bytes).base64EncodedString() : nil
        table = receipt.table
        upload_name = receipt.uploadName
        uri = receipt.uri
        size = receipt.content.size
        sha256 = receipt.content.sha256
        md5 = receipt.content.md5
        md5_confirmed = receipt.md5Confirmed
        adopted = receipt.isAdopted
        delivered_at = Self.iso8601(receipt.deliveredAt)
    }

    /// UTC with milliseconds, from whole numbers: a fraction through `Double` would lose one now and then.
    private static func iso8601(_ time: Timestamp) -> String {
        let (seconds, thousandths) = (time.milliseconds / 1000, time.milliseconds % 1000)
        let whole = thousandths < 0 ? seconds - 1 : seconds
        let digits = String(1000 + (thousandths < 0 ? thousandths + 1000 : thousandths)).dropFirst()
        let text = Date(timeIntervalSince1970: Double(whole)).formatted(Date.ISO8601FormatStyle())
        return text.dropLast() + "." + digits + "Z"
    }
}

extension Transaction {
    func appendReceipt(_ receipt: Receipt, of delivery: Delivery) throws {
        let last = try database.lastReceipt()
        let (sequence, overflow) = last.sequence.addingReportingOverflow(1)
        guard !overflow else { throw UnreadableValue(what: "a receipt's number") }
        let json = try StateCoding.text(
            ReceiptFields(receipt, of: delivery, seq: sequence, previous: last.hash))
        let hash = ReceiptChain.hash(of: json.utf8, after: last.hash)
        try database.run(
            "INSERT INTO receipt (seq, delivery, at, line, hash) VALUES (?, ?, ?, ?, ?)",
            [sequence, delivery.id.value, receipt.deliveredAt.milliseconds, json, hash.column])
        wroteReceipts = true
    }
}

extension Database {
    /// Where the chain stands: number and hash of the last receipt, or of the one that a lost database ended with.
    func lastReceipt() throws -> (sequence: Int64, hash: SyncCore.Digest) {
        if let row = try row("SELECT seq, hash FROM receipt ORDER BY seq DESC LIMIT 1") {
            return (try row.integer(0), SyncCore.Digest(bytes: try row.bytes(1)))
        }
        return try receiptBase() ?? (0, ReceiptChain.origin)
    }

    /// The end of the chain that `receipts.jsonl` held when this database was made.
    func receiptBase() throws -> (sequence: Int64, hash: SyncCore.Digest)? {
        guard let text = try row("SELECT value FROM meta WHERE key = 'receiptBase'")?.text(0) else { return nil }
        let parts = text.split(separator: " ")
        guard parts.count == 2, let sequence = Int64(parts[0]), let hash = SyncCore.Digest(hex: String(parts[1])) else {
            throw UnreadableValue(what: "where the receipts begin")
        }
        return (sequence, hash)
    }

    func receipts(after sequence: Int64, limit: Int) throws -> [ReceiptLine] {
        try rows(
            "SELECT seq, line, hash FROM receipt WHERE seq > ? ORDER BY seq LIMIT ?", [sequence, limit]
        ).map {
            ReceiptLine(
                sequence: try $0.integer(0), json: try $0.text(1), hash: SyncCore.Digest(bytes: try $0.bytes(2)))
        }
    }
}
