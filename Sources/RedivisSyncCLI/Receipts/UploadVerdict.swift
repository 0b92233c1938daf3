import SQLiteQueue
import SyncCore

/// What a table's uploads say of one receipt. Pure.
struct UploadVerdict: Hashable, Sendable {
    /// Empty where the delivery is proven.
    private(set) var problems: [String] = []
    /// Whether Redivis told the MD5, and it is the receipt's.
    private(set) var agreesInMD5 = false

    /// - Parameter listed: the uploads of its table, in all versions, that have its name or its tag.
    init(_ receipt: ReceiptRecord, _ listed: [ListedUpload]) {
        let live = listed.filter { !$0.hasFailed && $0.isMeant(by: receipt) }
        let named = live.filter { $0.upload.name.utf8.elementsEqual(receipt.uploadName.utf8) }
        if let own = named.first(where: { $0.isAt(receipt.uri) }) ?? named.first {
            judge(own.upload, receipt)
        } else if let other = live.first {
            problems.append("its upload is called \(other.upload.name) on the table")
        } else if listed.contains(where: \.hasFailed) {
            problems.append("its import is listed as failed, so none of its rows are on the table")
        } else {
            problems.append("no version of the table lists it any more")
        }
        let copies = Self.distinct(live)
        if copies.count > 1 {
            let places = copies.map { "\($0.upload.name) in \($0.version == "next" ? "the draft" : $0.version)" }
            problems.append(
                "DUPLICATE: the table has it \(copies.count) times: \(places.joined(separator: ", ")); delete all but "
                    + "one while the draft is open, or release a version without the surplus")
        }
    }

    private mutating func judge(_ upload: RemoteUpload, _ receipt: ReceiptRecord) {
        switch upload.status {
        case .completed: break
        case .inProgress: problems.append("its import is not completed")
        // Left out above.
        case .failed: break
        }
        if let size = upload.size, size != receipt.size {
            problems.append("the table's upload has \(size) bytes, and \(receipt.size) were delivered")
        }
        guard let md5 = upload.md5 else { return }
        agreesInMD5 = md5 == receipt.md5
        if !agreesInMD5 { problems.append("the table's upload has the MD5 \(md5), and \(receipt.md5) was delivered") }
    }

    /// One upload may be listed by several versions, by one number or name at the end of its uri. Two rows of one
    /// version are two uploads in any case.
    private static func distinct(_ uploads: [ListedUpload]) -> [ListedUpload] {
        var seen: [String: Set<String>] = [:]
        return uploads.filter { upload in
            let versions = seen[upload.number, default: []]
            seen[upload.number, default: []].insert(upload.version)
            return upload.number.isEmpty || versions.isEmpty || versions.contains(upload.version)
        }
    }
}

extension ListedUpload {
    fileprivate var hasFailed: Bool {
        switch upload.status {
        case .failed: true
        case .completed, .inProgress: false
        }
    }

    /// The last part of its uri.
    fileprivate var number: String { Self.number(upload.uri) }

    fileprivate func isAt(_ uri: String) -> Bool { !number.isEmpty && number == Self.number(uri) }

    private static func number(_ uri: String) -> String {
        uri.split(separator: "/").last.map(String.init) ?? ""
    }

    /// A name with a tag means one content. Others, which adopted uploads may have, anybody may use again in another
    /// version for something else.
    fileprivate func isMeant(by receipt: ReceiptRecord) -> Bool {
        UploadName.isTagged(receipt.uploadName) || isAt(receipt.uri)
            || upload.size == receipt.size && upload.md5.map { $0 == receipt.md5 } ?? true
    }
}
