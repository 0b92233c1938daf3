// FoundationEssentials: temporary folders are made and removed with FileManager.
import FoundationEssentials
import GRDB
import Glibc
import Logging
import SyncCore
import SystemPackage

@testable import SQLiteQueue

/// A queue on an empty database in a folder of its own, and short words for its values.
final class QueueFixture: Sendable {
    let folder: FilePath
    let queue: SQLiteQueue
    static let run: UInt64 = 7

    init() async throws {
        folder = try Self.makeFolder()
        queue = try await Self.open(folder)
    }

    init(folder: FilePath) async throws {
        self.folder = folder
        queue = try await Self.open(folder)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder.string) }

    static func makeFolder() throws -> FilePath {
        let name = "sqlite-queue-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let folder = FilePath(FileManager.default.temporaryDirectory.path).appending(name)
        try FileManager.default.createDirectory(
            atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return folder
    }

    static func open(_ folder: FilePath) async throws -> SQLiteQueue {
        try await SQLiteQueue(
            path: folder.appending("queue.sqlite"), api: "https://api.example/v1", logger: .quiet, keeping: nil)
    }

    /// The files as they lie on disk at this instant, opened as a new process would after SIGKILL.
    func afterKill() async throws -> QueueFixture {
        let copy = try Self.makeFolder()
        for name in ["queue.sqlite", "queue.sqlite-wal", "receipts.jsonl"] {
            let from = folder.appending(name).string
            guard FileManager.default.fileExists(atPath: from) else { continue }
            try FileManager.default.copyItem(atPath: from, toPath: copy.appending(name).string)
        }
        return try await QueueFixture(folder: copy)
    }

    // MARK: Time

    static func at(_ seconds: Int64, run: UInt64 = run) -> Moment {
        Moment(
            wall: Timestamp(milliseconds: 1_700_000_000_000 + seconds * 1000),
            monotonic: MonotonicInstant(run: run, nanoseconds: seconds * 1_000_000_000))
    }

    func waiting(_ stage: Stage, until seconds: Int64) -> DeliveryState {
        let until = Self.at(seconds)
        return .waiting(stage, Delay(until: until.monotonic, untilWall: until.wall, reason: "test"))
    }

    // MARK: Values

    static let weather = Sample.mapping("weather")
    static let table = Sample.table("readings")
    static let key = TableKey("demo.weather:ab12.readings:9xyz")

    // MARK: Steps

    /// A file that settles and is admitted, as the intake does it.
    @discardableResult
    func admit(
        _ path: String, _ observation: FileObservation, links: UInt64 = 1,
        as disposition: AdmittedFile.Disposition = .deliver, in mapping: MappingID = weather,
        table: TableReference = table, at seconds: Int64 = 10
    ) async throws -> Delivery {
        let path = try Sample.path(path)
        let now = Self.at(seconds)
        _ = try await queue.noteSeen(
            [SeenFile(path: path, observation: observation, links: links)], in: mapping, lookAgainAfter: .zero, at: now)
        guard let file = try await queue.reader.settling(at: path, mapping: mapping) else {
            throw Missing(what: "settling row of \(path)")
        }
        // New unless the disposition says that `existing` decides about it.
        let isExisting = file.isExisting && disposition != .deliver
        let settled = SettlingFile(
            mapping: file.mapping, path: file.path, observation: file.observation, quietSince: file.quietSince,
            isExisting: isExisting)
        let admitted = AdmittedFile(
            file: settled, look: FileLook(observation: observation, links: links, writers: .nobody), table: table,
            nameBase: path.bytes, disposition: disposition)
        try await queue.recordLooks([.admit(admitted)], at: now)
        return try await current(path, in: mapping)
    }

    /// The delivery that a path belongs to now.
    func current(_ path: RelativePath, in mapping: MappingID = weather) async throws -> Delivery {
        let id = try await queue.pool.read { database -> Int64? in
            guard let number = try database.mappingNumber(mapping) else { return nil }
            return try database.fileRow(number, path)?.delivery
        }
        guard let id, let delivery = try await queue.delivery(DeliveryID(id)) else {
            throw Missing(what: "delivery at \(path)")
        }
        return delivery
    }

    func current(_ path: String) async throws -> Delivery { try await current(Sample.path(path)) }

    /// Saves a state over a delivery as it is now, with its content where one is given.
    @discardableResult
    func save(
        _ delivery: Delivery, _ state: DeliveryState, content: Content? = nil, at seconds: Int64 = 20
    ) async throws -> SaveOutcome {
        var delivery = try await reload(delivery)
        delivery.state = state
        if let content {
            delivery.content = content
            delivery.uploadName = Sample.uploadName(delivery.path, content)
            delivery.tableKey = Self.key
        }
        return try await queue.save(Decision(delivery, "saved"), at: Self.at(seconds))
    }

    func reload(_ delivery: Delivery) async throws -> Delivery {
        guard let row = try await queue.delivery(delivery.id) else { throw Missing(what: "delivery \(delivery.id)") }
        return row
    }

    func settle(
        _ delivery: Delivery, _ content: Content, name: String? = nil, admission: Admission = .examine,
        at seconds: Int64 = 15
    ) async throws -> Standing {
        try await queue.settleContent(
            content, uploadName: name ?? Sample.uploadName(delivery.path, content), table: Self.key,
            of: try await reload(delivery), admission: admission, at: Self.at(seconds))
    }

    func due(at seconds: Int64) async throws -> [DeliveryID] {
        try await queue.due(at: Self.at(seconds).monotonic, tables: [Self.table], excluding: [], limit: 9).map(\.id)
    }

    /// A file that went the whole way.
    @discardableResult
    func deliver(_ path: String, _ observation: FileObservation, _ content: Content) async throws -> Delivery {
        let delivery = try await admit(path, observation)
        let outcome = try await save(delivery, .delivered(Sample.receipt(delivery.path, content)), content: content)
        guard outcome == .saved else { throw Missing(what: "a saved delivery of \(path), which is \(outcome)") }
        return try await reload(delivery)
    }

    func list(
        _ uploads: [RemoteUpload], of table: TableKey = key, in version: TableVersion = .draft
    ) async throws {
        try await queue.recordListing(uploads, of: table, in: version, isFirst: true, isLast: true)
        try await queue.closeListing(of: table, newestReleased: nil, gate: .open)
    }
}

struct Missing: Error { let what: String }

/// Sample values.
enum Sample {
    static func path(_ text: String) throws -> RelativePath {
        guard let path = RelativePath(text) else { throw Missing(what: "a path in \(text)") }
        return path
    }

    static func mapping(_ text: String) -> MappingID {
        guard let id = MappingID(text) else { preconditionFailure("\(text) is no mapping id") }
        return id
    }

    static func table(_ name: String) -> TableReference {
        TableReference(
            owner: "demo", dataset: .init(name: "weather", id: "ab12"), table: .init(name: name, id: "9xyz"))
    }

    static func content(_ byte: UInt8, size: Int64 = 100) -> Content {
        Content(
            size: size, sha256: Digest(bytes: [UInt8](repeating: byte, count: 32)),
            md5: Digest(bytes: [UInt8](repeating: byte, count: 16)))
    }

    static func observation(
        _ inode: UInt64, changed: Int64 = 1, size: Int64 = 100, device: UInt64 = 3
    ) -> FileObservation {
        FileObservation(device: device, inode: inode, size: size, modified: changed, changed: changed)
    }

    static func uploadName(_ path: RelativePath, _ content: Content) -> String {
        "\(path)-\(content.sha256.hex.prefix(12)).csv"
    }

    static func upload(
        _ name: String, _ content: Content?, status: RemoteUpload.Status = .completed, uri: String? = nil
    ) -> RemoteUpload {
        RemoteUpload(
            uri: uri ?? "/tables/x/uploads/\(name)", name: name, status: status, size: content?.size, md5: content?.md5)
    }

    static func receipt(_ path: RelativePath, _ content: Content) -> Receipt {
        Receipt(
            table: QueueFixture.key, uploadName: uploadName(path, content), uri: "/uploads/\(path)", content: content,
            md5Confirmed: true, isAdopted: false, deliveredAt: Timestamp(milliseconds: 1_700_000_000_123))
    }

    static let session = UploadSession(
        endpoint: .resumableUpload, transport: .resumable, uploadID: "u1",
        url: Secret("https://storage.example/session-secret"), openedAt: Timestamp(milliseconds: 1_700_000_000_000),
        openedAtServer: Timestamp(milliseconds: 1_700_000_000_500))
    static let object = RegistrationSource.session(TransferredObject(session: session, needsReportedDigest: true))
    static let progress = TransferProgress(
        confirmed: 262_144, prefix: PrefixDigest(offset: 262_144, sha256: content(9).sha256), hasUnprovenBytes: true)
    static let attempt = PostAttempt(
        number: 2, newestReleased: VersionTag(major: 1, minor: 3), begunAt: Timestamp(milliseconds: 1_700_000_001_000))
    static let firstAttempt = PostAttempt(
        number: 1, newestReleased: nil, begunAt: Timestamp(milliseconds: 1_700_000_001_000))
    static let registration = Registration(
        uri: "/uploads/a", name: "a", newestReleased: nil, registeredAt: Timestamp(milliseconds: 1_700_000_002_000),
        isAdopted: false)

    static func configured(
        _ id: MappingID = QueueFixture.weather, table: TableReference = QueueFixture.table,
        include: [PathPattern] = ["**"], existing: ExistingFiles = .auto, isPaused: Bool = false
    ) -> Mapping {
        Mapping(
            id: id, folder: "/data", table: table, include: include, existing: existing, uploadName: "{path}",
            isPaused: isPaused)
    }
}

extension Logger {
    static var quiet: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }
}
