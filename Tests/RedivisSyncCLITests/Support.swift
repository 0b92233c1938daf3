import FoundationEssentials
import Glibc
import SyncCore
import SystemPackage

@testable import RedivisSyncCLI
@testable import SQLiteQueue

/// Testing has an `ExitStatus` of its own.
typealias Status = RedivisSyncCLI.ExitStatus

/// Values that the tests of the command line share.
enum Given {
    static let secret = "https://storage.example/session?upload_id=topsecret"
    static let moment = Timestamp(milliseconds: 1_772_357_412_345)

    static func mapping(
        _ id: String = "weather", folder: FilePath = "/data/weather", include: [PathPattern] = ["**"]
    ) throws -> Mapping {
        guard let id = MappingID(id) else { throw Errno.invalidArgument }
        return Mapping(
            id: id, folder: folder, table: try TableReference(parsing: "demo_org.weather_stations.readings"),
            include: include, uploadName: "{path}")
    }

    static func configuration(_ mappings: Mapping...) -> Configuration {
        Configuration(settings: AgentSettings(), mappings: mappings)
    }

    static let content = Content(
        size: 17, sha256: Digest(bytes: [UInt8](repeating: 0xAB, count: 32)),
        md5: Digest(bytes: [UInt8](repeating: 0xCD, count: 16)))

    static let session = UploadSession(
        endpoint: .resumableUpload, transport: .resumable, uploadID: "u1", url: Secret(secret), openedAt: moment,
        openedAtServer: nil)

    static let delay = Delay(
        until: MonotonicInstant(run: 1, nanoseconds: 0), untilWall: moment, reason: "the network is away")

    static let receipt = Receipt(
        table: TableKey("demo_org.weather_stations:18r3.readings:q8zh"), uploadName: "a-abababababab.csv",
        uri: "/tables/x/uploads/1", content: content, md5Confirmed: true, isAdopted: false, deliveredAt: moment)

    static func summary(
        _ state: DeliveryState, path: [UInt8] = Array("a.csv".utf8), size: Int64 = 17, pause: Pauses.Reason? = nil
    ) throws -> DeliverySummary {
        guard let path = RelativePath(bytes: path) else { throw Errno.invalidArgument }
        let mapping = try mapping()
        let delivery = Delivery(
            id: DeliveryID(7), mapping: mapping.id, table: mapping.table, tableKey: receipt.table, path: path,
            observation: FileObservation(device: 1, inode: 2, size: size, modified: 3, changed: 4), content: content,
            nameBase: path.bytes, uploadName: "a-abababababab.csv", state: state)
        return DeliverySummary(
            id: delivery.id, mapping: mapping.id, path: path, state: state.publicState, size: size,
            delivery: delivery, problem: nil, createdAt: moment, updatedAt: moment, pause: pause)
    }

    /// At least one of each state, with words that a terminal should never see as they are.
    static func states(words: String) -> [DeliveryState] {
        let progress = TransferProgress(confirmed: 5, prefix: nil, hasUnprovenBytes: false)
        let working: [Stage] = [
            .pending(.fresh), .opening, .transferring(session, progress), .probing(session, progress),
            .concluding(session, progress),
            .lookingUp(.session(TransferredObject(session: session, needsReportedDigest: false)), .beforePost),
        ]
        return working.map { .working($0) }
            + [.waiting(.transferring(session, progress), delay), .delivered(receipt)]
            + holds(words: words).map { .held($0) } + parks(words: words).map { .parked($0) }
            + abandonments(words: words).map { .abandoned($0) }
    }

    static func holds(words: String) -> [HoldReason] {
        [.changed, .tableHasOtherUploads, .equalsUpload(words), .existing]
    }

    static func parks(words: String) -> [ParkReason] {
        [
            .importFailed(words), .contentDiffers(words), .rejected(words), .sessionRefused(words),
            .sessionsLost(words), .unreadable(words), .nameTaken(words), .removedFromTable, .stateDamaged(words),
            .withdrawalRefused(words),
        ]
    }

    static func abandonments(words: String) -> [AbandonReason] { [.gone, .superseded, .ignored(words), .forgotten] }
}

/// A folder of real files, removed at the end.
final class TemporaryFolder: Sendable {
    let path: FilePath

    init() throws {
        var template = Array("/tmp/redivis-sync-cli-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        path = template.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { FilePath(platformString: $0) } ?? FilePath()
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path.string) }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path.appending(name).string))
    }

    func read(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path.appending(name).string)), as: UTF8.self)
    }
}

/// The project's own files.
enum Project {
    static func read(_ name: String) throws -> String {
        let root = FilePath("\(#filePath)").removingLastComponent().removingLastComponent().removingLastComponent()
        return String(decoding: try Data(contentsOf: URL(filePath: root.appending(name).string)), as: UTF8.self)
    }
}

/// Whether a terminal would show it and obey nothing in it; line ends are the lines' own.
func isSafe(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { scalar in
        if scalar == "\n" { return true }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: return false
        default: return true
        }
    }
}

let nasty = "a\u{1B}[2Jb\nc\u{202E}d\u{9B}31me\r"
