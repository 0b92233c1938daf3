import MappingConfig
import SQLiteQueue
import SyncCore
import SystemPackage

/// What is known at one moment: of the running agent, of the queue, of the mapping file. All that `status` shows
/// follows from it.
struct StatusFacts: Sendable {
    struct Place: Sendable {
        let id: MappingID
        let folder: [UInt8]
        /// As the mapping file spells it.
        let table: String
    }

    var now: Timestamp
    var stateDirectory: [UInt8]
    /// `nil` where none runs, or where it does not answer.
    var agent: AgentStatus?
    /// Why the agent that runs does not answer.
    var silence: String?
    /// The process that holds the state directory; `nil` where none does.
    var holder: Int32?
    var mappingFile: [UInt8]
    /// What is wrong with the mapping file as it is now.
    var mappingFileProblems: [String] = []
    /// In the order of the mapping file that is in force.
    var places: [Place] = []
    var figures = QueueFigures()
    var window = DeliveryWindow()
    var unreleased: [UnreleasedFiles] = []
}

/// Gathers the facts, again and again where they are watched.
actor StatusReader {
    private let setup: Setup
    private var reader: QueueReader?
    private var window = DeliveryWindow()
    private var unreleased: [UnreleasedFiles] = []
    private var unreleasedAt: ContinuousClock.Instant?

    /// Counting what is unreleased costs with the number of uploads.
    private static let unreleasedPause: Duration = .seconds(10)
    private static let mostUnreleased = 100_000

    init(_ setup: Setup) {
        self.setup = setup
    }

    func facts() async throws(CommandFailure) -> StatusFacts {
        if reader == nil { reader = try setup.openReader() }
        var facts = StatusFacts(
            now: SystemTime.wall(), stateDirectory: setup.statePath.bytes, mappingFile: setup.file.path.bytes)
        await ask(&facts)
        if let agent = facts.agent {
            facts.mappingFile = agent.mappingFile.path.bytes
            facts.mappingFileProblems = agent.mappingFile.problems
            facts.places = agent.mappings.map { .init(id: $0.id, folder: $0.folder.bytes, table: $0.table) }
        } else {
            facts.mappingFileProblems = setup.problems?.problems.map(\.description) ?? []
            facts.places = setup.configuration.mappings.map {
                .init(id: $0.id, folder: $0.folder.bytes, table: $0.table.text)
            }
        }
        do throws(Failure) {
            try await readQueue(&facts)
        } catch {
            throw CommandFailure(error)
        }
        return facts
    }

    private func ask(_ facts: inout StatusFacts) async {
        do throws(CommandFailure) {
            let answer = try await ControlClient(state: setup.statePath).status()
            switch answer {
            case .status(let status)?: facts.agent = status
            case .refused(let refusal)?: facts.silence = "the running agent refuses to tell: \(refusal)"
            case .done?: facts.silence = "the running agent is of another version than this command; restart it"
            case nil: facts.holder = StateDirectory.holder(of: setup.statePath)
            }
        } catch {
            facts.silence = error.lines.joined(separator: "; ")
        }
    }

    private func readQueue(_ facts: inout StatusFacts) async throws(Failure) {
        guard let reader else { return }
        facts.figures = try await reader.figures()
        let begin = Timestamp(
            milliseconds: facts.now.milliseconds - DeliveryWindow.length.saturatingMilliseconds)
        window.add(
            try await reader.recentDeliveries(
                since: begin, after: window.lastSequence, limit: DeliveryWindow.mostRead), at: facts.now)
        facts.window = window
        if unreleasedAt.map({ .now - $0 >= Self.unreleasedPause }) ?? true {
            unreleased = try await reader.unreleased(limit: Self.mostUnreleased)
            unreleasedAt = .now
        }
        facts.unreleased = unreleased
    }
}
