// FoundationEssentials: temporary folders are made, copied and removed with FileManager.
import FoundationEssentials
import Glibc
import Logging
import SQLiteQueue
import SyncCore
import SyncEngine
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

/// The whole engine on a real queue, with folders in memory, a Redivis in memory, and time that a run lets pass at
/// once. Each run takes up the files of the state directory as they lay there when the run before it ended, in
/// whatever way: as after SIGKILL.
final class EngineBench: Sendable {
    static let folder: FilePath = "/data/weather"
    static let table = table("readings")
    static let weather = Made.mappingID("weather")

    let activity = Activity()
    let files: MemoryFolder
    let remote: FakeRemote
    private let memory: Mutex<Memory>

    private struct Memory {
        var configuration: Configuration
        var clock = ManualClock(run: 1)
        var queue: SQLiteQueue?
        var directory: FilePath?
        var folders: [FilePath] = []
        var log: [String] = []
        var signs: [EngineService: Int] = [:]
        var mostSending = 0
    }

    init(
        _ mappings: [Mapping] = [EngineBench.mapping()], settings: AgentSettings = EngineBench.settings(),
        switches: FakeRemote.Switches = FakeRemote.Switches()
    ) {
        files = MemoryFolder(activity)
        remote = FakeRemote(switches)
        memory = Mutex(Memory(configuration: Configuration(settings: settings, mappings: mappings)))
    }

    deinit {
        for folder in memory.withLock(\.folders) { try? FileManager.default.removeItem(atPath: folder.string) }
    }

    // MARK: Configuration

    static func table(_ name: String) -> TableReference {
        TableReference(
            owner: "demo", dataset: .init(name: "weather", id: nil), table: .init(name: name, id: nil))
    }

    static func mapping(
        _ id: MappingID = weather, folder: FilePath = folder, table: TableReference = table,
        emptyFiles: EmptyFiles = .skip, existing: ExistingFiles = .auto, quiet: Duration = .milliseconds(200),
        verification: Verification = .md5, endpoint: EndpointPreference = .auto, createsVersion: Bool = true,
        onChange: ChangePolicy = .hold, watch: WatchPreference = .auto, poll: Duration = .seconds(60)
    ) -> Mapping {
        Mapping(
            id: id, folder: folder, table: table, include: ["**"], emptyFiles: emptyFiles, existing: existing,
            settle: SettlePolicy(quiet: quiet, waitsForWriters: true), uploadName: "{path}",
            verification: verification, endpoint: endpoint, createsVersion: createsVersion, onChange: onChange,
            watch: watch,
            poll: poll)
    }

    /// - Parameter inlineLimit: most tests are about sessions, and their files are small.
    static func settings(
        uploads: Int = 4, doubt: Duration = .seconds(10), inlineLimit: Int64 = 0
    ) -> AgentSettings {
        var settings = AgentSettings(
            api: "https://api.example/v1", uploads: uploads, chunkSize: 256 << 10, registrationDoubt: doubt)
        settings.inlineLimit = inlineLimit
        return settings
    }

    func configure(_ mappings: [Mapping], settings: AgentSettings = settings()) {
        memory.withLock { $0.configuration = Configuration(settings: settings, mappings: mappings) }
    }

    // MARK: Files

    func write(_ path: String, _ text: String, in folder: FilePath = folder) {
        write(path, Array(text.utf8), in: folder)
    }

    func write(_ path: String, _ bytes: [UInt8], in folder: FilePath = folder) {
        files.write(Made.path(path), bytes, in: folder)
    }

    // MARK: Running

    /// What a test does around the calls of one run.
    struct Hands: Sendable {
        var beforeRemote = CallHook<RemoteOperation>.none
        var afterRemote = CallHook<RemoteOperation>.none
        var beforeQueue = CallHook<QueueCall>.none
        var afterQueue = CallHook<QueueCall>.none
        /// SIGTERM, so long after the start.
        var cancelAfter: Duration?
        var random: @Sendable () -> Double = { 0.5 }
    }

    /// The clock of the present run, or of the last one.
    var clock: ManualClock { memory.withLock(\.clock) }
    var mostSending: Int { memory.withLock(\.mostSending) }
    /// How often each part of the agent has gone through its loop.
    var signs: [EngineService: Int] { memory.withLock(\.signs) }
    /// What the engine told and the journal says, for messages of failed expectations.
    var log: String { memory.withLock { $0.log.suffix(60).joined(separator: "\n") } }

    /// One `run --once`. It must end within `limit` of virtual time.
    @discardableResult
    func run(_ hands: Hands = Hands(), atMost limit: Duration = .seconds(3600)) async throws -> OnceResult {
        let queue = try await takeUpState()
        let (clock, configuration) = memory.withLock { memory in
            let wall = Timestamp(milliseconds: memory.clock.now().wall.milliseconds + 60_000)
            memory.clock = ManualClock(run: memory.clock.run + 1, wall: wall)
            memory.log.append("--- run")
            return (memory.clock, memory.configuration)
        }
        let remote = RemoteWithHooks(remote, activity, before: hands.beforeRemote, after: hands.afterRemote)
        let ports = EnginePorts(
            clock: clock, scanner: files, sources: files,
            queue: QueueWithHooks(queue, activity, before: hands.beforeQueue, after: hands.afterQueue), remote: remote,
            random: hands.random)
        let run = OnceRun(configuration: configuration, ports: ports, host: "bench") { [weak self] in self?.note($0) }
        defer { memory.withLock { $0.mostSending = remote.mostSending } }
        do {
            return try await VirtualTime(clock, activity).run(atMost: limit) {
                try await Self.run(run, cancelledAfter: hands.cancelAfter, on: clock)
            }
        } catch let endless as VirtualTime.Endless {
            throw VirtualTime.Endless(description: "\(endless):\n\(log)")
        }
    }

    /// The watching agent, for so long, in steps of virtual time.
    func runAgent(_ hands: Hands = Hands(), for duration: Duration, step: Duration) async throws {
        let queue = try await takeUpState()
        let (clock, configuration) = memory.withLock { memory in
            memory.clock = ManualClock(run: memory.clock.run + 1)
            return (memory.clock, memory.configuration)
        }
        let ports = EnginePorts(
            clock: clock, scanner: files, sources: files,
            queue: QueueWithHooks(queue, activity, before: hands.beforeQueue, after: hands.afterQueue),
            remote: RemoteWithHooks(remote, activity, before: hands.beforeRemote, after: hands.afterRemote),
            random: hands.random)
        let run = AgentRun(configuration: configuration, ports: ports, watcher: NoWatcher(), host: "bench") {
            [weak self] in self?.note($0)
        }
        try await VirtualTime(clock, activity, step: step).run(atMost: duration * 2) {
            let task = Task { try await run.run() }
            try await clock.sleep(for: duration)
            task.cancel()
            try await task.value
        }
    }

    private static func run(
        _ run: OnceRun, cancelledAfter delay: Duration?, on clock: ManualClock
    ) async throws -> OnceResult {
        guard let delay else { return try await run.run() }
        let task = Task { try await run.run() }
        let timer = Task {
            try await clock.sleep(for: delay)
            task.cancel()
        }
        defer { timer.cancel() }
        return try await task.value
    }

    private func note(_ report: EngineReport) {
        if case .alive(let service) = report { memory.withLock { $0.signs[service, default: 0] += 1 } }
        let line: String? =
            switch report {
            case .moved(let delivery, let note): "\(delivery.path): \(note)"
            case .tableProblem(let table, let failure): "\(table): \(failure)"
            case .folderProblem(let mapping, let failure): "\(mapping): \(failure)"
            case .sourceProblem(_, let path, let failure): "\(path): \(failure)"
            case .filesAway(let mapping, _, let failure): "\(mapping): away: \(failure?.summary ?? "no more")"
            case .queueProblem(let failure): "queue: \(failure)"
            case .folderState(let mapping, let state): "\(mapping): \(state)"
            case .scanned, .tableReady, .tableAnswers, .sending, .alive, .folderRoot: nil
            }
        guard let line else { return }
        memory.withLock { memory in
            let at = (memory.clock.now().monotonic.nanoseconds - 1_000_000_000) / 1_000_000
            memory.log.append("\(at) ms: \(line)")
            if memory.log.count > 2000 { memory.log.removeFirst(1000) }
        }
    }

    // MARK: State

    /// In memory where that is to be had: hundreds of runs, each with its syncs. What a disk keeps is the queue's matter.
    private static let temporary: FilePath =
        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : FilePath(FileManager.default.temporaryDirectory.path)

    /// The queue of the next run, on a copy of what the last one left on disk.
    private func takeUpState() async throws -> SQLiteQueue {
        let (old, queue) = memory.withLock { ($0.directory, $0.queue) }
        // Receipts are written behind the commits; their file is no matter of these tests.
        try await queue?.flushReceipts()
        let directory = Self.temporary.appending("engine-bench-\(getpid())-\(UInt64.random(in: 0 ... .max))")
        memory.withLock { $0.folders.append(directory) }
        let state = try StateDirectory.claim(directory)
        if let old {
            for name in ["queue.sqlite", "queue.sqlite-wal", "receipts.jsonl"] {
                let from = old.appending(name).string
                guard FileManager.default.fileExists(atPath: from) else { continue }
                try FileManager.default.copyItem(atPath: from, toPath: directory.appending(name).string)
            }
        }
        var logger = Logger(label: "engine-tests")
        logger.logLevel = .critical
        let api = memory.withLock { $0.configuration.settings.api }
        let fresh = try await SQLiteQueue(in: state, api: api, logger: logger)
        memory.withLock { ($0.directory, $0.queue) = (directory, fresh) }
        return fresh
    }

    /// As on a new machine: the next run begins without a past.
    func loseState() {
        memory.withLock { ($0.directory, $0.queue) = (nil, nil) }
    }

    /// The public states of all versions by path, oldest version first.
    func states() async throws -> [String: [PublicState]] {
        guard let queue = memory.withLock(\.queue) else { return [:] }
        let all = try await queue.reader.list(limit: 10_000)
        return Dictionary(grouping: all.reversed()) { $0.path.description }.mapValues { $0.map(\.state) }
    }

    func figures() async throws -> QueueFigures {
        guard let queue = memory.withLock(\.queue) else { return QueueFigures() }
        return try await queue.reader.figures()
    }

    func deliveries(_ path: String) async throws -> [Delivery] {
        guard let queue = memory.withLock(\.queue) else { return [] }
        return try await queue.reader.versions(at: Made.path(path)).compactMap(\.delivery)
    }

    // MARK: The table

    /// The contents on the table, as text, oldest first.
    func contents(of table: TableReference = table) -> [String] {
        remote.registrations(on: table).map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    /// How often each door of Redivis was knocked at so far.
    func calls(_ operation: RemoteOperation) -> Int { remote.calls(of: operation).count }
}

/// For mappings that are polled.
struct NoWatcher: FolderWatcher {
    func watch(
        _ folder: FilePath, recursive: Bool, skipsDirectory: @escaping @Sendable (RelativePath) -> Bool
    ) async throws(Failure) -> FolderWatch {
        throw Failure(.unreadable, "this bench watches nothing")
    }

    func retryUnwatched() {}
    func statistics() -> WatchStatistics { WatchStatistics() }
}

/// Values that a test spells out itself, so that they are never wrong.
enum Made {
    static func path(_ text: String) -> RelativePath {
        guard let path = RelativePath(text) else { preconditionFailure("\(text) is no path") }
        return path
    }

    static func mappingID(_ text: String) -> MappingID {
        guard let id = MappingID(text) else { preconditionFailure("\(text) is no mapping id") }
        return id
    }

    /// The name that a file of this path and content gets.
    static func uploadName(_ path: String, _ text: String) -> String {
        UploadName.make(base: Array(path.utf8), sha256: .sha256(of: Array(text.utf8)))
    }

    /// Bytes that differ from place to place, and with `salt`.
    static func bytes(_ count: Int, salt: Int = 0) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ salt &* 17) }
    }
}

/// Something that a hook tells a test.
final class Flag: Sendable {
    private let state = Mutex(false)

    var isRaised: Bool { state.withLock { $0 } }
    func raise() { state.withLock { $0 = true } }
    /// Raises it; whether it was down before.
    func raisesFirst() -> Bool {
        state.withLock { state in
            defer { state = true }; return !state
        }
    }
}

/// All suites of the engine: side by side they would share two cores, and each run wants the machine for itself.

@Suite(.serialized, .timeLimit(.minutes(10))) enum Engine {}
