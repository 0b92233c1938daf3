// What becomes of a delivery whose source is not quite what it was, though its content may be the same.

extension FileObservation {
    /// Whether this is the file as it was, but for its ctime: that moves with mode, owner and names too. A program that
    /// writes and puts the mtime back looks the same, so this says nothing about the content.
    public func isTouch(of before: FileObservation) -> Bool {
        isSameFile(as: before) && size == before.size && modified == before.modified
    }
}

extension Delivery {
    /// The session is kept. What was sent is read again under the new observation and has to hash to what was recorded
    /// before one more byte is sent (`DeliveryEffect.sendChunk`, `conclude`). At once the first time, and after each
    /// pause; what is touched again and again is read again and again, so pauses grow until a byte was confirmed.
    func touched(
        _ seen: FileObservation, hasSettled: Bool, at stage: Stage, in context: DecisionContext
    ) -> Decision {
        guard seen.isTouch(of: observation) else { return abandonedForChange() }
        var next = self
        next.tally.failures = next.tally.failures.incremented
        if hasSettled { next.observation = seen }
        // A post of which nothing has left is looked up again like after any trouble.
        guard hasSettled, tally.failures.isMultiple(of: 2), !stage.mayBeRegistered else {
            return next.pausing(
                at: stage, "its mode, owner or links changed: what was sent is compared before it goes on", in: context)
        }
        let why = "its mode, owner or links changed"
        // It was found out before a byte of the chunk left, so that there is nothing to ask.
        if case .transferring(let session, let progress) = stage {
            return next.sendingNext(in: session, progress, why, in: context)
        }
        var decision = next.decideStage(stage.afterTrouble, on: .resumed, in: context)
        decision.note = "\(why); \(decision.note)"
        return decision
    }

    /// A file system may tell a size before it has the bytes, so that it is tried again a few times.
    func misreported(_ words: String, at stage: Stage, in context: DecisionContext) -> Decision {
        var next = self
        next.tally.failures = next.tally.failures.incremented
        guard next.tally.failures < Self.misreportLimit else {
            return moved(to: .parked(.unreadable(words)), "parked: \(words)")
        }
        return next.pausing(at: stage, words, in: context)
    }

    static let misreportLimit = 5

    /// A file that is not at its path may have been moved, and is sent on from where it is found. That is waited for once
    /// where it has a session, which may have bytes; everything else loses nothing by beginning anew.
    func missed(at stage: Stage, in context: DecisionContext) -> Decision {
        guard let (session, progress) = stage.sending, tally.wasMissed != true, context.policy.moveTime > .zero else {
            return abandonedForLoss()
        }
        var next = self
        next.tally.wasMissed = true
        let why = "it is not at its path any more: deleted, or moved"
        return next.moved(
            to: next.waiting(.probing(session, progress), for: context.policy.moveTime, why, in: context), why)
    }

    private func pausing(at stage: Stage, _ why: String, in context: DecisionContext) -> Decision {
        let delay = context.policy.retry.delay(
            afterFailures: tally.failures, jitter: context.jitter, retryAfter: nil)
        return moved(to: waiting(stage.afterTrouble, for: delay, why, in: context), why)
    }
}
