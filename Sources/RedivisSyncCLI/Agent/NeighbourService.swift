import FolderWatch
import Logging
import ServiceLifecycle
import SyncCore

/// Says where another agent, with a state directory of its own, watches one of our folders. Each file ends up on its table
/// once all the same, and nothing is refused; but it is read twice and perhaps sent twice, and people wonder.
actor NeighbourService: Service {
    private let board: AgentBoard
    private let logger: Logger
    private var signs: [FolderIdentity: FolderSign] = [:]
    /// Who said so last, and when, where the sign is ours.
    private var callers: [FolderIdentity: (processes: Set<Int32>, at: ContinuousClock.Instant)] = [:]
    private var told: [FolderIdentity: Int32] = [:]

    /// So often the sign is tried again, too, where another has it.
    static let pause: Duration = .seconds(4)
    /// Whoever did not call for so long watches no more.
    static let longestSilence: Duration = .seconds(10)

    init(board: AgentBoard, logger: Logger) {
        self.board = board
        self.logger = logger
    }

    nonisolated func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.look()
                try? await Task.sleep(for: Self.pause)
            }
        }
    }

    private func look() {
        let state = board.snapshot
        // Folders that went, or are other directories by now, are somebody else's to watch.
        let wanted = Set(state.roots.values)
        signs = signs.filter { wanted.contains($0.key) }
        callers = callers.filter { wanted.contains($0.key) }
        var neighbours: [FolderIdentity: Int32] = [:]
        for folder in wanted {
            if let process = neighbour(at: folder) { neighbours[folder] = process }
        }
        guard neighbours != told else { return }
        board.neighbours(neighbours)
        for (mapping, folder) in state.roots.sorted(by: { $0.key < $1.key }) where neighbours[folder] != told[folder] {
            tell(mapping, neighbours[folder])
        }
        told = neighbours
    }

    private func neighbour(at folder: FolderIdentity) -> Int32? {
        if let sign = signs[folder] {
            let heard = sign.callers()
            if !heard.isEmpty { callers[folder] = (heard, .now) }
            guard let last = callers[folder], last.at.duration(to: .now) < Self.longestSilence else { return nil }
            return last.processes.min()
        }
        switch FolderSign.put(on: folder) {
        case .up(let sign):
            signs[folder] = sign
            return nil
        case .taken(let process): return process ?? 0
        // Without the sign nothing is said; nothing else depends on it.
        case .failed: return nil
        }
    }

    private func tell(_ mapping: MappingID, _ process: Int32?) {
        guard let process else {
            logger.notice("no other agent watches this folder any more", metadata: ["mapping": "\(mapping)"])
            return
        }
        logger.warning(
            "another agent watches this folder, too", metadata: ["mapping": "\(mapping)", "process": "\(process)"])
    }
}

/// What there is to say of another agent on the same folder.
enum Neighbour {
    /// - Parameter process: 0 where it is not known.
    static func words(_ process: Int32) -> String {
        "another agent\(process > 0 ? " (process \(process))" : "") watches this folder, too"
    }

    static let remedy =
        "each file arrives once all the same; stop one of the two"
}
