import SQLiteQueue
import SyncCore

/// A file version as `list --json` and `why --json` print it.
struct FileEntry: Encodable {
    let id: Int64?
    let mapping: String
    let path: String
    /// Where the path is not UTF-8: its bytes.
    let pathBase64: String?
    let state: String
    let sizeBytes: Int64
    let table: String?
    let uploadName: String?
    let sha256: String?
    let md5: String?
    let reason: String?
    let remedy: String?
    let nextAttemptAt: String?
    let createdAt: String?
    let updatedAt: String?

    enum CodingKeys: String, CodingKey {
        case id, mapping, path, state, table, sha256, md5, reason, remedy
        case pathBase64 = "path_base64"
        case sizeBytes = "size_bytes"
        case uploadName = "upload_name"
        case nextAttemptAt = "next_attempt_at"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
    }

    init(_ summary: DeliverySummary) {
        let delivery = summary.delivery
        let remedy = delivery.flatMap { Remedy(for: $0.state) }
        id = summary.id?.value
        mapping = summary.mapping.value
        path = summary.path.description
        pathBase64 = summary.path.base64IfNotText
        state = summary.state.rawValue
        sizeBytes = summary.size
        table = delivery.map { $0.tableKey?.value ?? $0.table.text }
        uploadName = delivery?.uploadName
        sha256 = delivery?.content?.sha256.hex
        md5 = delivery?.content?.md5.hex
        reason = summary.problem?.summary ?? remedy?.reason
        self.remedy = summary.problem?.hint ?? remedy?.action
        nextAttemptAt = delivery?.state.delay.map { Words.isoTime($0.untilWall) }
        createdAt = summary.createdAt.map(Words.isoTime)
        updatedAt = summary.updatedAt.map(Words.isoTime)
    }
}

extension RelativePath {
    /// For JSON, beside the readable form: the bytes of a path that is no UTF-8 text.
    var base64IfNotText: String? {
        text == nil ? Base64.text(bytes) : nil
    }
}

extension DeliveryState {
    var delay: Delay? {
        guard case .waiting(_, let delay) = self else { return nil }
        return delay
    }
}

extension DeliverySummary {
    /// Why it rests or waits and what to do, where there is something to say.
    var remedyText: String? {
        problem.map { RelativePath.printable(Array($0.description.utf8)) }
            ?? delivery.flatMap { Remedy(for: $0.state)?.text }
    }
}
