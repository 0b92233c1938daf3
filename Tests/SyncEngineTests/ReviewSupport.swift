// FoundationEssentials: temporary folders and files are made and removed with FileManager.
import FoundationEssentials
import Glibc
import Logging
import Synchronization
import SyncCore
import SyncTestSupport
import SystemPackage
import Testing

import FolderWatch
import LocalFiles
import SQLiteQueue

@testable import SyncEngine

/// The suites of the review, one test after the other: their clocks leap by real milliseconds, so that tests side by
/// side would take the time from one another.
@Suite(.serialized, .timeLimit(.minutes(3))) enum Review {}

/// A clock on which nothing really waits: at each real millisecond it goes towards the next instant that somebody
/// sleeps for, by a leap at most. So what takes minutes takes a moment, in the order that it has; and the leap is
/// short, so that the disk's real milliseconds do not pass for minutes.
final class LeapingClock: SyncClock {
    private struct Sleeper {
        let id: UInt64
        let end: Int64
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: Int64 = 1_000_000_000_000
        var serial: UInt64 = 0
        var sleepers: [Sleeper] = []
        var cancelled: Set<UInt64> = []
    }

    private let state = Mutex(State())
    private let run: UInt64
    private let largestLeap: Duration
    private let driver: Mutex<Task<Void, Never>?> = Mutex(nil)

    init(run: UInt64 = 7, largestLeap: Duration = .milliseconds(100)) {
        self.run = run
        self.largestLeap = largestLeap
        let task = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(1))
                guard let self else { return }
                self.leap()
            }
        }
        driver.withLock { $0 = task }
    }

    deinit { driver.withLock { $0?.cancel() } }

    private func leap() {
        let due = state.withLock { state -> [Sleeper] in
            guard let next = state.sleepers.map(\.end).min() else { return [] }
            state.now = max(state.now, min(next, state.now + largestLeap.saturatingNanoseconds))
            let due = state.sleepers.filter { $0.end <= state.now }
            state.sleepers.removeAll { $0.end <= state.now }
            return due
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// Since the clock was made.
    var elapsed: Duration { .nanoseconds(state.withLock(\.now) - 1_000_000_000_000) }

    func now() -> Moment {
        let now = state.withLock(\.now)
        return Moment(
            wall: Timestamp(milliseconds: 1_700_000_000_000 + now / 1_000_000),
            monotonic: MonotonicInstant(run: run, nanoseconds: now))
    }

    func sleep(for duration: Duration) async throws {
        let id = state.withLock { state in
            state.serial += 1
            return state.serial
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let isOver = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    let end = state.now + max(duration, .zero).saturatingNanoseconds
                    state.sleepers.append(Sleeper(id: id, end: end, continuation: continuation))
                    return false
                }
                if isOver { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}

/// A remote with something before each call, such as a pause.
struct WatchedRemote: UploadRemote {
    let inner: FakeRemote
    /// Before a page of uploads is listed; `nil`: the first.
    var onPage: @Sendable (String?) async throws(Failure) -> Void = { _ in }
    let before: @Sendable (RemoteOperation, TableReference?) async throws(Failure) -> Void

    func table(_ reference: TableReference) async throws(Failure) -> RemoteTable {
        try await before(.table, reference)
        return try await inner.table(reference)
    }

    func openVersion(of reference: TableReference) async throws(Failure) {
        try await before(.openVersion, reference)
        try await inner.openVersion(of: reference)
    }

    func uploads(
        of reference: TableReference, in version: TableVersion, page: String?
    ) async throws(Failure) -> UploadPage {
        try await before(.uploads, reference)
        try await onPage(page)
        return try await inner.uploads(of: reference, in: version, page: page)
    }

    func upload(uri: String) async throws(Failure) -> RemoteUpload? {
        try await before(.upload, nil)
        return try await inner.upload(uri: uri)
    }

    func upload(
        named name: String, of reference: TableReference, in version: TableVersion
    ) async throws(Failure) -> RemoteUpload? {
        try await before(.upload, reference)
        return try await inner.upload(named: name, of: reference, in: version)
    }

    func openSession(_ request: SessionRequest) async throws(Failure) -> UploadSession {
        try await before(.openSession, request.table)
        return try await inner.openSession(request)
    }

    func send(
        _ body: SourceSlices, range: Range<Int64>, total: Int64, to session: UploadSession
    ) async throws(Failure) -> TransferAnswer {
        try await before(.send, nil)
        return try await inner.send(body, range: range, total: total, to: session)
    }

    func status(of session: UploadSession, total: Int64) async throws(Failure) -> TransferAnswer {
        try await before(.status, nil)
        return try await inner.status(of: session, total: total)
    }

    func register(_ request: RegistrationRequest) async throws(Failure) -> RemoteUpload {
        try await before(.register, request.table)
        return try await inner.register(request)
    }

    func withdraw(uri: String) async throws(Failure) {
        try await before(.withdraw, nil)
        try await inner.withdraw(uri: uri)
    }
}

/// A mapped folder of real files, a real queue, a table in memory, and a clock that leaps.
final class ReviewFixture: Sendable {
    let root: FilePath
    let clock: LeapingClock
    let remote: FakeRemote
    static let table = ReviewFixture.reference("demo.stations.readings")

    init(_ switches: FakeRemote.Switches = FakeRemote.Switches(), clock: LeapingClock = LeapingClock()) throws {
        self.clock = clock
        remote = FakeRemote(switches)
        root = FilePath(FileManager.default.temporaryDirectory.path)
            .appending("sync-engine-\(getpid())-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(
            atPath: folder("a").string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: root.string) }

    static func reference(_ text: String) -> TableReference {
        let parts = text.split(separator: ".").map { part in
            let names = part.split(separator: ":").map(String.init)
            return TableReference.Name(name: names[0], id: names.count > 1 ? names[1] : nil)
        }
        return TableReference(owner: parts[0].name, dataset: parts[1], table: parts[2])
    }

    func folder(_ name: String) -> FilePath { root.appending(name) }

    func write(_ path: String, _ bytes: [UInt8]) throws {
        let file = root.appending(path).string
        try FileManager.default.createDirectory(
            atPath: FilePath(file).removingLastComponent().string, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(filePath: file))
    }

    func mapping(
        _ id: String = "a", table: TableReference = ReviewFixture.table, quiet: Duration = .zero,
        existing: ExistingFiles = .upload
    ) throws -> Mapping {
        Mapping(
            id: try #require(MappingID(id)), folder: folder(id), table: table,
            include: [try PathPattern(parsing: "**")],
            existing: existing, settle: SettlePolicy(quiet: quiet, waitsForWriters: true), uploadName: "{path}")
    }

    func openQueue() async throws -> SQLiteQueue {
        try await SQLiteQueue(
            in: try StateDirectory.claim(folder("state")), api: "https://api.example/v1",
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func ports(_ queue: any DeliveryQueue, _ remote: (any UploadRemote)? = nil) -> EnginePorts {
        EnginePorts(
            clock: clock, scanner: FolderTreeScanner(), sources: LocalSourceReader(), queue: queue,
            remote: remote ?? self.remote, random: { 0.5 })
    }

    func run(
        _ mappings: [Mapping], doubt: Duration = .seconds(120), queue: (any DeliveryQueue)? = nil,
        remote: (any UploadRemote)? = nil, observer: @escaping EngineObserver = { _ in }
    ) async throws -> OnceResult {
        var settings = AgentSettings()
        settings.registrationDoubt = doubt
        // The tests are about sessions, and their files are small.
        settings.inlineLimit = 0
        let queue = if let queue { queue } else { try await openQueue() as any DeliveryQueue }
        let run = OnceRun(
            configuration: Configuration(settings: settings, mappings: mappings), ports: ports(queue, remote),
            host: "host", observer: observer)
        return try await run.run()
    }

    func names(on table: TableReference = ReviewFixture.table) -> [String] {
        remote.registrations(on: table).map(\.name).sorted()
    }
}
