import SQLiteQueue
import SyncCore

/// What `wait` could not see delivered, for stderr.
struct Leftovers: Sendable {
    let reader: QueueReader
    let configuration: Configuration
    let mappings: [MappingID]

    static let listed = 20
    /// Rows that are looked at for those that went meanwhile.
    private static let mostGone = 1000

    /// - Parameter begun: when the wait began.
    func lines(_ end: WaitProgram.End, _ wait: DeliveryWait, since begun: Timestamp) async throws(Failure) -> [String] {
        var lines: [String] = []
        switch end {
        case .atRest: break
        case .timedOut:
            lines.append("the time is over, and not everything is delivered")
            lines += try await underWay()
        case .agentEnded:
            lines.append("the agent has ended before everything was delivered; start it with: redivis-sync run")
            lines += try await underWay()
        case .paused(let paused):
            let pauses = try await reader.pauses()
            lines += paused.map { mapping in
                let count = Words.count(pauses.waiting[mapping] ?? 0, "file")
                return
                    "paused: \(mapping): \(count) not sent; \(Remedy.ending(pauses.reason(of: mapping), of: mapping))"
            }
        }
        for mapping in mappings {
            for state in [PublicState.parked, .held] { lines += try await resting(state, mapping) }
        }
        return lines + (try await gone(wait, since: begun))
    }

    private func underWay() async throws(Failure) -> [String] {
        let counts = try await reader.counts()
        return mappings.compactMap { mapping in
            let parts = ([PublicState.settling] + PublicState.underWay).compactMap { state -> String? in
                guard let count = counts[mapping]?[state], count > 0 else { return nil }
                return "\(Words.grouped(count)) \(state.rawValue)"
            }
            return parts.isEmpty ? nil : "\(mapping): \(parts.joined(separator: ", "))"
        }
    }

    private func resting(_ state: PublicState, _ mapping: MappingID) async throws(Failure) -> [String] {
        let entries = try await reader.list(state: state, mapping: mapping, limit: Self.listed + 1)
        var lines = entries.prefix(Self.listed).map { entry in
            let remedy = entry.remedy(in: configuration.mapping(mapping))?.text ?? ""
            return "\(state.rawValue): \(mapping): \(entry.path): \(remedy)"
        }
        if entries.count > Self.listed {
            lines.append("… and more; see: redivis-sync list --state \(state.rawValue) --mapping \(mapping)")
        }
        return lines
    }

    /// Files that were there and went before they could be sent.
    private func gone(_ wait: DeliveryWait, since begun: Timestamp) async throws(Failure) -> [String] {
        var names = wait.goneNames
        for mapping in mappings {
            let entries = try await reader.list(state: .gone, mapping: mapping, limit: Self.mostGone)
            names += entries.filter { ($0.updatedAt ?? begun) >= begun && $0.createdAt != nil }.map {
                "\(mapping): \($0.path)"
            }
        }
        let lines = names.prefix(Self.listed).map { "gone: \($0): deleted before it could be sent" }
        return names.count > lines.count ? lines + ["… and more; see: redivis-sync list --state gone"] : lines
    }
}
