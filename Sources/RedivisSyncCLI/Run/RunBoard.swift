import Logging
import Synchronization
import SyncCore
import SyncEngine

/// What a run has done so far: fed by the engine's reports, read by the progress display and the closing summary.
final class RunBoard: Sendable {
    struct Transfer: Sendable {
        let path: RelativePath
        var offset: Int64
        let total: Int64
        /// When this run first sent a byte of it.
        var startedAt: Timestamp?
        /// Of `offset`, what had left before that.
        var sentBefore: Int64 = 0
    }

    struct Counts: Sendable {
        var delivered = 0
        var adopted = 0
        /// Of what was delivered.
        var bytes: Int64 = 0
        /// Bytes that left for the storage host in this run, also those that left twice.
        var sent: Int64 = 0
        var transfers: [DeliveryID: Transfer] = [:]
        var folderProblems: [MappingID: Failure] = [:]
        /// As last told, but for scans.
        var folderStates: [MappingID: FolderState] = [:]
        var tableProblems: [TableReference: Failure] = [:]
        var unreadableEntries = 0
    }

    /// A lock, since the engine reports from any of its tasks and must not wait for an actor's turn.
    private let counts = Mutex(Counts())
    private let clock = ContinuousClock()
    private let begun = ContinuousClock().now
    let startedAt = SystemTime.wall()
    private let logger: Logger
    private let troubles: TroubleLog

    init(logger: Logger) {
        self.logger = logger
        troubles = TroubleLog(logger)
    }

    var snapshot: Counts { counts.withLock { $0 } }
    /// Since the run began.
    var elapsed: Duration { clock.now - begun }

    /// Called by the engine, on any of its tasks.
    func observe(_ report: EngineReport) {
        switch report {
        case .scanned(let mapping, let scan):
            counts.withLock { $0.unreadableEntries += scan.problemCount }
            for problem in scan.problems {
                logger.warning(
                    "an entry could not be read",
                    metadata: ["mapping": "\(mapping)", "path": "\(problem.path)", "reason": "\(problem.reason)"])
            }
            logger.debug("scanned", metadata: ["mapping": "\(mapping)", "files": "\(scan.files)"])
        case .folderProblem(let mapping, let failure):
            counts.withLock { $0.folderProblems[mapping] = failure }
            troubles.write(
                .warning, "folder cannot be scanned", about: "\(mapping)",
                ["mapping": "\(mapping)", "reason": "\(failure)"])
        case .tableReady(let table, let remote):
            counts.withLock { $0.tableProblems[table] = nil }
            logger.debug("table is ready", metadata: ["table": "\(remote.key)"])
        case .tableAnswers(let table):
            counts.withLock { $0.tableProblems[table] = nil }
            logger.debug("table answers again", metadata: ["table": "\(table)"])
        case .tableProblem(let table, let failure):
            counts.withLock { $0.tableProblems[table] = failure }
            troubles.write(
                .warning, "table cannot be used now", about: "\(table)",
                ["table": "\(table)", "reason": "\(failure)"])
        case .sourceProblem(let mapping, let path, let failure):
            troubles.write(
                .warning, "file cannot be looked at", about: "\(mapping) \(path)",
                ["mapping": "\(mapping)", "path": "\(path)", "reason": "\(failure)"])
        case .filesAway(let mapping, _, .some(let failure)):
            troubles.write(
                .warning, "files wait for their file system", about: "\(mapping)",
                ["mapping": "\(mapping)", "reason": "\(failure)"])
        case .filesAway(let mapping, _, nil):
            logger.notice("files are there again", metadata: ["mapping": "\(mapping)"])
        case .sending(let id, let path, let offset, let total):
            let transfer = Transfer(path: path, offset: offset, total: total, startedAt: SystemTime.wall())
            counts.withLock { $0.send(transfer, id) }
        case .moved(let delivery, let note):
            moved(delivery, note)
        case .queueProblem(let failure):
            troubles.write(.error, "the queue cannot be used", about: "", ["reason": "\(failure)"])
        case .folderState(let mapping, let state):
            told(state, of: mapping)
        case .alive, .folderRoot: break
        }
    }

    private func told(_ state: FolderState, of mapping: MappingID) {
        // A folder that is polled is scanned again and again, and is what it was after each.
        let isNews = counts.withLock { counts in
            state == .scanning || counts.folderStates.updateValue(state, forKey: mapping) != state
        }
        guard isNews else { return }
        switch state {
        case .watching, .scanning: logger.debug("folder", metadata: ["mapping": "\(mapping)", "state": "\(state)"])
        case .polling(let gap), .partly(_, _, let gap):
            logger.warning(
                "folder is polled", metadata: ["mapping": "\(mapping)", "reason": "\(gap)"])
        case .unmounted(let failure):
            logger.warning("folder is not there", metadata: ["mapping": "\(mapping)", "reason": "\(failure)"])
        }
    }

    private func moved(_ delivery: Delivery, _ note: String) {
        let metadata: Logger.Metadata = [
            "mapping": "\(delivery.mapping)", "path": "\(delivery.path)", "delivery": "\(delivery.id)",
        ]
        counts.withLock { counts in
            if delivery.state.publicState != .uploading { counts.transfers[delivery.id] = nil }
            guard case .delivered(let receipt) = delivery.state else { return }
            if receipt.isAdopted {
                counts.adopted += 1
            } else {
                counts.delivered += 1
                counts.bytes &+= receipt.content.size
            }
        }
        let extra = metadata.merging(["note": "\(note)"]) { $1 }
        switch delivery.state {
        case .delivered: logger.info("delivered", metadata: metadata)
        case .held: logger.warning("held", metadata: extra)
        case .parked: logger.warning("parked", metadata: extra)
        case .waiting(_, let delay) where delivery.tally.failures > 0:
            // Thousands may wait for one and the same; `list` and `why` tell of each.
            troubles.writeWhereQuiet(.info, "waiting", metadata.merging(["reason": "\(delay.reason)"]) { $1 })
        case .waiting, .abandoned, .working: logger.debug("moved", metadata: extra)
        }
    }
}

extension RunBoard.Counts {
    /// The most that one report tells of a transfer not heard of before: what came earlier left in an earlier run.
    private static let slice: Int64 = 1 << 20

    fileprivate mutating func send(_ transfer: RunBoard.Transfer, _ id: DeliveryID) {
        var transfer = transfer
        let before = transfers[id]?.offset ?? max(transfer.offset &- Self.slice, 0)
        transfer.sentBefore = transfers[id]?.sentBefore ?? before
        if let known = transfers[id] { transfer.startedAt = known.startedAt }
        sent &+= max(transfer.offset &- before, 0)
        transfers[id] = transfer
    }
}
