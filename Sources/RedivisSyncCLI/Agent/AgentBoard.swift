import SyncCore
import SyncEngine
import Synchronization

/// How the running agent stands, beyond what its database tells: fed by the engine and the services, read by `status`,
/// the service manager's line and the watchdog.
final class AgentBoard: Sendable {
    /// Whoever has to make progress for the agent to be alive.
    enum Organ: String, CaseIterable, Sendable {
        case dispatcher, settling, tables, follower, mappingFile
    }

    struct Folder: Sendable {
        var state: FolderState
        var since: Timestamp
        var lastScan: Timestamp?
        var lastScanTook: Duration?
        var files: Int?
    }

    struct Trouble: Hashable, Sendable {
        let words: String
        let since: Timestamp
        let failure: Failure?
    }

    struct State: Sendable {
        var configuration: Configuration
        var loadedAt: Timestamp
        var mappingProblems: [String] = []
        /// An edit that is not in force yet.
        var edit: EditStatus?
        var folders: [MappingID: Folder] = [:]
        var folderTroubles: [MappingID: Trouble] = [:]
        /// Of files that cannot be reached, by the device that they lay on.
        var filesAway: [MappingID: [UInt64: Trouble]] = [:]
        /// Which directory each folder is, where it is there.
        var roots: [MappingID: FolderIdentity] = [:]
        /// Other agents on them, by their process ids; 0 where that is not known.
        var neighbours: [FolderIdentity: Int32] = [:]
        var tables: [TableReference: Trouble] = [:]
        /// Of token files that cannot be read now.
        var tokens: [String: Trouble] = [:]
        var queue: Trouble?
        fileprivate var beats: [Organ: ContinuousClock.Instant] = [:]
        fileprivate var scanBegan: [MappingID: ContinuousClock.Instant] = [:]
    }

    /// Without a sign of life for so long an organ counts as frozen. Each gives one at least every
    /// `AgentRun.longestPause`.
    static let longestSilence: Duration = .seconds(120)

    // The engine reports from any of its tasks and must not wait for an actor's turn.
    private let state: Mutex<State>
    private let wall: @Sendable () -> Timestamp

    init(_ configuration: Configuration, problems: [String], wall: @escaping @Sendable () -> Timestamp) {
        self.wall = wall
        state = Mutex(State(configuration: configuration, loadedAt: wall(), mappingProblems: problems))
    }

    var snapshot: State { state.withLock { $0 } }

    // MARK: What is told

    func observe(_ report: EngineReport) {
        let now = wall()
        switch report {
        case .folderState(let mapping, let folder): note(folder, of: mapping, at: now)
        case .folderRoot(let mapping, let root): state.withLock { $0.roots[mapping] = root }
        case .scanned(let mapping, let scan): scanned(mapping, scan, at: now)
        case .folderProblem(let mapping, let failure):
            state.withLock { $0.folderTroubles[mapping] = $0.folderTroubles[mapping].lasting(failure, at: now) }
        case .filesAway(let mapping, let device, let failure):
            state.withLock { state in
                let before = state.filesAway[mapping]?[device]
                state.filesAway[mapping, default: [:]][device] = failure.map { before.lasting($0, at: now) }
            }
        case .tableReady(let table, _), .tableAnswers(let table):
            state.withLock { $0.tables[table] = nil }
        case .tableProblem(let table, let failure):
            state.withLock { $0.tables[table] = $0.tables[table].lasting(failure, at: now) }
        case .queueProblem(let failure):
            state.withLock { $0.queue = $0.queue.lasting(failure, at: now) }
        case .alive(let service):
            beat(Organ(service))
        case .moved:
            // The queue works again.
            state.withLock { if $0.queue != nil { $0.queue = nil } }
        case .sourceProblem, .sending: break
        }
    }

    private func note(_ folder: FolderState, of mapping: MappingID, at now: Timestamp) {
        state.withLock { state in
            if folder == .scanning { state.scanBegan[mapping] = .now }
            var entry = state.folders[mapping] ?? Folder(state: folder, since: now)
            if entry.state != folder { entry.since = now }
            entry.state = folder
            state.folders[mapping] = entry
            if case .unmounted(let failure) = folder {
                state.folderTroubles[mapping] = state.folderTroubles[mapping].lasting(failure, at: now)
            }
        }
    }

    private func scanned(_ mapping: MappingID, _ scan: ScanReport, at now: Timestamp) {
        state.withLock { state in
            state.folderTroubles[mapping] = nil
            state.folders[mapping]?.lastScan = now
            state.folders[mapping]?.lastScanTook = state.scanBegan[mapping].map { .now - $0 }
            state.folders[mapping]?.files = scan.files
        }
    }

    func mappingFile(problems: [String]) { state.withLock { $0.mappingProblems = problems } }

    func mappingFile(edit: EditStatus?) { state.withLock { $0.edit = edit } }

    func mappingFile(takenUp configuration: Configuration, problems: [String]) {
        let now = wall()
        state.withLock { state in
            if state.configuration != configuration { state.loadedAt = now }
            state.configuration = configuration
            state.mappingProblems = problems
            let ids = Set(configuration.mappings.map(\.id))
            state.folders = state.folders.filter { ids.contains($0.key) }
            state.folderTroubles = state.folderTroubles.filter { ids.contains($0.key) }
            state.filesAway = state.filesAway.filter { ids.contains($0.key) }
            state.roots = state.roots.filter { ids.contains($0.key) }
            // A table that transfers still end on is told of again by whoever asks it.
            let tables = Set(configuration.mappings.map(\.table))
            state.tables = state.tables.filter { tables.contains($0.key) }
        }
    }

    func neighbours(_ neighbours: [FolderIdentity: Int32]) { state.withLock { $0.neighbours = neighbours } }

    /// These, and no others.
    func tokenProblems(_ problems: Set<String>) {
        let now = wall()
        state.withLock { state in
            state.tokens = state.tokens.filter { problems.contains($0.key) }
            for words in problems where state.tokens[words] == nil {
                state.tokens[words] = Trouble(words: words, since: now, failure: nil)
            }
        }
    }

    // MARK: Signs of life

    func beat(_ organ: Organ) { state.withLock { $0.beats[organ] = .now } }

    /// The organs that were silent for too long; each counts from the start until it first says something.
    func frozen(since start: ContinuousClock.Instant) -> [Organ] {
        state.withLock { state in
            Organ.allCases.filter { (state.beats[$0] ?? start).duration(to: .now) > Self.longestSilence }
        }
    }
}

extension AgentBoard.Organ {
    init(_ service: EngineService) {
        switch service {
        case .dispatcher: self = .dispatcher
        case .settling: self = .settling
        case .tables: self = .tables
        case .follower: self = .follower
        }
    }
}

extension AgentBoard.Trouble? {
    /// The same trouble goes on; another one begins now.
    fileprivate func lasting(_ failure: Failure, at now: Timestamp) -> AgentBoard.Trouble {
        let words = failure.summary
        if let self, self.words == words { return self }
        return AgentBoard.Trouble(words: words, since: now, failure: failure)
    }
}
