/// What is known of a path when a settled file is admitted there.
public struct PathFacts: Hashable, Sendable {
    /// The version that the path belongs to now.
    public var current: Delivery?
    /// The observation that was accepted last; `nil`: whatever is there is news.
    public var accepted: FileObservation?
    /// Whether a content of this path is known already.
    public var hasContent = false
    /// Whether another path has, or had, a file of this inode and size.
    public var mayHaveMoved = false
    /// What is being sent from another path of the same mapping, where it is a file of this inode, size and mtime.
    public var sentFromElsewhere: Delivery?

    public init() {}
}

/// What admission makes of a settled file.
public enum Admitting: Hashable, Sendable {
    /// It is what the queue knows it to be.
    case nothing
    /// Somebody may have written to it without a trace in `stat` while it is read or sent: whoever does that finds the
    /// row moved on, and proves what was sent before it goes on.
    case disturb
    /// It stays ignored, by hand or by a rule; the observation is accepted.
    case accept
    /// The row that the path has, whose content is not known yet, begins anew.
    case restart(DeliveryState, note: String)
    /// It is what is being sent, and nothing but its ctime has moved: the row goes on, with the session and what was
    /// sent. It keeps its own observation, so that whoever sends it sees that it is to be compared.
    case keep(DeliveryState, note: String)
    /// It is what is being sent from another path: that row goes on from here.
    case follow(Delivery, note: String)
    /// A row of its own.
    case insert(DeliveryState, note: String)
}

extension Versions {
    public static func admit(_ file: AdmittedFile, _ facts: PathFacts) -> Admitting {
        // Without a version the path is new, or was given up before its content was known.
        guard let current = facts.current else { return inserting(file, facts, isChange: facts.hasContent) }
        if facts.accepted == file.look.observation { return rewritten(current, file, facts) }
        if staysIgnored(current, file) { return .accept }
        if let state = keptSending(current, file) {
            return .keep(state, note: "settled again: its mode, owner or links changed")
        }
        guard current.content == nil else { return inserting(file, facts, isChange: true) }
        let (state, note) = admission(of: file, facts, isChange: facts.hasContent)
        let dropped = current.hasSentBytes ? "; its session is dropped" : ""
        return .restart(state, note: "the file changed before it was sent\(dropped): \(note)")
    }

    /// The state of a row that is being sent from this very path, which goes on at once where it waits.
    private static func keptSending(_ current: Delivery, _ file: AdmittedFile) -> DeliveryState? {
        guard let stage = current.state.stage, stage.sending != nil, current.path == file.file.path,
            file.isToBeDelivered, file.look.observation.isTouch(of: current.observation)
        else { return nil }
        return .working(stage)
    }

    /// A path that had contents of its own is left to an examination, since `on_change` is about those.
    private static func followed(_ file: AdmittedFile, _ facts: PathFacts) -> Delivery? {
        guard let sent = facts.sentFromElsewhere, let stage = sent.state.stage, stage.sending != nil,
            file.look.links == 1, file.isToBeDelivered, sent.table == file.table, !facts.hasContent,
            file.look.observation.isTouch(of: sent.observation)
        else { return nil }
        var moved = sent
        moved.state = .working(stage)
        moved.tally.wasMissed = nil
        return moved
    }

    private static func inserting(_ file: AdmittedFile, _ facts: PathFacts, isChange: Bool) -> Admitting {
        if let sent = followed(file, facts) { return .follow(sent, note: "moved here from \(sent.path)") }
        let (state, note) = admission(of: file, facts, isChange: isChange)
        return .insert(state, note: note)
    }

    /// The file looks as it did. Where it was written to all the same, a content that is known is read again.
    private static func rewritten(_ current: Delivery, _ file: AdmittedFile, _ facts: PathFacts) -> Admitting {
        guard file.file.isWritten, !staysIgnored(current, file) else { return .nothing }
        return current.content == nil ? .disturb : inserting(file, facts, isChange: true)
    }

    /// What comes to the path that a person named. Another path of that version has it as long as the content is the
    /// same: a newer one there was named by nobody.
    private static func staysIgnored(_ current: Delivery, _ file: AdmittedFile) -> Bool {
        switch current.state {
        case .abandoned(.forgotten): current.path == file.file.path && current.mapping == file.file.mapping
        case .abandoned(.ignored), .abandoned(.gone), .abandoned(.superseded), .working, .waiting, .delivered, .held,
            .parked:
            false
        }
    }

    private static func admission(
        of file: AdmittedFile, _ facts: PathFacts, isChange: Bool
    ) -> (DeliveryState, note: String) {
        switch file.disposition {
        case .ignore(let rule): return (.abandoned(.ignored(rule)), "ignored by \(rule)")
        case .hold(let reason): return (.held(reason), "held")
        case .judge: return (.working(.pending(.existing)), "settled; it was there before")
        case .deliver:
            if isChange { return (.working(.pending(.examine)), "settled; the path is known") }
            if file.file.isExisting { return (.working(.pending(.examine)), "settled; it was there before") }
            if file.look.links > 1 { return (.working(.pending(.examine)), "settled; it has other names") }
            if facts.mayHaveMoved { return (.working(.pending(.examine)), "settled; perhaps moved") }
            return (.working(.pending(.fresh)), "settled")
        }
    }
}

extension AdmittedFile {
    fileprivate var isToBeDelivered: Bool {
        switch disposition {
        case .deliver, .judge: true
        case .hold, .ignore: false
        }
    }
}
