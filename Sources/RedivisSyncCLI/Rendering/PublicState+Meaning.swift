import SyncCore

extension PublicState {
    /// As it stands in `list --help` and in docs/command-line.md.
    var meaning: String {
        switch self {
        case .settling: "not unchanged for long enough yet, or open for writing"
        case .queued: "to be sent"
        case .uploading: "on its way to the storage host"
        case .registering: "all bytes are there; it is being registered on the table"
        case .importing: "registered; Redivis is importing it"
        case .waiting: "tried again at a known time"
        case .delivered: "imported, and what arrived is what was sent"
        case .held: "a person decides: `resolve`"
        case .parked: "stopped until a person acts: `retry`"
        case .gone: "deleted before it could be sent"
        case .superseded: "overwritten by a newer content before it could be sent"
        case .ignored: "left out by a rule, or by hand: `forget`"
        }
    }

    var tint: TextStyle.Tint {
        switch self {
        case .delivered: .good
        case .queued, .uploading, .registering, .importing: .busy
        case .settling, .waiting: .pending
        case .held: .choice
        case .parked: .bad
        case .gone, .superseded, .ignored: .faint
        }
    }
}
