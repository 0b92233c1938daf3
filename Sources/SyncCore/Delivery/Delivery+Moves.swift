// The small moves that decisions are made of.

extension Delivery {
    func moved(to state: DeliveryState, _ note: String, effect: DeliveryEffect? = nil) -> Decision {
        var next = self
        next.state = state
        return Decision(next, note, effect: effect)
    }

    func unchanged(_ note: String) -> Decision { Decision(self, note) }

    func unexpected(_ event: DeliveryEvent) -> Decision {
        Decision(self, "\(event.label) does not belong to \(state.publicState.rawValue): nothing changed")
    }

    /// From the beginning, because a person said so. What a person has decided before stays decided.
    func restarted(_ note: String, as admission: Admission? = nil) -> Decision {
        var next = self
        next.tally = tally.forgettingTries
        next.tally.isDecidedByHand = tally.isDecidedByHand
        return next.moved(to: .working(.pending(admission ?? (content == nil ? .examine : .examined))), note)
    }

    func opening(_ note: String, _ choice: EndpointChoice? = nil) -> Decision {
        let choice = choice ?? (tally.triedOtherEndpoint ? .other : .preferred)
        return moved(to: .working(.opening), note, effect: .openSession(choice))
    }

    func waiting(
        _ stage: Stage, for delay: Duration, _ reason: String, in context: DecisionContext
    ) -> DeliveryState {
        let wall = context.now.wall.milliseconds.addingReportingOverflow(delay.saturatingMilliseconds)
        return .waiting(
            stage,
            Delay(
                until: context.now.monotonic.advanced(by: delay),
                untilWall: Timestamp(milliseconds: wall.overflow ? .max : wall.partialValue), reason: reason))
    }

    func followingImport(_ registration: Registration, _ note: String) -> Decision {
        moved(to: .working(.importing(registration)), note, effect: .followImport(registration))
    }

    /// Whether it is known what Redivis calls the table: "once" is once per table, whatever the mapping file calls it.
    func knowsTable(in context: DecisionContext) -> Bool { tableKey != nil || context.table != nil }

    /// Nothing is settled about a content under a name that only the mapping file has for its table.
    func waitingForTable(in context: DecisionContext) -> Decision {
        guard let stage = state.stage else { return unchanged("its table is not known yet") }
        let unknown = Failure(.transient, scope: .destination, "the table \(table) is not known yet")
        return decideFailure(unknown, at: stage, in: context)
    }

    /// With its content, and the name that follows from it, once and for all.
    func knowing(_ content: Content, in context: DecisionContext) -> Delivery {
        var next = self
        next.content = content
        next.uploadName = uploadName ?? UploadName.make(base: nameBase, sha256: content.sha256)
        next.tableKey = tableKey ?? context.table
        return next
    }

    /// The file is not what settled. A version whose content was known is over; one that never had a content
    /// becomes whatever the file is once it has settled again. Its session is never used again.
    func abandonedForChange() -> Decision {
        content == nil
            ? moved(to: .working(.pending(.examine)), "the file changed: it settles anew", effect: .resettle)
            : moved(to: .abandoned(.superseded), "the file changed before it could be sent", effect: .resettle)
    }

    func abandonedForLoss() -> Decision {
        moved(to: .abandoned(.gone), "the file was deleted before it could be sent")
    }

    /// A new session from byte 0, because the old one came to nothing. The wait bounds the rate; the tally bounds
    /// the number, unless a byte was confirmed in between.
    func replacingSession(_ why: String, in context: DecisionContext) -> Decision {
        var next = self
        next.tally.sessionsLost = next.tally.sessionsLost.incremented
        guard next.tally.sessionsLost <= Self.sessionsLostLimit else {
            return next.moved(to: .parked(.sessionsLost(why)), "parked: \(why)")
        }
        let delay = context.policy.retry.delay(
            afterFailures: next.tally.sessionsLost, jitter: context.jitter, retryAfter: nil)
        return next.moved(
            to: next.waiting(.opening, for: delay, why, in: context), "\(why); a new session will be opened")
    }

    static let sessionsLostLimit = 8
}

extension DeliveryEvent {
    /// The fact's name, for the journal: never its values.
    var label: String {
        switch self {
        case .resumed: "taking it up"
        case .examined: "a content"
        case .sessionOpened: "an opened session"
        case .chunkAnswered: "an answer to a chunk"
        case .statusAnswered: "an answer to a status query"
        case .concluded: "a settled content"
        case .registrationFound: "a registration that was found"
        case .registrationAbsent: "a look-up without a result"
        case .postingGated: "a closed gate"
        case .registered: "an answer to a registration"
        case .importReported: "a report of an import"
        case .importVanished: "a vanished import"
        case .registrationWithdrawn: "a withdrawn registration"
        case .keptInstead: "another upload that stays"
        case .uploadLost: "an upload that is gone"
        case .effectFailed: "a failure"
        case .sourceChanged: "a changed file"
        case .sourceGone: "a deleted file"
        case .sourceTouched: "a file whose ctime has moved"
        case .sourceMisreported: "a file whose size is not true"
        case .byHand(.retryRequested): "retry"
        case .byHand(.forgotten): "forget"
        case .byHand(.resolved): "resolve"
        }
    }
}
