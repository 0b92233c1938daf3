// Reference types without locks: they live inside the catalog's actor and never leave it.

final class Dataset {
    let owner: String
    let name: String
    let folded: String
    let id: String
    /// Reference ids that references have used for it where nothing is strict.
    var aliases: [String] = []
    /// By index; the last may be the draft.
    var versions: [Version] = []
    let created: Int64

    init(owner: String, name: String, id: String, created: Int64) {
        self.owner = owner
        self.name = name
        folded = NameFolding.fold(name)
        self.id = id
        self.created = created
    }

    var draft: Version? { versions.last { $0.tag == nil && !$0.isDeleted } }
    var current: Version? { versions.last { $0.tag != nil } }
}

struct VersionTag: Equatable {
    var major: Int
    var minor: Int

    /// As in `version.tag` and in paths below `/versions/`.
    var dotted: String { "v\(major).\(minor)" }
    /// As inside a reference.
    var underscored: String { "v\(major)_\(minor)" }
}

final class Version {
    let index: Int
    /// Nil while it is a draft.
    var tag: VersionTag?
    let created: Int64
    var released: Int64?
    var releaseNotes: String?
    var isDeleted = false
    var tables: [Table] = []
    /// Whether anything in the draft differs from the version before it.
    var isChanged = false
    /// Whether a table was removed or renamed, which makes the next tag a major one.
    var isBreaking = false

    init(index: Int, created: Int64) {
        self.index = index
        self.created = created
    }

    var pathTag: String { tag?.dotted ?? "next" }
    var referenceTag: String { tag?.underscored ?? "next" }
}

/// A table of one version. The next version has a table of its own with the same id.
final class Table {
    let id: String
    var aliases: [String]
    var name: String
    var folded: String { NameFolding.fold(name) }
    var mergeStrategy: String
    let isFileIndex: Bool
    var description: String?
    let created: Int64
    /// Uploads of this version, by number; deleted ones are gone.
    private(set) var uploads: [Upload] = []
    private var byFoldedName: [String: [Upload]] = [:]

    init(
        id: String, name: String, mergeStrategy: String = "append", isFileIndex: Bool = false,
        description: String? = nil, created: Int64, aliases: [String] = []
    ) {
        self.id = id
        self.name = name
        self.mergeStrategy = mergeStrategy
        self.isFileIndex = isFileIndex
        self.description = description
        self.created = created
        self.aliases = aliases
    }

    func add(_ upload: Upload) {
        uploads.append(upload)
        byFoldedName[upload.folded, default: []].append(upload)
    }

    func remove(_ upload: Upload) {
        uploads.removeAll { $0.number == upload.number }
        byFoldedName[upload.folded]?.removeAll { $0.number == upload.number }
    }

    /// The oldest upload whose name folds to this.
    func upload(folded: String) -> Upload? { byFoldedName[folded]?.first }

    /// Numbers only grow, so halving finds one among thousands.
    func upload(number: Int64) -> Upload? {
        var (start, end) = (0, uploads.count)
        while start < end {
            let middle = (start + end) / 2
            if uploads[middle].number < number { start = middle + 1 } else { end = middle }
        }
        return start < uploads.count && uploads[start].number == number ? uploads[start] : nil
    }
}

/// One registered upload.
final class Upload {
    enum Status: String { case queued, running, completed, failed }

    let number: Int64
    let name: String
    let folded: String
    /// The name in the request, before a rename.
    let requestedName: String
    let object: StoredObject
    let via: String
    let uploadID: String?
    let created: Int64
    /// The request's own fields, such as `type` and `delimiter`.
    let fields: JSON
    var status = Status.queued
    var completed: Int64?
    var errorMessage: String?
    var isDeleted = false
    /// What the import will report, which faults make differ from the object.
    var reportedSize: Int64?
    var reportedMD5: String?
    var tamper: RegistrationFault?

    init(
        number: Int64, name: String, requestedName: String, object: StoredObject, via: String, uploadID: String?,
        created: Int64, fields: JSON
    ) {
        self.number = number
        self.name = name
        folded = NameFolding.fold(name)
        self.requestedName = requestedName
        self.object = object
        self.via = via
        self.uploadID = uploadID
        self.created = created
        self.fields = fields
        reportedSize = object.size
        reportedMD5 = object.md5
    }
}

/// Short ids that depend on the name alone, so that two runs of a test see the same references.
enum ReferenceID {
    // Without vowels and x, so that no id can read as `next`, `sample` or a version.
    private static let alphabet = Array("bcdfghjkmnpqrstwz0123456789".utf8)

    static func make(_ text: String, taken: (String) -> Bool) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        while true {
            var rest = hash
            var id: [UInt8] = []
            for _ in 0..<4 {
                id.append(alphabet[Int(rest % UInt64(alphabet.count))])
                rest /= UInt64(alphabet.count)
            }
            let text = String(decoding: id, as: UTF8.self)
            if !taken(text) { return text }
            hash = hash &* 0x5851_F42D_4C95_7F2D &+ 1
        }
    }
}
