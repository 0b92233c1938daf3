import SQLiteQueue
import SyncCore

/// Why a file rests, and what a person can do about it: one place for `list`, `why` and the end of a run.
struct Remedy {
    let reason: String
    /// What to type or mend; `nil` where nothing needs doing.
    let action: String?

    init(_ reason: String, _ action: String? = nil) {
        self.reason = reason
        self.action = action
    }

    /// - Parameter path: the file as a person would type it, for the commands to run.
    init?(for state: DeliveryState, path: String = "PATH") {
        switch state {
        case .held(let reason): self.init(for: reason, path: path)
        case .parked(let reason): self.init(for: reason, path: path)
        case .abandoned(let reason): self.init(for: reason, path: path)
        case .waiting(_, let delay): self.init(delay.reason)
        case .working, .delivered: return nil
        }
    }

    init(for reason: HoldReason, path: String = "PATH") {
        let choice = "redivis-sync resolve \(path) --add sends it; --ignore in its place leaves it out"
        switch reason {
        case .changed:
            self.init("a delivered version of this path exists, and the file now has another content", choice)
        case .tableHasOtherUploads:
            self.init("it was there before, and the table has uploads that are not ours", choice)
        case .equalsUpload(let name):
            self.init("it was there before, and equals the upload \(Self.quoted(name))", choice)
        case .existing:
            self.init("it was there before (existing: hold)", choice)
        }
    }

    init(for reason: ParkReason, path: String = "PATH") {
        let retry = "then: redivis-sync retry \(path)"
        switch reason {
        case .importFailed(let words):
            self.init(
                "Redivis could not import it: \(words)",
                "mend the file, or `format` in the mapping file; \(retry)")
        case .contentDiffers(let words):
            self.init(
                "what arrived is not what was sent, twice: \(words)",
                "look for failing memory or disk on this machine; \(retry)")
        case .rejected(let words):
            self.init("Redivis refuses it: \(words)", "mend what it says; \(retry)")
        case .sessionRefused(let words):
            self.init(
                "the storage host refuses its sessions: \(words)",
                "if the upload host needs the token, add it to send_token_to; \(retry)")
        case .sessionsLost(let words):
            self.init(
                "its sessions died again and again: \(words)", "look at the network and at Redivis's status; \(retry)")
        case .unreadable(let words):
            self.init("it cannot be read: \(words)", "mend permissions or disk; \(retry)")
        case .nameTaken(let words):
            self.init(
                "its upload name is taken on the table: \(words)",
                "look at that upload on Redivis; remove it if it is not wanted; \(retry)")
        case .removedFromTable:
            self.init(
                "somebody removed its upload from the table before its import had ended",
                "redivis-sync retry \(path) sends it again")
        case .stateDamaged(let words):
            self.init(
                "its row in the state database contradicts itself: \(words)",
                "redivis-sync retry \(path) begins anew with it")
        case .withdrawalRefused(let words, _):
            self.init(
                "an upload of ours should be taken off the table, and Redivis refuses: \(words)",
                "remove it on Redivis by hand; \(retry)")
        }
    }

    init(for reason: AbandonReason, path: String = "PATH") {
        switch reason {
        case .gone: self.init("deleted before it could be sent")
        case .superseded: self.init("overwritten by a newer content")
        case .ignored(let rule): self.init("by the rule \(rule)")
        case .forgotten: self.init("ignored by hand", "redivis-sync retry \(path) takes it up again")
        }
    }

    /// What ends a pause; `nil` as a reason: it has just ended.
    static func ending(_ pause: Pauses.Reason?, of mapping: MappingID) -> String {
        switch pause {
        case .everything?: "redivis-sync resume"
        case .byHand?: "redivis-sync resume \(mapping)"
        case .byFile?: "take `paused: true` out of the mapping file"
        case nil: "the next run sends what waits"
        }
    }

    private static func quoted(_ text: String) -> String { "\"\(text.printable)\"" }

    /// On one line, safe for a terminal: words that came from a server may hold anything.
    var text: String {
        (action.map { "\(reason); \($0)" } ?? reason).printable
    }
}
