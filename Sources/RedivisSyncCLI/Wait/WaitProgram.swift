import MappingConfig
import SQLiteQueue
import SyncCore

/// `wait`: has the folders looked through once more, and returns when all that lies there is delivered.
struct WaitProgram: Sendable {
    let setup: Setup
    /// The one mapping; `nil`: all.
    let mapping: MappingID?
    let deadline: ContinuousClock.Instant?

    static let shortestPause: Duration = .milliseconds(100)
    static let longestPause: Duration = .seconds(2)
    /// How often it is looked whether the agent is still there.
    static let agentPause: Duration = .seconds(2)
    /// How long an agent that holds the state directory may take until it listens.
    static let startPatience: Duration = .seconds(10)

    enum End: Hashable, Sendable {
        case atRest
        case paused([MappingID])
        case timedOut
        case agentEnded
    }

    private var mappings: [Mapping] {
        setup.configuration.mappings.filter { mapping == nil || $0.id == mapping }
    }

    /// - Throws: a `CommandFailure` of status 1 with what is not delivered.
    func run() async throws(CommandFailure) {
        if let mapping, mappings.isEmpty { throw Self.unknown(mapping, setup.configuration) }
        let begun = SystemTime.wall()
        guard let unscanned = try await scan() else { return try await withoutAgent() }
        guard let reader = try setup.openReader() else {
            throw CommandFailure(.stateUnusable, "an agent runs, and there is no queue in \(setup.statePath)")
        }
        let ids = mappings.map(\.id)
        let left: [String]
        do throws(Failure) {
            var wait = try await DeliveryWait(reader, ids)
            let end = try await poll(&wait)
            left = try await Leftovers(reader: reader, configuration: setup.configuration, mappings: ids)
                .lines(end, wait, since: begun)
        } catch {
            throw CommandFailure(error)
        }
        guard (unscanned + left).isEmpty else { throw CommandFailure(.somethingLeft, unscanned + left) }
    }

    private static func unknown(_ mapping: MappingID, _ configuration: Configuration) -> CommandFailure {
        let known = configuration.mappings.map(\.id.value).joined(separator: ", ")
        return CommandFailure(.usage, "there is no mapping \(mapping) in the mapping file; it has: \(known)")
    }

    // MARK: The scan

    /// - Returns: the folders that could not be looked through; `nil` where no agent runs.
    private func scan() async throws(CommandFailure) -> [String]? {
        let started = ContinuousClock.now + Self.startPatience
        while true {
            let patience = deadline.map { max($0 - .now, .zero) }
            let answer: ControlAnswer?
            do throws(CommandFailure) {
                answer = try await ControlClient(state: setup.statePath).answer(
                    to: .scan(mapping: mapping), within: patience)
            } catch {
                if isLate { return ["the folders were still being looked through when the time was over"] }
                guard StateDirectory.holder(of: setup.statePath) == nil else { throw error }
                return nil
            }
            switch answer {
            case .done(let outcome)?: return outcome.refused
            case .refused(let refusal)?: throw CommandFailure(refusal)
            case .status?:
                throw CommandFailure(
                    .somethingLeft, "the running agent is of another version than this command; restart it")
            case nil:
                // One that starts holds the state directory before it listens.
                let isStarting = StateDirectory.holder(of: setup.statePath) != nil
                guard isStarting, ContinuousClock.now < started, !isLate else { return nil }
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    private var isLate: Bool { deadline.map { .now >= $0 } ?? false }

    // MARK: The wait

    private func poll(_ wait: inout DeliveryWait) async throws(Failure) -> End {
        var pause = Self.shortestPause
        var asked = ContinuousClock.now
        while true {
            // Before the look: what the agent did until then is seen by it.
            let mayHaveEnded = ContinuousClock.now - asked >= Self.agentPause
            if mayHaveEnded { asked = .now }
            let hasEnded = mayHaveEnded && StateDirectory.holder(of: setup.statePath) == nil
            switch try await wait.look() {
            case .atRest: return .atRest
            case .paused(let mappings): return .paused(mappings)
            case .underWay: break
            }
            if hasEnded { return .agentEnded }
            if isLate { return .timedOut }
            let left = deadline.map { max($0 - .now, .milliseconds(1)) } ?? pause
            try? await Task.sleep(for: min(pause, left))
            pause = min(pause * 1.2, Self.longestPause)
        }
    }

    // MARK: Without an agent

    private func withoutAgent() async throws(CommandFailure) {
        let reader = try setup.openReader()
        var lines: [String] = []
        for mapping in mappings {
            do throws(Failure) {
                let files = try await FolderComparison(mapping, setup.configuration, reader)
                var left = files.new
                for count in [files.settling, files.changed, files.unsent] { left += count }
                let states = try await reader?.counts(of: mapping.id) ?? [:]
                let resting = (states[.parked] ?? 0) + (states[.held] ?? 0)
                let importing = (states[.registering] ?? 0) + (states[.importing] ?? 0)
                let count = left.files + resting + importing
                if count > 0 { lines.append("\(mapping.id): \(Words.count(count, "file")) not delivered") }
                lines += files.problems.map { "\(mapping.id): \($0)" }
            } catch {
                throw CommandFailure(error)
            }
        }
        guard lines.isEmpty else {
            throw CommandFailure(.somethingLeft, ["no agent runs; start it with: redivis-sync run"] + lines)
        }
    }
}
