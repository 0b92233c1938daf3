import SQLiteQueue
import SyncCore

/// What `status` shows: docs/schemas/status.json.
struct StatusReport: Encodable {
    let time: String
    /// `nil` where none runs.
    let agent: Agent?
    let mappingFile: MappingFileEntry
    let stateDirectory: String
    let mappings: [MappingEntry]
    /// Oldest first.
    let transfers: [TransferEntry]
    let watcher: WatcherEntry?
    /// What lies in the unreleased version of each table.
    let unreleased: [UnreleasedEntry]
    /// Files that were on a table twice, because a request was carried out too late.
    let twins: Twins
    /// All that is not well; where there is nothing, the command ends with 0.
    let problems: [Problem]

    enum CodingKeys: String, CodingKey {
        case time, agent, mappings, transfers, watcher, unreleased, twins, problems
        case mappingFile = "mapping_file"
        case stateDirectory = "state_directory"
    }

    struct Agent: Encodable {
        let startedAt: String
        let processID: Int32
        let version: String

        enum CodingKeys: String, CodingKey {
            case version
            case startedAt = "started_at"
            case processID = "process_id"
        }
    }

    struct MappingFileEntry: Encodable {
        let path: String
        /// When the one in force was taken up, by the running agent.
        let loadedAt: String?
        /// That is not in force yet.
        let edit: EditEntry?

        enum CodingKeys: String, CodingKey {
            case path, edit
            case loadedAt = "loaded_at"
        }
    }

    struct EditEntry: Encodable {
        /// What `plan --accept` names it by.
        let name: String
        /// Whether a person has to accept it; otherwise it is being counted.
        let waits: Bool
        let files: Int
        let bytes: Int64
        let isCounted: Bool
        let limit: Int
        let since: String
        let problems: [String]

        enum CodingKeys: String, CodingKey {
            case name, waits, files, bytes, limit, since, problems
            case isCounted = "is_counted"
        }

        init(_ edit: EditStatus) {
            (name, waits, files, bytes) = (edit.name, edit.waits, edit.files, edit.bytes)
            (isCounted, limit, problems) = (edit.isCounted, edit.limit, edit.problems.map(\.printable))
            since = Words.isoTime(edit.since)
        }
    }

    struct MappingEntry: Encodable {
        let mapping: String
        let folder: String
        let table: String
        let state: String?
        /// How new files are noticed, in words.
        let watch: String?
        let lastScanAt: String?
        let filesKnown: Int?
        let worstDetectionDelaySeconds: Double?
        let alsoWatchedBy: Int32?
        let paused: String?
        let states: [String: Int]
        let oldestReady: Ready?
        let lastHour: Figures
        let lastDay: Figures
        let inAll: Total?

        enum CodingKeys: String, CodingKey {
            case mapping, folder, table, state, watch, paused, states
            case lastScanAt = "last_scan_at"
            case filesKnown = "files_known"
            case worstDetectionDelaySeconds = "worst_detection_delay_seconds"
            case alsoWatchedBy = "also_watched_by"
            case oldestReady = "oldest_ready"
            case lastHour = "last_hour"
            case lastDay = "last_day"
            case inAll = "in_all"
        }
    }

    struct Ready: Encodable {
        let path: String
        let pathBase64: String?
        let state: String
        let settledAt: String

        enum CodingKeys: String, CodingKey {
            case path, state
            case pathBase64 = "path_base64"
            case settledAt = "settled_at"
        }
    }

    struct Figures: Encodable {
        let files: Int
        let bytes: Int64
        let p50Seconds: Double?
        let p95Seconds: Double?

        enum CodingKeys: String, CodingKey {
            case files, bytes
            case p50Seconds = "p50_seconds"
            case p95Seconds = "p95_seconds"
        }

        init(_ figures: DeliveryWindow.Figures) {
            files = figures.files
            bytes = figures.bytes
            p50Seconds = figures.median?.inSeconds
            p95Seconds = figures.p95?.inSeconds
        }
    }

    struct Total: Encodable {
        let files: Int
        let bytes: Int64
    }

    struct TransferEntry: Encodable {
        let id: Int64
        let mapping: String?
        let path: String
        let pathBase64: String?
        let sentBytes: Int64
        let totalBytes: Int64
        let startedAt: String?
        /// On average, since it was begun or taken up again.
        let bytesPerSecond: Int64?

        enum CodingKeys: String, CodingKey {
            case id, mapping, path
            case pathBase64 = "path_base64"
            case sentBytes = "sent_bytes"
            case totalBytes = "total_bytes"
            case startedAt = "started_at"
            case bytesPerSecond = "bytes_per_second"
        }
    }

    struct WatcherEntry: Encodable {
        let watches: Int
        let limit: Int?
        let limitName: String?
        let overflows: Int

        enum CodingKeys: String, CodingKey {
            case watches, limit, overflows
            case limitName = "limit_name"
        }
    }

    struct UnreleasedEntry: Encodable {
        let table: String
        let files: Int
        let bytes: Int64
        /// Whether there are more files than were counted.
        let hasMore: Bool
        let newestReleased: String?

        enum CodingKeys: String, CodingKey {
            case table, files, bytes
            case hasMore = "has_more"
            case newestReleased = "newest_released"
        }
    }

    struct Twins: Encodable {
        /// Found and taken off again.
        let removed: Int
        /// Still there.
        let standing: Int
    }

    struct Problem: Encodable, Hashable {
        let kind: Kind
        let mapping: String?
        let text: String
        let remedy: String?
        let since: String?

        enum Kind: String, Encodable, CaseIterable {
            case agent, folder, table, token, network, watcher, state, parked, held, twin
            case mappingFile = "mapping_file"
        }

        /// On one line, for stderr.
        var line: String {
            let place = mapping.map { "\($0): " } ?? ""
            return place + (remedy.map { "\(text); \($0)" } ?? text)
        }
    }
}

// MARK: From the facts

extension StatusReport {
    init(_ facts: StatusFacts) {
        let running = facts.agent
        time = Words.isoTime(facts.now)
        agent = running.map {
            Agent(startedAt: Words.isoTime($0.startedAt), processID: $0.processID, version: $0.version)
        }
        mappingFile = MappingFileEntry(
            path: PathText(facts.mappingFile).text, loadedAt: running?.mappingFile.loadedAt.map(Words.isoTime),
            edit: running?.mappingFile.edit.map(EditEntry.init))
        stateDirectory = PathText(facts.stateDirectory).text
        mappings = facts.places.map { MappingEntry($0, facts) }
        transfers = (running?.transfers ?? []).map { TransferEntry($0, at: facts.now) }
        watcher = running?.watcher.map {
            WatcherEntry(watches: $0.watches, limit: $0.limit, limitName: $0.limitName, overflows: $0.overflows)
        }
        unreleased = facts.unreleased.map {
            UnreleasedEntry(
                table: $0.table.value, files: $0.files, bytes: $0.bytes, hasMore: $0.isCut,
                newestReleased: $0.newestReleased?.description)
        }
        twins = Twins(removed: facts.figures.twins.removed, standing: facts.figures.twins.standingCount)
        problems = Problem.all(facts)
    }
}

extension StatusReport.MappingEntry {
    fileprivate init(_ place: StatusFacts.Place, _ facts: StatusFacts) {
        let status = facts.agent?.mappings.first { $0.id == place.id }
        let pause = facts.figures.pauses.reason(of: place.id)
        mapping = place.id.value
        folder = PathText(place.folder).text
        table = place.table
        state = (status?.state ?? (pause == nil ? nil : .paused))?.rawValue
        watch = status?.watchMode
        lastScanAt = status?.lastScanAt.map(Words.isoTime)
        filesKnown = status?.filesKnown
        worstDetectionDelaySeconds = status?.worstDetectionDelay?.inSeconds
        alsoWatchedBy = status?.alsoWatchedBy
        paused = pause?.word
        states = Dictionary(
            uniqueKeysWithValues: (facts.figures.counts[place.id] ?? [:]).map { ($0.key.rawValue, $0.value) })
        oldestReady = facts.figures.oldestReady[place.id].map { ready in
            let path = PathText(ready.path.bytes)
            return StatusReport.Ready(
                path: path.text, pathBase64: path.base64, state: ready.state.rawValue,
                settledAt: Words.isoTime(ready.since))
        }
        lastHour = .init(facts.window.figures(of: place.id, within: .seconds(3600), before: facts.now))
        lastDay = .init(facts.window.figures(of: place.id, within: DeliveryWindow.length, before: facts.now))
        inAll = facts.figures.totals.map { totals in
            StatusReport.Total(files: totals[place.id]?.files ?? 0, bytes: totals[place.id]?.bytes ?? 0)
        }
    }
}

extension StatusReport.TransferEntry {
    fileprivate init(_ transfer: TransferStatus, at now: Timestamp) {
        let path = PathText(transfer.path.bytes)
        id = transfer.delivery.value
        mapping = transfer.mapping?.value
        self.path = path.text
        pathBase64 = path.base64
        sentBytes = transfer.sent
        totalBytes = transfer.total
        startedAt = transfer.startedAt.map(Words.isoTime)
        bytesPerSecond = transfer.bytesPerSecond(at: now)
    }
}

extension TransferStatus {
    /// On average, since it was begun or taken up again; `nil` within its first moments.
    func bytesPerSecond(at now: Timestamp) -> Int64? {
        guard let startedAt, let sentBefore else { return nil }
        let seconds = now.since(startedAt).inSeconds
        guard seconds >= 0.5, sent >= sentBefore else { return nil }
        return Int64(min(Double(sent - sentBefore) / seconds, 1e15))
    }
}

extension StatusReport.Problem {
    fileprivate static func all(_ facts: StatusFacts) -> [StatusReport.Problem] {
        var problems: [StatusReport.Problem] = []
        if let silence = facts.silence { problems.append(.init(.agent, silence)) }
        problems += facts.mappingFileProblems.map { .init(.mappingFile, $0) }
        // Counting most edits takes a moment, of which nobody need hear.
        if let edit = facts.agent?.mappingFile.edit, edit.waits || facts.now.since(edit.since) > .seconds(3) {
            problems.append(
                .init(
                    .mappingFile, edit.words, remedy: edit.waits ? edit.remedy : nil,
                    since: Words.isoTime(edit.since)))
        }
        for problem in facts.agent?.problems ?? [] {
            // Those of the mapping file stand above, also where the agent does not repeat them.
            guard let kind = Kind(problem.kind) else { continue }
            problems.append(
                .init(
                    kind, problem.text, of: problem.mapping, remedy: problem.remedy,
                    since: problem.since.map(Words.isoTime)))
        }
        let refused = problems.contains { $0.kind == .table || $0.kind == .token }
        for place in facts.places {
            let status = facts.agent?.mappings.first { $0.id == place.id }
            if status?.state == .blocked, !refused {
                problems.append(.init(.table, "Redivis refuses \(place.table); files stay queued", of: place.id))
            }
            for (state, kind) in [(PublicState.parked, Kind.parked), (.held, .held)] {
                guard let count = facts.figures.counts[place.id]?[state], count > 0 else { continue }
                let verb = count == 1 ? "is" : "are"
                problems.append(
                    .init(
                        kind, "\(Words.count(count, "file")) \(verb) \(state.rawValue)", of: place.id,
                        remedy: "redivis-sync list --state \(state.rawValue) --mapping \(place.id) tells why"))
            }
        }
        for twin in facts.figures.twins.standing {
            let place = twin.version == "next" ? "the unreleased version" : twin.version
            problems.append(
                .init(
                    .twin,
                    "\(PathText(twin.path.bytes).text) is on \(twin.table.value) twice, so its rows are doubled: "
                        + "\(twin.name) in \(place) stays (\(twin.why))", of: twin.mapping,
                    remedy: "delete that upload on Redivis; the agent looks once a day and ends this notice",
                    since: Words.isoTime(twin.found)))
        }
        return problems
    }

    private init(
        _ kind: Kind, _ text: String, of mapping: MappingID? = nil, remedy: String? = nil, since: String? = nil
    ) {
        self.init(kind: kind, mapping: mapping?.value, text: text, remedy: remedy, since: since)
    }
}

extension StatusReport.Problem.Kind {
    /// `nil` for the mapping file, whose problems are told beside it.
    fileprivate init?(_ kind: AgentProblem.Kind) {
        switch kind {
        case .mappingFile: return nil
        case .folder: self = .folder
        case .table: self = .table
        case .token: self = .token
        case .network: self = .network
        case .watcher: self = .watcher
        case .state: self = .state
        }
    }
}

extension Pauses.Reason {
    /// As JSON has it.
    var word: String {
        switch self {
        case .everything: "everything"
        case .byHand: "by_hand"
        case .byFile: "mapping_file"
        }
    }
}

extension Duration {
    /// With its fraction.
    var inSeconds: Double { self / .seconds(1) }
}
