import SQLiteQueue
import SyncCore
import SystemPackage

/// A file version as `list --json` and `why --json` print it: docs/schemas/file-version.json.
struct FileEntry: Encodable {
    let id: Int64?
    let mapping: String
    /// `nil` where the mapping is not in the mapping file any more.
    let folder: String?
    let path: String
    /// Where the path is not UTF-8: its bytes.
    let pathBase64: String?
    let state: String
    let sizeBytes: Int64
    /// What the storage host has confirmed, while it is uploading.
    let confirmedBytes: Int64?
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
        case id, mapping, folder, path, state, table, sha256, md5, reason, remedy
        case pathBase64 = "path_base64"
        case sizeBytes = "size_bytes"
        case confirmedBytes = "confirmed_bytes"
        case uploadName = "upload_name"
        case nextAttemptAt = "next_attempt_at"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
    }

    /// - Parameter mapping: its own; `nil` where that is not in the mapping file any more.
    init(_ summary: DeliverySummary, in mapping: Mapping?) {
        let delivery = summary.delivery
        let remedy = summary.remedy(in: mapping)
        let path = PathText(summary.path.bytes)
        id = summary.id?.value
        self.mapping = summary.mapping.value
        folder = mapping?.folder.string
        self.path = path.text
        pathBase64 = path.base64
        state = summary.state.rawValue
        sizeBytes = summary.size
        confirmedBytes = delivery?.state.stage?.confirmedBytes
        table = delivery.map { $0.tableKey?.value ?? $0.table.text }
        uploadName = delivery?.uploadName
        sha256 = delivery?.content?.sha256.hex
        md5 = delivery?.content?.md5.hex
        reason = remedy?.reason
        self.remedy = remedy?.action
        nextAttemptAt = summary.pause != nil ? nil : delivery?.state.delay.map { Words.isoTime($0.untilWall) }
        createdAt = summary.createdAt.map(Words.isoTime)
        updatedAt = summary.updatedAt.map(Words.isoTime)
    }
}

extension DeliveryState {
    var delay: Delay? {
        switch self {
        case .waiting(_, let delay): delay
        case .working, .delivered, .held, .parked, .abandoned: nil
        }
    }
}

extension Stage {
    /// By the storage host's word; `nil` where no session is open.
    var confirmedBytes: Int64? {
        switch self {
        case .transferring(_, let progress), .probing(_, let progress), .concluding(_, let progress):
            progress.confirmed
        case .pending, .opening, .reading, .lookingUp, .posting, .importing, .withdrawing: nil
        }
    }
}

extension DeliverySummary {
    /// Why it rests or waits and what to do, where there is something to say.
    ///
    /// - Parameter mapping: its own, so that the commands to run name the whole path.
    func remedy(in mapping: Mapping?) -> Remedy? {
        if let problem { return Remedy(problem.summary, problem.hint) }
        if let pause { return Remedy("its mapping is paused", Remedy.ending(pause, of: self.mapping)) }
        let path = (mapping?.folder).map { ShellWord.of($0.bytes + [UInt8(ascii: "/")] + self.path.bytes) } ?? "PATH"
        return delivery.flatMap { Remedy(for: $0.state, path: path) }
    }
}
