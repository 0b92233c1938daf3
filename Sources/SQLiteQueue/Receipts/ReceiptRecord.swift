// FoundationEssentials: JSON, and base64 of paths that are not UTF-8.
import FoundationEssentials
import SyncCore

/// What a line of `receipts.jsonl` says.
public struct ReceiptRecord: Hashable, Decodable, Sendable {
    public let sequence: Int64
    public let mapping: MappingID
    public let path: RelativePath
    public let table: TableKey
    public let uploadName: String
    public let uri: String
    public let size: Int64
    public let sha256: Digest
    public let md5: Digest

    private enum Key: String, CodingKey {
        case seq, mapping, path, path_base64, table, upload_name, uri, size, sha256, md5
    }

    public init(
        sequence: Int64, mapping: MappingID, path: RelativePath, table: TableKey, uploadName: String, uri: String,
        content: Content
    ) {
        self.sequence = sequence
        self.mapping = mapping
        self.path = path
        self.table = table
        self.uploadName = uploadName
        self.uri = uri
        size = content.size
        sha256 = content.sha256
        md5 = content.md5
    }

    public init(from decoder: any Decoder) throws {
        let line = try decoder.container(keyedBy: Key.self)
        sequence = try line.decode(Int64.self, forKey: .seq)
        mapping = try line.decode(MappingID.self, forKey: .mapping)
        table = try line.decode(TableKey.self, forKey: .table)
        uploadName = try line.decode(String.self, forKey: .upload_name)
        uri = try line.decode(String.self, forKey: .uri)
        size = try line.decode(Int64.self, forKey: .size)
        sha256 = try line.decode(Digest.self, forKey: .sha256)
        md5 = try line.decode(Digest.self, forKey: .md5)
        let bytes = try line.decodeIfPresent(String.self, forKey: .path_base64).map { Data(base64Encoded: $0) }
        let text = try line.decode(String.self, forKey: .path)
        guard let path = RelativePath(bytes: bytes.map { Array($0 ?? Data()) } ?? Array(text.utf8)) else {
            throw UnreadableValue(what: "a receipt's path")
        }
        self.path = path
    }
}

extension ReceiptRecord {
    /// `delivered_at` of a line of `receipts.jsonl`, as it is written there.
    public static func deliveryTime(in line: String) -> String? {
        struct Delivered: Decodable { let delivered_at: String }
        return try? JSONDecoder().decode(Delivered.self, from: Data(line.utf8)).delivered_at
    }
}

extension ReceiptLine {
    /// `nil` where the line is no receipt of a format that this version knows.
    public var record: ReceiptRecord? {
        try? JSONDecoder().decode(ReceiptRecord.self, from: Data(json.utf8))
    }
}
