import SyncCore
import Synchronization

/// From folders to the queue: scans, watches files settle, admits them.
public actor FolderIntake {
    private let live: LiveConfiguration
    private let ports: EnginePorts
    private let host: String
    private let observer: EngineObserver
    /// Files that somebody had open for writing at the last look: a single run does not wait for them.
    private var restless: Set<SettlingKey> = []
    /// Whether somebody is recording looks, or putting a mapping file in force; and who waits for that.
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    private struct SettlingKey: Hashable {
        let mapping: MappingID
        let path: RelativePath
    }

    static let scanBatch = 512
    static let looksAtOnce = 8
    static let looksPerBatch = 256
    /// How soon a file whose ready marker is not there is looked at again. An event of the marker comes before that.
    static let markerRecheck: Duration = .seconds(60)

    /// When files that could not be looked at are looked at again: all at the same moments, so that those of a folder
    /// that is away for days cost a few transactions, and not one each.
    static let troubleRecheck: Duration = .seconds(10)

    public init(
        configuration: LiveConfiguration, ports: EnginePorts, host: String, observer: @escaping EngineObserver
    ) {
        live = configuration
        self.ports = ports
        self.host = host
        self.observer = observer
    }

    /// How many files somebody had open for writing at the last look.
    public var restlessCount: Int { restless.count }

    // MARK: Scanning

    /// One full scan of every mapped folder. A folder that is not there is reported and forgets nothing.
    /// - Returns: whether every folder could be scanned.
    public func scanAll() async throws -> Bool {
        var isWhole = true
        for mapping in live.current.mappings {
            isWhole = try await scan(mapping) && isWhole
        }
        return isWhole
    }

    /// One full scan of one mapped folder.
    /// - Parameter onNews: called where files begin to settle: those of a large folder do not wait for its end.
    /// - Returns: whether it could be scanned.
    func scan(_ mapping: Mapping, onNews: @Sendable @escaping () async -> Void = {}) async throws -> Bool {
        if let problem = await ports.sources.problem(with: mapping.folder) {
            observer(.folderProblem(mapping.id, problem))
            return false
        }
        let configuration = live.current
        let ports = ports
        // The looks of a batch begin once the batch before it was handled.
        let began = LookBegin(ports.clock.now().monotonic)
        let report: ScanReport
        do {
            report = try await ports.scanner.scan(
                mapping.folder, recursive: mapping.recursive, batchSize: Self.scanBatch,
                skipsDirectory: { configuration.directoryIsExcluded($0, in: mapping) },
                handle: { batch in
                    defer { began.next(ports.clock.now().monotonic) }
                    // By name, and not as the directory happens to hold them: names often tell what was first.
                    let ours = batch.filter { configuration.takes($0, for: mapping) }.sorted { $0.path < $1.path }
                    guard !ours.isEmpty else { return }
                    // The folder may have answered only after the mapping had gone.
                    try Task.checkCancellation()
                    let noticed = try await ports.queue.noteSeen(
                        ours, in: mapping.id, lookAgainAfter: mapping.settle.firstPause, began: began.instant,
                        at: ports.clock.now(), hastens: false)
                    if noticed.settling > 0 { await onNews() }
                })
        } catch let failure as Failure where failure.kind != .stateUnavailable {
            observer(.folderProblem(mapping.id, failure))
            return false
        }
        try Task.checkCancellation()
        observer(.scanned(mapping.id, report))
        // A place that cannot be looked into (lost+found, another user's folder) must not make everything that ever
        // comes to the rest a file that was there before.
        try await ports.queue.closeExisting(of: mapping.id, exceptBelow: report.unseen)
        return true
    }

    // MARK: Events

    struct Noticed {
        /// Whether anything settles now.
        var settles = false
        /// Whether everything could be looked at; what could not is left to a scan.
        var isWhole = true
    }

    /// Looks at paths of which something was heard, and has those that are this mapping's begin to settle. What settles
    /// already is looked at anew at once: its writer may have gone.
    ///
    /// - Parameters:
    ///   - written: those of `paths` that somebody may have written to.
    ///   - deleted: paths whose file was deleted, and not told of again since.
    func notice(
        _ paths: Set<RelativePath>, written: Set<RelativePath> = [], deleted: Set<RelativePath> = [],
        in mapping: Mapping
    ) async throws(Failure) -> Noticed {
        let configuration = live.current
        let began = ports.clock.now().monotonic
        var noticed = Noticed()
        var seen: [SeenFile] = []
        var left = deleted
        // A marker tells of the file beside it.
        for path in Set(paths.map { mapping.readyMarker?.subject(of: $0) ?? $0 }) {
            guard mapping.patternRule(against: path) == nil else { continue }
            do throws(Failure) {
                guard let look = try await ports.sources.look(at: path, in: mapping.folder) else {
                    left.insert(path)
                    continue
                }
                let file = SeenFile(
                    path: path, observation: look.observation, links: look.links,
                    isWritten: written.contains(path))
                if configuration.takes(file, for: mapping) { seen.append(file) }
            } catch {
                noticed.isWhole = false
            }
        }
        if !seen.isEmpty, !Task.isCancelled {
            noticed.settles =
                try await ports.queue.noteSeen(
                    seen, in: mapping.id, lookAgainAfter: mapping.settle.firstPause, began: began,
                    at: ports.clock.now(),
                    hastens: true
                ).settling > 0
        }
        if !left.isEmpty, !Task.isCancelled, try await ports.queue.noteLeft(left.sorted(), in: mapping.id) {
            noticed.settles = true
        }
        return noticed
    }

    // MARK: Settling

    /// Looks at every file whose next look is due, and admits what has settled.
    /// - Parameter onAdmitted: called after each batch: what is in the queue need not wait for the rest.
    /// - Returns: when the next look is due; `nil` where nothing settles.
    func lookAtDueFiles(onAdmitted: () async -> Void) async throws -> MonotonicInstant? {
        while true {
            try Task.checkCancellation()
            observer(.alive(.settling))
            let began = ports.clock.now().monotonic
            let due = try await ports.queue.settlingDue(at: began, limit: Self.looksPerBatch)
            guard !due.isEmpty else { return try await ports.queue.nextLook() }
            let configuration = live.current
            let outcomes = await looks(at: due, configuration)
            try await alone { () async throws(Failure) in
                // Under another mapping file they would have come to something else: they are looked at again.
                guard live.current == configuration else { return }
                try await ports.queue.recordLooks(outcomes, began: began, at: ports.clock.now())
            }
            await onAdmitted()
        }
    }

    /// Begins a run under the mapping file that is in force, which may be edited just now.
    func begin() async throws(Failure) {
        try await alone { () async throws(Failure) in try await ports.queue.beginRun(live.current.mappings) }
        try await ports.queue.rerouteUnsent(live.current.mappings, at: ports.clock.now())
    }

    /// Puts an edited mapping file in force: what is admitted is so under the one or the other, also where it was
    /// looked at before the edit.
    func takeUp(_ configuration: Configuration) async throws(Failure) {
        try await alone { () async throws(Failure) in
            try await ports.queue.takeUp(configuration.mappings, at: ports.clock.now())
            live.replace(with: configuration)
        }
        // Whoever is taken up before it is its turn goes to its table by `DeliveryRunner`.
        try await ports.queue.rerouteUnsent(configuration.mappings, at: ports.clock.now())
    }

    /// Runs `body` while nobody else does.
    private func alone(_ body: () async throws(Failure) -> Void) async throws(Failure) {
        if isTaken {
            await withCheckedContinuation { waiting.append($0) }
        } else {
            isTaken = true
        }
        defer {
            // The turn is handed over, never given up in between.
            if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
        }
        try await body()
    }

    /// In the order of the files, so that they are admitted in it.
    private func looks(at files: [SettlingFile], _ configuration: Configuration) async -> [SettleOutcome] {
        await withTaskGroup(of: (Int, SettleOutcome).self) { group in
            var outcomes: [(number: Int, outcome: SettleOutcome)] = []
            var rest = files.enumerated().makeIterator()
            func lookAtNext() {
                guard let (number, file) = rest.next() else { return }
                group.addTask { (number, await self.look(at: file, configuration)) }
            }
            for _ in 0..<Self.looksAtOnce { lookAtNext() }
            for await outcome in group {
                outcomes.append(outcome)
                lookAtNext()
            }
            return outcomes.sorted { $0.number < $1.number }.map(\.outcome)
        }
    }

    private func look(at file: SettlingFile, _ configuration: Configuration) async -> SettleOutcome {
        guard let mapping = configuration.mapping(file.mapping) else { return .drop(file) }
        let look: FileLook?
        let began = ports.clock.now().monotonic
        do {
            look = try await ports.sources.look(at: file.path, in: mapping.folder)
        } catch  where error.kind != .unreadable || error.scope != .delivery {
            // The machine is short of something, or the folder is not there: neither says anything about the file.
            return .lookAgain(file, at: ports.clock.now().monotonic.next(multipleOf: Self.troubleRecheck))
        } catch {
            // It goes into the queue all the same, where opening it fails again and a person can read why.
            observer(.sourceProblem(mapping.id, file.path, error))
            return admitted(
                file, FileLook(observation: file.observation, links: 1, writers: .unavailable), mapping)
        }
        switch mapping.settle.judge(file, look: look, began: began, at: ports.clock.now().monotonic) {
        case .gone:
            restless.remove(SettlingKey(mapping: file.mapping, path: file.path))
            return .drop(file)
        case .unsettled(let next, let lookAgain):
            let key = SettlingKey(mapping: file.mapping, path: file.path)
            if look?.writers == .somebody { restless.insert(key) } else { restless.remove(key) }
            return .lookAgain(next, at: lookAgain)
        case .settled(let look):
            if let marker = mapping.readyMarker, !(await isMarked(file.path, by: marker, look, mapping)) {
                return .lookAgain(file, at: ports.clock.now().monotonic.advanced(by: Self.markerRecheck))
            }
            restless.remove(SettlingKey(mapping: file.mapping, path: file.path))
            switch configuration.route(of: file.path, in: mapping, size: look.observation.size) {
            case .deliver(mapping.id):
                return admitted(file, look, mapping)
            case .ignored(let rule) where mapping.patternRule(against: file.path) == nil:
                return admitted(file, look, mapping, as: .ignore(rule))
            case .deliver, .ignored, .unmapped:
                return .drop(file)
            }
        }
    }

    /// Whether the file's ready marker is there and newer than the file.
    private func isMarked(
        _ path: RelativePath, by marker: ReadyMarker, _ look: FileLook, _ mapping: Mapping
    ) async -> Bool {
        guard let place = marker.marker(of: path),
            let found = try? await ports.sources.look(at: place, in: mapping.folder)
        else { return false }
        return found.observation.modified >= look.observation.modified
    }

    private func admitted(
        _ file: SettlingFile, _ look: FileLook, _ mapping: Mapping, as disposition: AdmittedFile.Disposition? = nil
    ) -> SettleOutcome {
        // As with one that was left out already and is written to later.
        let file = mapping.existing == .skip && file.isRewritten ? file.asNew : file
        return .admit(
            AdmittedFile(
                file: file, look: look, table: mapping.table,
                nameBase: mapping.uploadName.expand(path: file.path, mapping: mapping.id, host: host),
                disposition: disposition ?? self.disposition(of: file, mapping)))
    }

    private func disposition(of file: SettlingFile, _ mapping: Mapping) -> AdmittedFile.Disposition {
        guard file.isExisting else { return .deliver }
        switch mapping.existing {
        case .auto: return .judge
        case .upload: return .deliver
        case .skip: return .ignore("existing: skip")
        case .hold: return .hold(.existing)
        }
    }
}

/// When the looks of a batch began. The scanner hands on one batch at a time, from any thread.
private final class LookBegin: Sendable {
    private let began: Mutex<MonotonicInstant>

    init(_ instant: MonotonicInstant) {
        began = Mutex(instant)
    }

    var instant: MonotonicInstant { began.withLock { $0 } }

    func next(_ instant: MonotonicInstant) { began.withLock { $0 = instant } }
}

extension Configuration {
    /// Whether a file that a scan of this mapping's folder met is this mapping's: to deliver, or to list as ignored
    /// because of its size. What the patterns leave out is not listed: there may be millions of it.
    func takes(_ file: SeenFile, for mapping: Mapping) -> Bool {
        switch route(of: file.path, in: mapping, size: file.observation.size) {
        case .deliver(let id): id == mapping.id
        case .ignored: mapping.patternRule(against: file.path) == nil
        case .unmapped: false
        }
    }
}
