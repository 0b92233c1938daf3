import SQLiteQueue
import SyncCore

// What `pause` and `resume` say of what they changed.

extension QueueControl {
    private static let everything = "all mappings"

    static func paused(_ mapping: MappingID?, _ change: PauseChange) -> ControlOutcome {
        var outcome = ControlOutcome()
        let isNew =
            mapping.map { !change.before.byHand.contains($0) } ?? !change.before.isEverything
        outcome.change(
            "\(mapping?.value ?? everything): paused\(isNew ? "; what has begun goes on to its end" : " already")")
        return outcome
    }

    static func resumed(_ mapping: MappingID?, _ change: PauseChange) -> ControlOutcome {
        var outcome = ControlOutcome()
        guard let mapping else {
            outcome.change("\(everything): resumed")
            for paused in change.after.byFile.sorted() { outcome.refuse(stillPaused(paused, by: .byFile)) }
            return outcome
        }
        if let reason = change.after.reason(of: mapping) {
            outcome.refuse(stillPaused(mapping, by: reason))
        } else {
            let wasPaused = change.before.reason(of: mapping) != nil
            outcome.change("\(mapping): \(wasPaused ? "resumed" : "is not paused")")
        }
        return outcome
    }

    private static func stillPaused(_ mapping: MappingID, by reason: Pauses.Reason) -> String {
        let why =
            switch reason {
            case .everything: "all mappings are paused"
            case .byHand, .byFile: "the mapping file pauses it"
            }
        return "\(mapping): still paused: \(why); \(Remedy.ending(reason, of: mapping))"
    }
}
