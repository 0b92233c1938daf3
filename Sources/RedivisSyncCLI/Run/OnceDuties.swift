import Glibc
import LocalFiles
import MappingConfig
import SQLiteQueue
import SyncCore
import SyncEngine

/// What `run --once` does for those who ask it over the control socket.
struct OnceDuties: AgentDuties {
    let setup: Setup
    let run: OnceRun
    let board: RunBoard
    let queue: SQLiteQueue

    func queueChanged() async { await run.ring() }

    func acceptPlan(_ edit: String?) async -> ControlAnswer { Self.onceOnly }
    func reload() async -> ControlAnswer { Self.onceOnly }

    func scan(_ mapping: MappingID?) async -> ControlAnswer {
        .refused(
            ControlRefusal(
                .unavailable, "a single run (run --once) scans at its start only",
                remedy: "it ends by itself when everything is delivered that can be"))
    }

    private static let onceOnly = ControlAnswer.refused(
        ControlRefusal(
            .unavailable, "a single run (run --once) reads its mapping file at its start only",
            remedy: "start it again when it has ended"))

    func status() async -> ControlAnswer {
        let counts = board.snapshot
        let pauses = (try? await queue.reader.pauses()) ?? Pauses()
        var status = AgentStatus(
            startedAt: board.startedAt, version: Version.text, processID: getpid(),
            mappingFile: .init(
                path: PathBytes(setup.file.path.bytes),
                problems: setup.problems?.problems.map(\.description) ?? [], loadedAt: board.startedAt))
        status.mappings = setup.configuration.mappings.map { mapping in
            var entry = MappingStatus(
                id: mapping.id, folder: PathBytes(mapping.folder.bytes), table: mapping.table.text)
            if pauses.reason(of: mapping.id) != nil {
                entry.state = .paused
            } else if counts.tableProblems[mapping.table] != nil {
                entry.state = .blocked
            }
            return entry
        }
        status.transfers = await counts.transferStatuses(queue)
        status.problems =
            counts.folderProblems.sorted { $0.key < $1.key }.map { mapping, failure in
                AgentProblem(.folder, failure.summary, mapping: mapping, remedy: failure.hint)
            }
            + counts.tableProblems.sorted { $0.key.text < $1.key.text }.map { table, failure in
                AgentProblem(
                    .table, "table \(table): \(failure.summary)", table: table.text, remedy: failure.hint)
            }
        return .status(status)
    }
}

extension RunBoard.Counts {
    func transferStatuses(_ queue: SQLiteQueue) async -> [TransferStatus] {
        var statuses: [TransferStatus] = []
        for (id, transfer) in transfers.sorted(by: { $0.key < $1.key }) {
            statuses.append(
                TransferStatus(
                    delivery: id, path: PathBytes(transfer.path.bytes),
                    mapping: (try? await queue.delivery(id))?.mapping, sent: transfer.offset, total: transfer.total,
                    startedAt: transfer.startedAt, sentBefore: transfer.sentBefore))
        }
        return statuses
    }
}
