// What a failure makes of each stage. Kinds are sorted by remedy, so most stages answer most kinds alike: wait and
// go on. What differs is what "go on" means, and that is `Stage.afterTrouble`.

extension Delivery {
    func decideFailure(_ failure: Failure, at stage: Stage, in context: DecisionContext) -> Decision {
        switch failure.kind {
        case .transient:
            return countingChunk(failure, at: stage, in: context).retrying(stage.afterTrouble, failure, in: context)
        case .forbidden:
            guard case .withdrawing(let registration, let why) = stage else {
                return retrying(stage.afterTrouble, failure, in: context)
            }
            return withdrawalForbidden(failure, RefusedWithdrawal(registration, why), in: context)
        case .throttled, .unauthorized, .stateUnavailable:
            return retrying(stage.afterTrouble, failure, in: context)
        case .tooLarge:
            return decideTooLarge(failure, at: stage, in: context)
        case .ambiguous:
            return withoutClearAnswer(failure, at: stage, in: context)
        case .sessionLost:
            return stage.usesSession
                ? replacingSession(failure.summary, in: context)
                : withoutClearAnswer(failure, at: stage, in: context)
        case .sessionRefused:
            return stage.usesSession
                ? afterRefusedSession(failure, in: context) : withoutClearAnswer(failure, at: stage, in: context)
        case .rejected:
            return decideRejection(failure, at: stage, in: context)
        case .conflict:
            return decideConflict(failure, at: stage, in: context)
        case .endpointMissing:
            return decideMissingEndpoint(failure, at: stage, in: context)
        case .unreadable:
            return stage.readsSource
                ? moved(to: .parked(.unreadable(failure.summary)), "parked: \(failure.summary)")
                : withoutClearAnswer(failure, at: stage, in: context)
        case .sourceGone where failure.scope != .delivery:
            // The whole folder is not there: a disk that is not mounted says nothing about its files.
            return stage.readsSource
                ? retrying(stage.afterTrouble, failure, in: context)
                : withoutClearAnswer(failure, at: stage, in: context)
        case .sourceGone:
            return stage.readsSource
                ? missed(at: stage, in: context) : withoutClearAnswer(failure, at: stage, in: context)
        case .sourceChanged:
            return stage.readsSource ? abandonedForChange() : withoutClearAnswer(failure, at: stage, in: context)
        }
    }

    /// A chunk that broke off counts against its size. One that never left does not, nor one that the whole host was
    /// not there for: both reach further than this delivery.
    private func countingChunk(_ failure: Failure, at stage: Stage, in context: DecisionContext) -> Delivery {
        guard case .transferring(let session, let progress) = stage, session.transport == .resumable,
            failure.scope == .delivery
        else { return self }
        var next = self
        next.noteFailedChunk(nextChunk(after: progress, in: context))
        return next
    }

    /// As long as the chunk can become smaller, this is no refusal of the file.
    private func decideTooLarge(_ failure: Failure, at stage: Stage, in context: DecisionContext) -> Decision {
        guard case .transferring(let session, let progress) = stage, session.transport == .resumable else {
            return stage.usesSession
                ? decideRejection(failure, at: stage, in: context) : withoutClearAnswer(failure, at: stage, in: context)
        }
        let range = nextChunk(after: progress, in: context)
        guard ChunkFit.canShrink(range.upperBound - range.lowerBound) else {
            return decideRejection(failure, at: stage, in: context)
        }
        return countingChunk(failure, at: stage, in: context).retrying(stage.afterTrouble, failure, in: context)
    }

    /// Trouble that does not say whether the request was carried out: what does not belong to a registration says
    /// nothing about one either, so a post is in doubt after it. Everything else may be repeated.
    private func withoutClearAnswer(_ failure: Failure, at stage: Stage, in context: DecisionContext) -> Decision {
        guard case .posting(let source, let attempt) = stage else {
            return retrying(stage.afterTrouble, failure, in: context)
        }
        return inDoubt(source, attempt, failure.summary, in: context)
    }

    private func retrying(_ stage: Stage, _ failure: Failure, in context: DecisionContext) -> Decision {
        var next = self
        next.tally.failures = next.tally.failures.incremented
        let asked = failure.retryAfter ?? (context.policy.waitsOutRefusals ? failure.kind.patience : nil)
        let delay = context.policy.retry.delay(
            afterFailures: next.tally.failures, jitter: context.jitter, retryAfter: asked)
        return next.moved(
            to: next.waiting(stage, for: delay, failure.description, in: context), failure.summary)
    }

    /// Rule 6: another session once, then a person is asked.
    private func afterRefusedSession(_ failure: Failure, in context: DecisionContext) -> Decision {
        var next = self
        next.tally.sessionsRefused = next.tally.sessionsRefused.incremented
        return next.tally.sessionsRefused > 1
            ? next.moved(to: .parked(.sessionRefused(failure.summary)), "parked: \(failure.summary)")
            : next.opening("\(failure.summary); another session is opened")
    }

    private func decideRejection(_ failure: Failure, at stage: Stage, in context: DecisionContext) -> Decision {
        switch stage {
        case .pending, .opening, .reading, .concluding:
            return moved(to: .parked(.rejected(failure.summary)), "parked: \(failure.summary)")
        case .transferring(let session, let progress), .probing(let session, let progress):
            // Rule 8: ask once to resynchronise; if it persists, the session is as good as dead.
            guard tally.resynchronisations == 0, session.transport == .resumable else {
                return tally.sessionsLost >= 2
                    ? moved(to: .parked(.rejected(failure.summary)), "parked: \(failure.summary)")
                    : replacingSession(failure.summary, in: context)
            }
            var next = self
            next.tally.resynchronisations = next.tally.resynchronisations.incremented
            return next.backingOff(session, progress, failure.summary, in: context)
        case .posting(let source, let attempt) where attempt.number == 2:
            // The upload id may be refused because the first request was carried out after all: asked once more.
            return inDoubt(source, attempt, failure.summary, in: context)
        case .posting(.inline, _):
            return leavingInline(.refused, failure.summary)
        case .posting(.session(let object), _):
            return afterRefusedUploadID(of: object.session.endpoint, failure.summary, fact: false, in: context)
        case .withdrawing(let registration, let why):
            return withdrawalRefused(failure, RefusedWithdrawal(registration, why))
        case .lookingUp, .importing:
            // A question that is refused decides nothing: it is asked again.
            return retrying(stage, failure, in: context)
        }
    }

    /// What is forbidden may be allowed again in a moment, since people change who may do what. It is asked once more,
    /// and then it is a person's matter.
    private func withdrawalForbidden(
        _ failure: Failure, _ refused: RefusedWithdrawal, in context: DecisionContext
    ) -> Decision {
        var next = self
        next.tally.withdrawalsForbidden = (tally.withdrawalsForbidden ?? 0).incremented
        guard next.tally.withdrawalsForbidden ?? 0 < Self.withdrawalLimit else {
            return withdrawalRefused(failure, refused)
        }
        let stage = Stage.withdrawing(refused.registration, refused.why)
        return next.moved(
            to: next.waiting(stage, for: Self.withdrawalPause, failure.description, in: context), failure.summary)
    }

    private func withdrawalRefused(_ failure: Failure, _ refused: RefusedWithdrawal) -> Decision {
        moved(to: .parked(.withdrawalRefused(failure.summary, of: refused)), "parked: \(failure.summary)")
    }

    /// How often the same withdrawal may be forbidden, and how long after the first time it is asked again.
    static let withdrawalLimit = 2
    static let withdrawalPause: Duration = .seconds(30)

    private func decideConflict(_ failure: Failure, at stage: Stage, in context: DecisionContext) -> Decision {
        guard case .posting(let source, let attempt) = stage else {
            return retrying(stage.afterTrouble, failure, in: context)
        }
        // The name is taken, so something of that name is there: the server is asked as after a lost answer. It may be
        // ours a second time, too, where something in between sent the second request twice.
        return attempt.number > 2
            ? moved(to: .parked(.nameTaken(failure.summary)), "parked: \(failure.summary)")
            : inDoubt(source, attempt, failure.summary, in: context)
    }

    private func decideMissingEndpoint(_ failure: Failure, at stage: Stage, in context: DecisionContext) -> Decision {
        switch stage {
        case .opening, .posting:
            break
        case .withdrawing(let registration, let why):
            return withdrawalRefused(failure, RefusedWithdrawal(registration, why))
        case .pending, .reading, .transferring, .probing, .concluding, .lookingUp, .importing:
            // No endpoint of ours is asked here, and a park would forget a doubt or an import.
            return retrying(stage.afterTrouble, failure, in: context)
        }
        guard case .opening = stage, context.policy.endpoint == .auto, !tally.triedOtherEndpoint else {
            return moved(to: .parked(.rejected(failure.summary)), "parked: \(failure.summary)")
        }
        var next = self
        next.tally.triedOtherEndpoint = true
        var decision = next.opening("\(failure.summary); using the other endpoint")
        decision.endpointFact = .documentedRefused
        return decision
    }
}
