import SyncCore

/// What happens next with a file version, and when; `nil` where nothing does.
enum NextStep {
    /// - Parameters:
    ///   - settle: the quiet time of its mapping, where that is known.
    ///   - obstacle: why nothing is begun for its mapping now.
    static func text(
        of state: PublicState, _ stored: DeliveryState?, settle: Duration?, obstacle: String?
    ) -> String? {
        switch state {
        case .settling:
            let quiet = settle.map { "unchanged for \(Words.duration($0))" } ?? "unchanged for its quiet time"
            return "it is queued once it is \(quiet) and nobody has it open for writing"
        case .queued:
            return obstacle.map { "a transfer takes it once this is over: \($0)" }
                ?? "the next free transfer of a run takes it"
        case .uploading:
            return "a run goes on sending from what the storage host has confirmed"
        case .registering: return "a run registers it on the table, after looking whether it is there"
        case .importing: return "a run asks Redivis until its import has ended"
        case .waiting:
            guard let delay = stored?.delay else { return "a run tries again" }
            return "a run tries again from \(Words.time(delay.untilWall)) on"
        case .held: return "nothing until you decide"
        case .parked: return "nothing until you act"
        case .delivered, .gone, .superseded, .ignored: return nil
        }
    }
}
