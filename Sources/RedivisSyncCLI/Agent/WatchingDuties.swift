import FolderWatch
import Glibc
import MappingConfig
import SQLiteQueue
import SyncCore
import SyncEngine

/// What the watching agent does for those who ask it over the control socket.
struct WatchingDuties: AgentDuties {
    let setup: Setup
    let agent: AgentRun
    let mappingFile: MappingFileService
    let board: AgentBoard
    let transfers: RunBoard
    let watcher: InotifyFolderWatcher
    let queue: SQLiteQueue

    func queueChanged() async { await agent.ring() }

    func acceptPlan(_ edit: String?) async -> ControlAnswer { await mappingFile.accept(edit) }

    func scan(_ mapping: MappingID?) async -> ControlAnswer {
        var outcome = ControlOutcome()
        let failed = await agent.scan(mapping)
        let state = board.snapshot
        for id in state.configuration.mappings.map(\.id) where mapping == nil || id == mapping {
            if failed.contains(id) {
                let why = state.folderTroubles[id]?.failure?.description ?? "its folder could not be looked through"
                outcome.refuse("\(id): \(why)")
            } else {
                outcome.change("\(id): looked through")
            }
        }
        return .done(outcome)
    }

    func reload() async -> ControlAnswer {
        await mappingFile.reload()
        var outcome = ControlOutcome()
        let state = board.snapshot
        var problems = state.mappingProblems
        if let edit = state.edit { problems.append([edit.words, edit.remedy].joined(separator: "; ")) }
        for problem in problems { outcome.refuse(problem) }
        if problems.isEmpty { outcome.change("\(setup.file.path): read again, and in force") }
        return .done(outcome)
    }

    func status() async -> ControlAnswer {
        let state = board.snapshot
        let pauses = (try? await queue.reader.pauses()) ?? Pauses()
        var status = AgentStatus(
            startedAt: transfers.startedAt, version: Version.text, processID: getpid(),
            mappingFile: .init(
                path: PathBytes(setup.file.path.bytes), problems: state.mappingProblems, loadedAt: state.loadedAt))
        status.mappingFile.edit = state.edit
        status.mappings = state.configuration.mappings.map {
            state.status(of: $0, isPaused: pauses.reason(of: $0.id) != nil)
        }
        status.transfers = await transfers.snapshot.transferStatuses(queue)
        status.problems = state.problems.sorted { ($0.since ?? status.startedAt) < ($1.since ?? status.startedAt) }
        let statistics = watcher.statistics()
        status.watcher = WatcherStatus(
            watches: statistics.watches, limit: statistics.limit?.value.map { Int(clamping: $0) },
            limitName: statistics.limit?.sysctl, overflows: statistics.overflows)
        return .status(status)
    }
}

extension AgentBoard.State {
    fileprivate func status(of mapping: Mapping, isPaused: Bool) -> MappingStatus {
        var status = MappingStatus(
            id: mapping.id, folder: PathBytes(mapping.folder.bytes), table: mapping.table.text)
        let folder = folders[mapping.id]
        status.lastScanAt = folder?.lastScan
        status.filesKnown = folder?.files
        status.alsoWatchedBy = roots[mapping.id].flatMap { neighbours[$0] }
        if let folder {
            let (state, words) = folder.state.words
            status.state = state
            status.watchMode = words
            status.worstDetectionDelay = folder.worstDelay(mapping, rescan: configuration.settings.rescan)
        }
        if let trouble = tables[mapping.table]?.failure, !trouble.kind.passesByItself { status.state = .blocked }
        if isPaused { status.state = .paused }
        return status
    }

    fileprivate var problems: [AgentProblem] {
        var problems = mappingProblems.map { AgentProblem(.mappingFile, $0) }
        problems += folderTroubles.sorted { $0.key < $1.key }.map { mapping, trouble in
            AgentProblem(
                .folder, trouble.words, mapping: mapping, since: trouble.since, remedy: trouble.failure?.hint)
        }
        // A folder that is not there says it all.
        for (mapping, troubles) in filesAway.sorted(by: { $0.key < $1.key }) where folderTroubles[mapping] == nil {
            for (_, trouble) in troubles.sorted(by: { $0.key < $1.key }) {
                problems.append(
                    AgentProblem(
                        .folder, trouble.words, mapping: mapping, since: trouble.since, remedy: trouble.failure?.hint))
            }
        }
        for (table, trouble) in tables.sorted(by: { $0.key.text < $1.key.text }) {
            let kind: AgentProblem.Kind =
                switch trouble.failure?.kind {
                case .unauthorized: .token
                case .transient, .throttled: .network
                case .sessionLost, .sessionRefused, .forbidden, .rejected, .tooLarge, .conflict, .ambiguous,
                    .endpointMissing,
                    .unreadable, .sourceGone, .sourceChanged, .stateUnavailable, nil:
                    .table
                }
            problems.append(
                AgentProblem(
                    kind, "table \(table): \(trouble.words)", table: table.text, since: trouble.since,
                    remedy: trouble.failure?.hint))
        }
        problems += tokens.sorted { $0.key < $1.key }.map { words, trouble in
            AgentProblem(.token, words, since: trouble.since)
        }
        if let queue {
            problems.append(AgentProblem(.state, queue.words, since: queue.since, remedy: queue.failure?.hint))
        }
        return problems
    }
}

extension AgentBoard.Folder {
    /// The longest that a new file may stay unnoticed; `nil` where nobody looks.
    fileprivate func worstDelay(_ mapping: Mapping, rescan: Duration?) -> Duration? {
        let scan = lastScanTook ?? .zero
        switch state {
        case .watching: return .zero
        case .polling, .partly: return mapping.poll + scan
        case .scanning: return scan
        case .unmounted: return nil
        }
    }
}

extension FolderState {
    fileprivate var words: (MappingState, String) {
        switch self {
        case .watching: (.watching, "by events")
        case .polling(let gap): (.polling, "by polling (\(gap))")
        case .partly(let watched, let unwatched, let gap):
            (.polling, "\(watched) directories by events, \(unwatched) by polling (\(gap))")
        case .scanning: (.scanning, "a full scan")
        case .unmounted(let failure): (.unmounted, failure.summary)
        }
    }
}
