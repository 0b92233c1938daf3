import SyncCore
import Testing

/// The laws of the decision, each over every state and fact that it speaks of.
@Suite struct DeliveryLawTests {
    private static let now = Sample.context(at: 120)

    @Test func deliveredAbsorbsEverythingButWhatBecomesOfItsUpload() {
        let row = Sample.delivery(.delivered(Sample.receipt))
        for event in Sample.events {
            let decision = row.decide(on: event, in: Self.now)
            switch event {
            case .uploadLost:
                #expect(decision.delivery.state == .working(.pending(.examined)))
                #expect(decision.delivery.tally.posted != nil)
                continue
            case .keptInstead(let upload, _) where upload.uri != Sample.receipt.uri:
                #expect(decision.delivery.ownURI == upload.uri)
                continue
            default: break
            }
            #expect(decision.delivery == row)
            #expect(decision.effect == nil)
            #expect(decision.endpointFact == nil)
        }
    }

    @Test(arguments: Sample.parks)
    func parkedMovesOnlyByHandOrWhenTheFileChanges(reason: ParkReason) {
        let row = Sample.delivery(.parked(reason))
        for event in Sample.events {
            let mayMove = [.byHand(.retryRequested), .byHand(.forgotten), .sourceChanged].contains(event)
            let decision = row.decide(on: event, in: Self.now)
            #expect((decision.delivery.state != row.state) == mayMove, "\(event)")
            if !mayMove {
                #expect(decision.delivery == row && decision.effect == nil)
            }
        }
    }

    @Test(arguments: Sample.stages)
    func resumedOnWhatIsDueGivesOneEffectThatAnswers(stage: Stage) {
        for state in [DeliveryState.working(stage), .waiting(stage, Sample.delay(until: 120))] {
            let decision = Sample.delivery(state).decide(on: .resumed, in: Self.now)
            #expect(decision.effect != nil, "\(state.words)")
            #expect(decision.effect != .resettle)
            guard case .working = decision.delivery.state else {
                Issue.record("\(state.words) became \(decision.delivery.state.words) when it was resumed")
                continue
            }
        }
    }

    @Test(arguments: Sample.stages)
    func aWaitHoldsInItsOwnRunAndIsOverInAnother(stage: Stage) {
        let row = Sample.delivery(.waiting(stage, Sample.delay(until: 121)))
        let early = row.decide(on: .resumed, in: Self.now)
        // What only waits for another row is taken up by that one, however early.
        let isWoken = stage == .pending(.examine) || stage == .pending(.existing)
        #expect(isWoken ? early.effect != nil : early.delivery == row && early.effect == nil)
        #expect(row.decide(on: .resumed, in: Sample.context(at: 0, run: 2)).effect != nil)
    }

    @Test func afterDoubtNothingIsSentBeforeAProbe() {
        let transferring = Sample.delivery(.transferring(Sample.session(), Sample.progress(Sample.granule)))
        #expect(transferring.decide(on: .resumed, in: Self.now).effect == .queryStatus(Sample.session()))
        for kind in Failure.Kind.all {
            var decision = transferring.decide(on: .effectFailed(Sample.failure(kind)), in: Self.now)
            if case .waiting(_, let delay) = decision.delivery.state {
                let later = DecisionContext(
                    now: Moment(wall: delay.untilWall, monotonic: delay.until), jitter: 1, table: Sample.key,
                    policy: Sample.policy)
                decision = decision.delivery.decide(on: .resumed, in: later)
            }
            if case .sendChunk = decision.effect { Issue.record("\(kind): sent without asking") }
        }
    }

    @Test(arguments: [0, Sample.granule - 1])
    func aConfirmedOffsetBelowAnEarlierOneEndsTheSession(offset: Int64) {
        let progress = Sample.progress(Sample.granule)
        let chunk = Sample.delivery(.transferring(Sample.session(), progress)).decide(
            on: .chunkAnswered(
                .stored(offset), sent: Sample.granule..<2 * Sample.granule, prefix: nil, serverTime: nil), in: Self.now)
        let probe = Sample.delivery(.probing(Sample.session(), progress)).decide(
            on: .statusAnswered(.stored(offset == 0 ? nil : offset), prefix: nil, serverTime: nil), in: Self.now)
        #expect(chunk.words == "waiting opening -> none")
        #expect(probe.words == "waiting opening -> none")
    }

    @Test func anAcknowledgementOfMoreThanWasSentEndsTheSession() {
        let progress = Sample.progress(Sample.granule)
        let decision = Sample.delivery(.transferring(Sample.session(), progress)).decide(
            on: .chunkAnswered(
                .stored(2 * Sample.granule + 1), sent: Sample.granule..<2 * Sample.granule, prefix: nil,
                serverTime: nil), in: Self.now)
        #expect(decision.words == "waiting opening -> none")
    }

    /// Facts about a session, and everything else that is no answer about the registration.
    @Test func onceAPostHasBegunOnlyAnAnswerAboutItLeadsBackToSending() {
        let begun: [Stage] = [
            .posting(Sample.object, Sample.attempt()),
            .lookingUp(Sample.object, .inDoubt(Sample.attempt(), connectionEnded: Sample.moment(119).monotonic)),
            .posting(.inline, Sample.attempt()),
            .lookingUp(.inline, .inDoubt(Sample.attempt(), connectionEnded: Sample.moment(119).monotonic)),
        ]
        // The refusals of a post are clear answers: nothing was registered.
        let answers: [DeliveryEvent] = [
            .effectFailed(Sample.failure(.rejected)), .registered(Sample.upload(name: "june (1).csv")),
        ]
        for stage in begun {
            for event in Sample.events where !answers.contains(event) {
                let decision = Sample.delivery(stage).decide(on: event, in: Self.now)
                switch decision.delivery.state.stage {
                case .pending, .opening, .transferring, .probing, .concluding:
                    Issue.record("\(stage.words) on \(event) went back to \(decision.words)")
                // To read it is to look it up again: nothing of the file has left.
                case .reading, .lookingUp, .posting, .importing, .withdrawing, nil:
                    break
                }
                if case .post = decision.effect { Issue.record("\(stage.words) on \(event) posted again") }
            }
        }
    }

    /// Kinds that a post's adapter never gives leave open whether it was carried out.
    @Test(arguments: [
        Failure.Kind.ambiguous, .conflict, .sessionLost, .sessionRefused, .unreadable, .sourceGone, .sourceChanged,
    ])
    func aPostWithoutAClearAnswerIsADoubt(kind: Failure.Kind) {
        let decision = Sample.delivery(.posting(Sample.object, Sample.attempt())).decide(
            on: .effectFailed(Sample.failure(kind)), in: Self.now)
        #expect(decision.words == "lookingUp inDoubt 1 -> lookUp inDoubt 1")
    }

    /// Where the file travels inside, it is read before a byte leaves: what ends there was never posted.
    @Test func aFileThatCannotBeReadForItsPostWasNotPosted() {
        let ends: [(Failure.Kind, String)] = [
            (.sourceChanged, "abandoned superseded -> resettle"), (.sourceGone, "abandoned gone -> none"),
            (.unreadable, "parked unreadable -> none"),
        ]
        for (kind, end) in ends {
            let decision = Sample.delivery(.posting(.inline, Sample.attempt())).decide(
                on: .effectFailed(Sample.failure(kind)), in: Self.now)
            #expect(decision.words == end)
        }
        let unmounted = Failure(.sourceGone, scope: .destination, "the folder is not there")
        let decision = Sample.delivery(.posting(.inline, Sample.attempt())).decide(
            on: .effectFailed(unmounted), in: Self.now)
        #expect(decision.words == "waiting reading -> none")
    }

    @Test func whatMayBeRegisteredCannotBeForgotten() {
        for stage in Sample.stages {
            let decision = Sample.delivery(stage).decide(on: .byHand(.forgotten), in: Self.now)
            let isForgotten = decision.delivery.state == .abandoned(.forgotten)
            #expect(isForgotten != stage.mayBeRegistered, "\(stage.words)")
            #expect(decision.effect == nil)
        }
    }

    @Test func whatIsOnTheStorageHostNeedsNoSource() {
        for stage in Sample.stages {
            let row = Sample.delivery(stage)
            let needsSource =
                switch stage {
                case .pending, .opening, .reading, .transferring, .probing, .concluding,
                    .lookingUp(.inline, .beforePost):
                    true
                case .lookingUp, .posting, .importing, .withdrawing: false
                }
            for event in [DeliveryEvent.sourceChanged, .sourceGone] {
                let decision = row.decide(on: event, in: Self.now)
                // What is on the storage host in part may have moved, and is waited for once.
                let mayHaveMoved = event == .sourceGone && stage.sending != nil
                #expect(
                    (decision.delivery.state.stage == nil) == (needsSource && !mayHaveMoved),
                    "\(stage.words) on \(event)")
            }
        }
    }

    /// Facts that belong to other stages change only the journal.
    @Test func aFactThatDoesNotBelongChangesOnlyTheJournal() {
        for stage in Sample.stages {
            let row = Sample.delivery(stage)
            for event in Sample.events where !stage.expects(event) {
                let decision = row.decide(on: event, in: Self.now)
                #expect(decision.delivery == row, "\(stage.words) on \(event): \(decision.words)")
                #expect(decision.effect == nil, "\(stage.words) on \(event)")
            }
        }
    }

    @Test func nothingIsRememberedOfTheAPIWithoutAProof() {
        for state in Sample.states {
            for event in Sample.events {
                let decision = Sample.delivery(state).decide(on: event, in: Self.now)
                guard decision.endpointFact == .documentedWorks else { continue }
                guard case .delivered = decision.delivery.state else {
                    Issue.record("\(state.words) on \(event) learned that the endpoint works")
                    continue
                }
            }
        }
    }

    @Test func aDeliveryIsOneOnlyWithSizeAndDigestAgreed() {
        for state in Sample.states {
            for event in Sample.events {
                let decision = Sample.delivery(state).decide(on: event, in: Self.now)
                guard case .delivered(let receipt) = decision.delivery.state, state.publicState != .delivered else {
                    continue
                }
                #expect(event == .importReported(Sample.upload()))
                #expect(receipt.content == Sample.content() && receipt.md5Confirmed)
            }
        }
    }
}

extension Stage {
    /// Whether a fact has a meaning here, by the list of facts; the table of decisions says which.
    fileprivate func expects(_ event: DeliveryEvent) -> Bool {
        switch event {
        case .resumed, .effectFailed: true
        case .sourceTouched, .sourceMisreported: readsSource
        case .sourceChanged, .sourceGone:
            switch self {
            case .pending, .opening, .reading, .transferring, .probing, .concluding, .lookingUp(.inline, .beforePost):
                true
            case .lookingUp, .posting, .importing, .withdrawing: false
            }
        case .byHand(.forgotten): !mayBeRegistered
        case .byHand: false
        case .examined(_, .joined): false
        case .examined: !mayBeRegistered
        case .sessionOpened: if case .opening = self { true } else { false }
        case .chunkAnswered: if case .transferring = self { true } else { false }
        case .statusAnswered: if case .probing = self { true } else { false }
        case .concluded:
            switch self {
            case .reading, .concluding: true
            case .pending, .opening, .transferring, .probing, .lookingUp, .posting, .importing, .withdrawing: false
            }
        case .registrationFound, .registrationAbsent, .postingGated: if case .lookingUp = self { true } else { false }
        case .registered: if case .posting = self { true } else { false }
        case .importReported(let upload):
            if case .importing = self { upload.status != .inProgress } else { false }
        case .keptInstead:
            switch self {
            case .importing, .withdrawing: true
            case .pending, .opening, .reading, .transferring, .probing, .concluding, .lookingUp, .posting: false
            }
        case .importVanished, .uploadLost: if case .importing = self { true } else { false }
        case .registrationWithdrawn: if case .withdrawing = self { true } else { false }
        }
    }
}
