import FoundationEssentials
import SyncCore

// Redivis's resources, as far as they are used. What promises rest on (the names in a list, a new upload's uri) must
// be there; everything else may be missing, since the documentation has changed it before.

/// A number that older pages of the API write as a string. `nil` inside where it is no number of bytes.
struct LenientInteger: Decodable, Hashable, Sendable {
    let value: Int64?

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let number = (try? container.decode(Int64.self)) ?? (try? container.decode(String.self)).flatMap { Int64($0) }
        value = number.flatMap { $0 < 0 ? nil : $0 }
    }
}

/// An id, a page token: text, or a number that serves as one.
struct LenientText: Decodable, Hashable, Sendable {
    let value: String

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        value = try (try? container.decode(Int64.self)).map { String($0) } ?? container.decode(String.self)
    }
}

extension Digest {
    /// An MD5 as a server tells it, in hex or in base64; `nil` for anything else (api.md 7.4: which one is unknown).
    init?(reported text: String) {
        if text.utf8.count == 32, let digest = Digest(hex: text) {
            self = digest
        } else if let data = Data(base64Encoded: text), data.count == 16 {
            self.init(bytes: Array(data))
        } else {
            return nil
        }
    }
}

struct Page<Element: Decodable & Sendable>: Decodable, Sendable {
    let results: [Element]
    let nextPageToken: String?

    private enum Key: String, CodingKey { case results, nextPageToken }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        // A list that does not say what is on it is no empty list.
        results = try container.decode([Element].self, forKey: .results)
        let token = try container.decodeIfPresent(LenientText.self, forKey: .nextPageToken)?.value
        nextPageToken = token.flatMap { $0.isEmpty ? nil : $0 }
    }
}

struct VersionResource: Decodable, Hashable, Sendable {
    let tag: String?
    let isReleased: Bool?
    let isDeleted: Bool?

    /// The tag of a version that was released and is still there.
    var released: VersionTag? {
        guard isDeleted != true, isReleased != false else { return nil }
        return tag.flatMap { VersionTag($0) }
    }

    var isDraft: Bool { tag == "next" && isDeleted != true && isReleased != true }
}

struct DatasetResource: Decodable, Sendable {
    let version: VersionResource?
    let nextVersion: VersionResource?

    /// A dataset that was never released is its own draft.
    var hasDraft: Bool { nextVersion.map { $0.isDeleted != true } ?? false || version?.isDraft ?? false }
}

struct TableResource: Decodable, Sendable {
    let uri: String?
    let qualifiedReference: String?
    let scopedReference: String?
    let uploadMergeStrategy: String?
    let isFileIndex: Bool?
}

struct UploadResource: Decodable, Sendable {
    let uri: String?
    let name: String
    let status: String?
    let size: Int64?
    let hash: String?
    let errorMessage: String?

    private enum Key: String, CodingKey { case uri, name, status, size, hash, errorMessage }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        // What is missing is asked for, not caught: an error for each absent field of each upload of a long list is
        // half of the time that reading it takes.
        func text(_ key: Key) -> String? { (try? container.decodeIfPresent(String.self, forKey: key)) ?? nil }
        uri = text(.uri)
        // Look-ups go by the name, so a list without names must not read as one on which ours is not.
        name = try container.decodeNil(forKey: .name) ? "" : container.decode(String.self, forKey: .name)
        status = text(.status)
        size = ((try? container.decodeIfPresent(LenientInteger.self, forKey: .size)) ?? nil)?.value
        hash = text(.hash)
        errorMessage = text(.errorMessage)
    }

    var isFailed: Bool { status?.lowercased() == "failed" }

    /// - Parameter words: Redivis's reason, where the import failed and the list did not tell.
    func upload(failure words: String?) -> RemoteUpload {
        let status: RemoteUpload.Status =
            switch status?.lowercased() {
            case "completed": .completed
            case "failed":
                .failed(ServerWords.clean(errorMessage ?? words ?? "Redivis told no reason", secrets: []))
            // `queued`, `running`, nothing, and what may be added one day: not over.
            default: .inProgress
            }
        return RemoteUpload(
            uri: uri ?? "", name: name, status: status, size: size, md5: hash.flatMap { Digest(reported: $0) })
    }
}

struct ResumableUploadResource: Decodable, Sendable {
    let id: LenientText
    let url: String
}

struct TempUploadResource: Decodable, Sendable {
    let id: LenientText
    let url: String
    let resumable: Bool?
}
