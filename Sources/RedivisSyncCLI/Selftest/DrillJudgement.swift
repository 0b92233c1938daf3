import SyncCore

/// A file that the drill put into the mapped folder, by its content.
struct FedFile: Hashable, Sendable {
    /// Below the folder, where it lies in the end.
    var path: [UInt8]
    /// In bytes.
    let size: Int64
    let sha256: Digest
}

/// An upload on the receiving side, by the bytes that lie there.
struct ArrivedUpload: Hashable, Sendable {
    let name: String
    /// As the sandbox writes it; `completed` is the good end.
    let status: String
    /// Taken off its table again: one registration too many nevertheless, where there is another.
    let isDeleted: Bool
    /// Of the object, in bytes; 0 where it cannot be read.
    let size: Int64
    /// Of the object's bytes; `nil` where it cannot be read.
    let sha256: Digest?
}

extension ArrivedUpload {
    fileprivate var isGood: Bool { status == "completed" && !isDeleted }
}

/// Holds what arrived against what was fed, by content alone: every content once, and nothing else.
struct DrillJudgement {
    enum Problem: Hashable, Sendable {
        /// No upload on the table that came to its good end has its content.
        case missing(FedFile)
        /// More than one registration was made of its content; with all their names.
        case doubled(FedFile, [String])
        /// An upload that never came to its good end.
        case unfinished(ArrivedUpload)
        /// An upload whose bytes are no fed file's.
        case foreign(ArrivedUpload)
    }

    let problems: [Problem]

    init(fed: [FedFile], arrived: [ArrivedUpload]) {
        let byContent = Dictionary(grouping: arrived, by: \.sha256)
        var problems: [Problem] = []
        for file in fed {
            let uploads = byContent[file.sha256] ?? []
            if !uploads.contains(where: \.isGood) {
                problems.append(.missing(file))
            }
            if uploads.count > 1 {
                problems.append(.doubled(file, uploads.map(\.name).sorted()))
            }
        }
        let contents = Set(fed.map(\.sha256))
        for upload in arrived {
            if !(upload.sha256.map(contents.contains) ?? false) {
                problems.append(.foreign(upload))
            } else if !upload.isGood, !upload.isDeleted {
                problems.append(.unfinished(upload))
            }
        }
        self.problems = problems
    }
}

extension DrillJudgement.Problem {
    /// As it stands in JSON.
    var kind: String {
        switch self {
        case .missing: "missing"
        case .doubled: "doubled"
        case .unfinished: "unfinished"
        case .foreign: "foreign"
        }
    }

    /// The fed file that it is about.
    var path: [UInt8]? {
        switch self {
        case .missing(let file), .doubled(let file, _): file.path
        case .unfinished, .foreign: nil
        }
    }

    var finding: String {
        switch self {
        case .missing(let file): "no upload has its content of \(Words.bytes(file.size))"
        case .doubled(_, let names): "registered \(names.count) times: \(names.joined(separator: ", "))"
        case .unfinished(let upload): "the upload \(upload.name) is \(upload.status)"
        case .foreign(let upload):
            upload.sha256 == nil
                ? "the bytes of the upload \(upload.name) cannot be read"
                : "the upload \(upload.name) has \(Words.bytes(upload.size)) that are no file's content"
        }
    }
}
