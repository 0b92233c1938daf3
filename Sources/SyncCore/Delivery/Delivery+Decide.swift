extension Delivery {
    /// The one decision of this program: what a fact makes of a delivery, and what is to be done next.
    ///
    /// Total: every fact has an answer in every state, whatever order they come in and whatever a stored row says;
    /// a fact that does not belong to the state changes nothing but the journal. The caller saves the decision
    /// before it carries out the effect.
    public func decide(on event: DeliveryEvent, in context: DecisionContext) -> Decision {
        switch state {
        case .working(let stage):
            return decideLive(stage, on: event, in: context)
        case .waiting(let stage, let delay):
            // An instant of another run has no meaning any more: the wait is over.
            let isDue = context.now.monotonic.reached(delay.until) ?? true
            let isEarly = event == .resumed && !waitsForAnother(stage) || stage.isPatient(with: event)
            if !isDue, isEarly { return unexpected(event) }
            return decideLive(stage, on: event, in: context)
        case .held:
            return decideHeld(on: event)
        case .parked(let reason):
            return decideParked(reason, on: event)
        case .abandoned(let reason):
            return decideAbandoned(reason, on: event)
        case .delivered(let receipt):
            return decideDelivered(receipt, on: event, in: context)
        }
    }

    private func decideLive(_ stage: Stage, on event: DeliveryEvent, in context: DecisionContext) -> Decision {
        switch event {
        case .byHand(.forgotten):
            return stage.mayBeRegistered
                ? unchanged("cannot be forgotten: its registration has begun and is followed to its end")
                : moved(to: .abandoned(.forgotten), "forgotten by hand")
        case .byHand(.retryRequested), .byHand(.resolved):
            return unexpected(event)
        case .sourceChanged:
            return stage.needsSource ? abandonedForChange() : unexpected(event)
        case .sourceGone:
            return stage.needsSource ? missed(at: stage, in: context) : unexpected(event)
        case .sourceTouched(let seen, let hasSettled):
            return stage.readsSource
                ? touched(seen, hasSettled: hasSettled, at: stage, in: context) : unexpected(event)
        case .sourceMisreported(let words):
            return stage.readsSource ? misreported(words, at: stage, in: context) : unexpected(event)
        case .effectFailed(let failure):
            return decideFailure(failure, at: stage, in: context)
        case .examined(let content, let standing):
            return decideExamined(content, standing, at: stage, in: context)
        case .resumed, .sessionOpened, .chunkAnswered, .statusAnswered, .concluded, .registrationFound,
            .registrationAbsent, .postingGated, .registered, .importReported, .importVanished, .registrationWithdrawn,
            .keptInstead, .uploadLost:
            return decideStage(stage, on: event, in: context)
        }
    }

    /// Whether it only waits for another row, which has it taken up early when its wait is over.
    private func waitsForAnother(_ stage: Stage) -> Bool {
        switch stage {
        case .pending(.examine), .pending(.existing): content != nil
        case .pending(.fresh), .pending(.examined), .opening, .reading, .transferring, .probing, .concluding,
            .lookingUp, .posting, .importing, .withdrawing:
            false
        }
    }

    func decideStage(_ stage: Stage, on event: DeliveryEvent, in context: DecisionContext) -> Decision {
        switch stage {
        case .pending(let admission):
            return decidePending(admission, on: event, in: context)
        case .opening:
            return decideOpening(on: event, in: context)
        case .reading:
            return decideReading(on: event, in: context)
        case .transferring(let session, let progress):
            return decideTransferring(session, progress, on: event, in: context)
        case .probing(let session, let progress):
            return decideProbing(session, progress, on: event, in: context)
        case .concluding(let session, let progress):
            return decideConcluding(session, progress, on: event, in: context)
        case .lookingUp(let source, let lookUp):
            return decideLookingUp(source, lookUp, on: event, in: context)
        case .posting(let source, let attempt):
            return decidePosting(source, attempt, on: event, in: context)
        case .importing(let registration):
            return decideImporting(registration, on: event, in: context)
        case .withdrawing(let registration, let why):
            return decideWithdrawing(registration, why, on: event, in: context)
        }
    }

    // MARK: Delivered: only what becomes of its upload moves it

    private func decideDelivered(
        _ receipt: Receipt, on event: DeliveryEvent, in context: DecisionContext
    ) -> Decision {
        switch event {
        case .keptInstead(let upload, let newestReleased):
            return receipt.uri == upload.uri ? unexpected(event) : bound(to: upload, newestReleased, in: context)
        case .uploadLost:
            return sendingAgain(
                PostAttempt(number: 1, newestReleased: nil, begunAt: receipt.deliveredAt))
        case .resumed, .examined, .sessionOpened, .chunkAnswered, .statusAnswered, .concluded, .registrationFound,
            .registrationAbsent, .postingGated, .registered, .importReported, .importVanished, .registrationWithdrawn,
            .effectFailed, .sourceChanged, .sourceGone, .sourceTouched, .sourceMisreported, .byHand:
            return unexpected(event)
        }
    }

    // MARK: At rest: only a person moves these

    private func decideHeld(on event: DeliveryEvent) -> Decision {
        guard case .byHand(let hand) = event else { return unexpected(event) }
        switch hand {
        case .resolved(.add):
            var decided = self
            decided.tally.isDecidedByHand = true
            return decided.restarted("to be added: decided by hand")
        case .resolved(.ignore), .forgotten: return moved(to: .abandoned(.forgotten), "ignored by hand")
        case .retryRequested: return unexpected(event)
        }
    }

    private func decideParked(_ reason: ParkReason, on event: DeliveryEvent) -> Decision {
        switch event {
        case .byHand(.retryRequested):
            guard case .withdrawalRefused(_, .some(let refused)) = reason else {
                return rememberingPost(if: reason.leavesPossibleUpload).restarted("queued again by hand")
            }
            return withdrawingAgain(refused)
        case .byHand(.forgotten):
            return moved(to: .abandoned(.forgotten), "forgotten by hand")
        case .sourceChanged:
            return abandonedForChange()
        case .byHand(.resolved), .resumed, .examined, .sessionOpened, .chunkAnswered, .statusAnswered, .concluded,
            .registrationFound, .registrationAbsent, .postingGated, .registered, .importReported, .importVanished,
            .registrationWithdrawn, .keptInstead, .uploadLost, .effectFailed, .sourceGone, .sourceTouched,
            .sourceMisreported:
            return unexpected(event)
        }
    }

    private func decideAbandoned(_ reason: AbandonReason, on event: DeliveryEvent) -> Decision {
        switch reason {
        case .forgotten:
            // Examined, whatever is known of it: it may have been held, and that only `resolve` decides.
            return event == .byHand(.retryRequested)
                ? restarted("remembered again by hand", as: .examine) : unexpected(event)
        case .gone, .superseded, .ignored:
            return unexpected(event)
        }
    }

    // MARK: Before and at the opening of a session

    private func decidePending(
        _ admission: Admission, on event: DeliveryEvent, in context: DecisionContext
    ) -> Decision {
        if event == .resumed {
            switch admission {
            case .fresh, .examined:
                return beginning(nil, in: context)
            case .examine, .existing:
                guard content == nil else {
                    return moved(
                        to: .working(.pending(admission)), "its content is known", effect: .compare(admission))
                }
                return moved(
                    to: .working(.pending(admission)), "reading the file to know its content",
                    effect: .examine(admission))
            }
        }
        return unexpected(event)
    }

    /// Its content is known, by an examination or at the end of its sending, and how it stands. Nothing of this
    /// moves a registration that may have begun.
    private func decideExamined(
        _ content: Content, _ standing: Standing, at stage: Stage, in context: DecisionContext
    ) -> Decision {
        guard !stage.mayBeRegistered else { return unexpected(.examined(content, standing)) }
        // Its name follows from the content that was known: another content is another version.
        if let known = self.content, known != content { return abandonedForChange() }
        guard knowsTable(in: context) else { return waitingForTable(in: context) }
        return decideStanding(standing, content, stage.admission ?? .examine, in: context)
    }

    private func decideStanding(
        _ standing: Standing, _ content: Content, _ admission: Admission, in context: DecisionContext
    ) -> Decision {
        let known = knowing(content, in: context)
        switch standing {
        case .alone:
            return known.beginning("its content is new to the table", in: context)
        case .joined(let other):
            // The queue has already given this path to the other delivery and ended this row.
            return unchanged("the same content as delivery \(other)")
        case .behind(let other):
            var decision = known.moved(
                to: waiting(
                    .pending(admission), for: Self.longestWaitForAnother, "delivery \(other) goes first", in: context),
                "waits until delivery \(other) has ended, or its content is known")
            decision.awaits = other
            return decision
        case .successor(let older):
            switch context.policy.onChange {
            case .hold:
                return known.moved(to: .held(.changed), "held: delivery \(older) of this path has another content")
            case .ignore:
                return known.moved(
                    to: .abandoned(.ignored("on_change: ignore")),
                    "ignored: delivery \(older) of this path has another content")
            }
        case .adopts(let upload):
            return known.followingImport(
                Registration(
                    uri: upload.uri, name: upload.name, newestReleased: nil, registeredAt: context.now.wall,
                    isAdopted: true),
                "adopted: the table already has it as \(RelativePath.printable(Array(upload.name.utf8)))")
        case .strange(let reason):
            return known.moved(to: .held(reason), "held: it was there before, and a person chooses")
        }
    }

    /// A version that was registered before it came to rest, or may have been, is looked for first, as after an answer
    /// that was lost: the list may lag behind, and a request may still be carried out.
    private func beginning(_ why: String?, in context: DecisionContext) -> Decision {
        guard let posted = tally.posted, uploadName != nil else { return starting(why, in: context) }
        return inDoubt(.inline, posted, why ?? "it may have been registered before", in: context)
    }

    /// The other row has it taken up as soon as it has ended; this is for what cannot tell, as a file that settles.
    static let longestWaitForAnother: Duration = .seconds(10)

    /// By the way that its size asks for.
    private func starting(_ why: String?, in context: DecisionContext) -> Decision {
        func note(_ next: String) -> String { (why.map { "\($0); " } ?? "") + next }
        guard size > 0, size <= context.policy.inlineLimit, tally.leftInline == nil else {
            return opening(note("opening a session"))
        }
        return moved(
            to: .working(.reading), note("reading it: it goes inside its registration"), effect: .conclude(.none))
    }

    private func decideReading(on event: DeliveryEvent, in context: DecisionContext) -> Decision {
        if event == .resumed { return starting(nil, in: context) }
        guard case .concluded(let content, _) = event else { return unexpected(event) }
        guard isAsSettled(content) else { return abandonedForChange() }
        guard knowsTable(in: context) else { return waitingForTable(in: context) }
        return knowing(content, in: context).lookingUp(.inline, .beforePost, "its content is known")
    }

    private func decideOpening(on event: DeliveryEvent, in context: DecisionContext) -> Decision {
        if event == .resumed { return opening("opening a session") }
        guard case .sessionOpened(let session) = event else { return unexpected(event) }
        var opened = self
        opened.tally.sessionsOpened = opened.tally.sessionsOpened.incremented
        return opened.sendingNext(in: session, .none, "session opened", in: context)
    }
}
