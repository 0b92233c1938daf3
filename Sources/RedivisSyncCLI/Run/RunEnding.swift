import SQLiteQueue
import SyncCore
import SyncEngine

/// How a single run ended, and what there is to say of it.
enum RunEnding: Sendable {
    case finished(OnceResult, RunBoard.Counts, Duration)
    case failed(Failure)
    case stopped

    static let listed = 20

    func report(_ queue: SQLiteQueue, _ configuration: Configuration) async throws(CommandFailure) {
        do throws(Failure) {
            try await queue.flushReceipts()
        } catch {
            throw CommandFailure(error)
        }
        switch self {
        case .stopped:
            throw CommandFailure(.somethingLeft, "stopped; the next run goes on where this one ended")
        case .failed(let failure):
            throw CommandFailure(failure)
        case .finished(let result, let counts, let elapsed):
            StandardOutput.line(Self.summary(counts, elapsed))
            let left = try await leftBehind(result, counts, queue, configuration)
            guard left.isEmpty else { throw CommandFailure(status(result, counts), left) }
        }
    }

    static func summary(_ counts: RunBoard.Counts, _ elapsed: Duration) -> String {
        var text = "delivered \(Words.count(counts.delivered, "file")), \(Words.bytes(counts.bytes))"
        let seconds = elapsed / .seconds(1)
        if counts.sent > 0, seconds >= 1 {
            text += ", in \(Words.duration(elapsed)) (\(Words.bytes(Int64(Double(counts.sent) / seconds)))/s)"
        }
        if counts.adopted > 0 { text += "; \(Words.grouped(counts.adopted)) already on their tables" }
        return text
    }

    /// Nothing could be asked of Redivis at all: that is the network's fault, not a file's.
    private func status(_ result: OnceResult, _ counts: RunBoard.Counts) -> ExitStatus {
        let isOutOfReach =
            !result.tableFailures.isEmpty && counts.delivered + counts.adopted == 0
            && result.tableFailures.values.allSatisfy { ExitStatus($0.kind) == .outOfReach }
        return isOutOfReach ? .outOfReach : .somethingLeft
    }

    private func leftBehind(
        _ result: OnceResult, _ counts: RunBoard.Counts, _ queue: SQLiteQueue, _ configuration: Configuration
    ) async throws(CommandFailure) -> [String] {
        var lines: [String] = []
        for (mapping, problem) in counts.folderProblems.sorted(by: { $0.key < $1.key }) {
            lines.append("mapping \(mapping): \(problem)")
        }
        if counts.unreadableEntries > 0 {
            lines.append(
                "\(Words.count(counts.unreadableEntries, "entry", "entries")) of the folders could not be read")
        }
        for (table, failure) in result.tableFailures.sorted(by: { $0.key.text < $1.key.text }) {
            lines.append("table \(table): \(failure.explained)")
        }
        do throws(Failure) {
            for state in [PublicState.parked, .held, .waiting] {
                lines += try await Self.lines(of: state, queue, configuration)
            }
        } catch {
            throw CommandFailure(error)
        }
        if result.workload.paused > 0 { lines += try await Self.pausedLines(queue) }
        let waiting = result.workload.live + result.workload.blocked
        if waiting > 0 { lines.append("\(Words.count(waiting, "file")) still queued") }
        let importing = result.workload.importing
        if importing > 0 {
            lines.append("\(Words.count(importing, "file")) registered, whose import has not been seen to end")
        }
        if result.unsettled > 0 { lines.append("\(Words.count(result.unsettled, "file")) still being written") }
        lines += queue.unreadableRows.map(\.description)
        return lines
    }

    private static func pausedLines(_ queue: SQLiteQueue) async throws(CommandFailure) -> [String] {
        let pauses: Pauses
        do throws(Failure) {
            pauses = try await queue.reader.pauses()
        } catch {
            throw CommandFailure(error)
        }
        return pauses.waiting.sorted { $0.key < $1.key }.map { mapping, count in
            let files = "\(Words.count(count, "file")) wait\(count == 1 ? "s" : "")"
            return "paused: \(mapping): \(files); \(Remedy.ending(pauses.reason(of: mapping), of: mapping))"
        }
    }

    private static func lines(
        of state: PublicState, _ queue: SQLiteQueue, _ configuration: Configuration
    ) async throws(Failure) -> [String] {
        let entries = try await queue.reader.list(state: state, limit: listed + 1)
        var lines = entries.prefix(listed).map { entry -> String in
            let remedy = entry.remedy(in: configuration.mapping(entry.mapping))
            return "\(state.rawValue): \(entry.mapping): \(entry.path): \(remedy?.text ?? "")"
        }
        if entries.count > listed {
            lines.append("… and more; see: redivis-sync list --state \(state.rawValue)")
        }
        return lines
    }
}
