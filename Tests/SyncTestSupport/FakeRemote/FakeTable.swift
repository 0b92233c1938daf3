import SyncCore

/// What the imports of a fake table do.
public struct ImportPlan: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        case completes
        case fails(String)
    }

    /// How many listings say `inProgress` before the outcome shows.
    public var listingsInProgress = 0
    public var outcome = Outcome.completes
    public var tellsSize = true
    public var tellsMD5 = true
    /// Reported instead of the true one, as after a fault on the server's side.
    public var falseMD5: Digest?

    public init() {}
}

/// An upload on a fake table, with what a test wants to know of it.
public struct FakeUpload: Hashable, Sendable {
    public let uri: String
    public let name: String
    public let bytes: [UInt8]
    /// The session's id that it was registered with.
    public let uploadID: String
    public let format: UploadFormat
    var plan: ImportPlan

    /// What the next listing says, which brings the import one step on.
    mutating func listed() -> RemoteUpload {
        let isOver = plan.listingsInProgress <= 0
        plan.listingsInProgress -= 1
        return report(isOver: isOver)
    }

    /// The answer to the post: nothing is imported yet.
    func accepted() -> RemoteUpload { report(isOver: false) }

    private func report(isOver: Bool) -> RemoteUpload {
        guard isOver else { return RemoteUpload(uri: uri, name: name, status: .inProgress, size: nil, md5: nil) }
        let status: RemoteUpload.Status =
            switch plan.outcome {
            case .completes: .completed
            case .fails(let words): .failed(words)
            }
        return RemoteUpload(
            uri: uri, name: name, status: status, size: plan.tellsSize ? Int64(bytes.count) : nil,
            md5: plan.tellsMD5 ? plan.falseMD5 ?? .md5(of: bytes) : nil)
    }
}

/// A dataset's versions are shared by its tables; here each table carries its own, which no promise can tell apart.
struct FakeTable {
    let key: TableKey
    var mergeStrategy: String?
    /// `nil` where no version is open.
    var draft: [FakeUpload]?
    var released: [(tag: VersionTag, uploads: [FakeUpload])] = []
    var isVisible = true

    var all: [FakeUpload] { released.flatMap(\.uploads) + (draft ?? []) }

    mutating func release() {
        guard let draft else { return }
        released.append((VersionTag(major: 1, minor: released.count), draft))
        self.draft = nil
    }
}

/// The storage host's side of one session.
struct FakeSession {
    let table: TableKey
    let endpoint: Endpoint
    let transport: UploadSession.Transport
    let id: String
    let size: Int64
    var bytes: [UInt8] = []
    var isFinished = false
    var isDead = false
}
