import SyncCore
import Testing

/// The decision as tables: a stage, what goes wrong or what comes, and what is made of it.
@Suite struct DeliveryTableTests {
    private static let object = Sample.object
    private static let doubt = LookUp.inDoubt(Sample.attempt(), connectionEnded: Sample.moment().monotonic)
    private static let half = Sample.progress(Sample.granule)

    private static let stages: [(String, Stage)] = [
        ("pending", .pending(.examine)), ("opening", .opening),
        ("transferring", .transferring(Sample.session(), half)), ("probing", .probing(Sample.session(), half)),
        ("whole", .transferring(Sample.session(.whole), .none)),
        ("concluding", .concluding(Sample.session(), Sample.progress(Sample.size))),
        ("lookingUp", .lookingUp(object, .beforePost)), ("inDoubt", .lookingUp(object, doubt)),
        ("posting", .posting(object, Sample.attempt())), ("posting2", .posting(object, Sample.attempt(2))),
        ("posting3", .posting(object, Sample.attempt(3))), ("importing", .importing(Sample.registration())),
        ("withdrawing", .withdrawing(Sample.registration(), .sizeNeverTold)),
    ]

    /// Where a stage goes on after trouble that decided nothing.
    private static let goesOn: [String: String] = [
        "pending": "waiting pending examine", "opening": "waiting opening", "transferring": "waiting probing 262144",
        "probing": "waiting probing 262144", "whole": "waiting probing 0", "concluding": "waiting concluding",
        "lookingUp": "waiting lookingUp beforePost", "inDoubt": "waiting lookingUp inDoubt 1",
        "posting": "waiting lookingUp beforePost", "posting2": "waiting lookingUp beforePost",
        "posting3": "waiting lookingUp beforePost", "importing": "waiting importing",
        "withdrawing": "waiting withdrawing sizeNeverTold",
    ]

    private static let posts = ["posting": 1, "posting2": 2, "posting3": 3]
    private static let reading: Set = ["pending", "opening", "transferring", "probing", "whole", "concluding"]
    private static let inSession: Set = ["transferring", "probing", "whole", "concluding"]

    private static func expected(_ kind: Failure.Kind, at name: String) -> String {
        let patience = "\(goesOn[name] ?? "?") -> none"
        let unclear = posts[name].map { "lookingUp inDoubt \($0) -> lookUp inDoubt \($0)" } ?? patience
        switch kind {
        case .transient, .throttled, .unauthorized, .forbidden, .stateUnavailable: return patience
        case .ambiguous: return unclear
        case .sessionLost: return inSession.contains(name) ? "waiting opening -> none" : unclear
        case .sessionRefused: return inSession.contains(name) ? "opening -> open preferred" : unclear
        case .unreadable: return reading.contains(name) ? "parked unreadable -> none" : unclear
        case .sourceGone:
            guard reading.contains(name) else { return unclear }
            // What has a session may have moved.
            switch name {
            case "transferring", "probing": return "waiting probing 262144 -> none"
            case "concluding": return "waiting probing 614400 -> none"
            case "whole": return "waiting probing 0 -> none"
            default: return "abandoned gone -> none"
            }
        case .sourceChanged: return reading.contains(name) ? "abandoned superseded -> resettle" : unclear
        case .conflict:
            guard let number = posts[name] else { return patience }
            return number > 2 ? "parked nameTaken -> none" : unclear
        case .endpointMissing:
            switch name {
            case "opening": return "opening -> open other"
            case "posting", "posting2", "posting3": return "parked rejected -> none"
            case "withdrawing": return "parked withdrawalRefused -> none"
            default: return patience
            }
        case .tooLarge:
            return inSession.contains(name) ? expected(.rejected, at: name) : unclear
        case .rejected:
            switch name {
            case "pending", "opening", "concluding": return "parked rejected -> none"
            case "transferring", "probing": return "waiting probing 262144 -> none"
            case "whole": return "waiting opening -> none"
            // The id of a second post may be refused because the first was carried out.
            case "posting2": return unclear
            case "posting", "posting3": return "opening -> open other"
            case "withdrawing": return "parked withdrawalRefused -> none"
            default: return patience
            }
        }
    }

    @Test(arguments: Failure.Kind.all)
    func aFailureMakesOfEachStage(kind: Failure.Kind) {
        for (name, stage) in Self.stages {
            let decision = Sample.delivery(stage).decide(
                on: .effectFailed(Sample.failure(kind)), in: Sample.context(at: 60))
            #expect(decision.words == Self.expected(kind, at: name), "\(name) on \(kind)")
        }
    }

    @Test(arguments: zip(Failure.Kind.all, [1, 1, 1, 1, 61, 301, 1, 1, 1, 1, 1, 1, 1, 1, 1]))
    func aRefusalThatAPersonMustLiftIsLeftAloneForLonger(kind: Failure.Kind, seconds: Int64) {
        let decision = Sample.delivery(.importing(Sample.registration())).decide(
            on: .effectFailed(Sample.failure(kind)), in: Sample.context())
        guard case .waiting(_, let delay) = decision.delivery.state else {
            #expect(kind == .rejected || kind == .endpointMissing, "\(kind) does not wait")
            return
        }
        #expect(delay.until.nanoseconds == seconds * 1_000_000_000, "\(kind)")
    }

    @Test func waitsGrowWhileNothingMovesAndBeginAnewWithProgress() {
        var row = Sample.delivery(.probing(Sample.session(), Self.half))
        var waits: [Int64] = []
        for _ in 0..<8 {
            row = row.decide(on: .effectFailed(Sample.failure(.transient)), in: Sample.context()).delivery
            guard case .waiting(_, let delay) = row.state else { return }
            waits.append(delay.until.nanoseconds / 1_000_000_000)
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60])
        row =
            row.decide(
                on: .statusAnswered(.stored(2 * Sample.granule), prefix: nil, serverTime: nil),
                in: Sample.context(at: 60)
            ).delivery
        #expect(row.tally.failures == 0)
    }

    @Test(arguments: [
        (DeliveryEvent.byHand(.resolved(.add)), "pending examined -> none"),
        (.byHand(.resolved(.ignore)), "abandoned forgotten -> none"),
        (.byHand(.forgotten), "abandoned forgotten -> none"),
        (.byHand(.retryRequested), "held existing -> none"), (.resumed, "held existing -> none"),
        (.sourceGone, "held existing -> none"),
    ])
    func heldFilesMoveByHandOnly(event: DeliveryEvent, expected: String) {
        #expect(Sample.delivery(.held(.existing)).decide(on: event, in: Sample.context()).words == expected)
    }

    @Test func onlyWhatWasForgottenIsRememberedAgain() {
        for reason in Sample.abandonments {
            let row = Sample.delivery(.abandoned(reason))
            for event in Sample.events {
                let decision = row.decide(on: event, in: Sample.context())
                let mayMove = reason == .forgotten && event == .byHand(.retryRequested)
                #expect((decision.delivery != row) == mayMove, "\(reason) on \(event)")
            }
        }
    }

    @Test func whatWasParkedOrHeldBeginsWithACleanTally() {
        var tally = Delivery.Tally()
        tally.sessionsLost = 9
        tally.triedOtherEndpoint = true
        let row = Sample.delivery(.parked(.rejected("422")), tally: tally)
        let again = row.decide(on: .byHand(.retryRequested), in: Sample.context()).delivery
        #expect(again.tally == Delivery.Tally())
        let unknown = Sample.delivery(.parked(.rejected("422")), isKnown: false)
        #expect(unknown.decide(on: .byHand(.retryRequested), in: Sample.context()).words == "pending examine -> none")
    }

    @Test func aNameOnceSetNeverChanges() {
        let other = Sample.content(9)
        let row = Sample.delivery(.pending(.examine))
        let decision = row.decide(on: .examined(other, .alone), in: Sample.context())
        #expect(decision.delivery.uploadName == Sample.name && decision.delivery.content == Sample.content())
        #expect(decision.words == "abandoned superseded -> resettle")
    }

    @Test func aRowWithoutANameOrContentIsParkedAndNeverPosted() {
        let report = LookUpReport(begun: Sample.moment(200).monotonic, newestReleased: nil)
        for lookUp in [LookUp.beforePost, Self.doubt] {
            let decision = Sample.delivery(.lookingUp(Self.object, lookUp), isKnown: false).decide(
                on: .registrationAbsent(report), in: Sample.context(at: 200))
            #expect(decision.words == "parked stateDamaged -> none")
        }
        let imported = Sample.delivery(.importing(Sample.registration()), isKnown: false).decide(
            on: .importReported(Sample.upload()), in: Sample.context())
        #expect(imported.words == "parked stateDamaged -> none")
    }

    @Test(arguments: [
        (Verification.md5, Optional(Sample.content().md5), false, "delivered -> none"),
        (.md5, Sample.digest(9), false, "withdrawing contentDiffers -> withdraw"),
        (.md5, nil, false, "delivered -> none"), (.md5, nil, true, "waiting importing -> none"),
        (.size, Sample.digest(9), false, "delivered -> none"),
        (.size, Sample.digest(9), true, "withdrawing contentDiffers -> withdraw"),
        (.size, nil, true, "waiting importing -> none"),
    ])
    func aCompletedImportIsVerified(verification: Verification, md5: Digest?, needsDigest: Bool, expected: String) {
        var policy = Sample.policy
        policy.verification = verification
        let row = Sample.delivery(.importing(Sample.registration(needsReportedDigest: needsDigest)))
        let decision = row.decide(
            on: .importReported(Sample.upload(md5: md5)), in: Sample.context(policy: policy))
        #expect(decision.words == expected)
        guard case .delivered(let receipt) = decision.delivery.state else { return }
        #expect(receipt.md5Confirmed == (md5 == Sample.content().md5))
    }

    /// An upload that the index of the table knew may lie in any version; one of ours only in those since the attempt.
    @Test func anAdoptedUploadIsFollowedInEveryVersion() {
        for (lookUp, version) in [(LookUp.beforePost, nil), (Self.doubt, Optional(Sample.version))] {
            let decision = Sample.delivery(.lookingUp(Self.object, lookUp)).decide(
                on: .registrationFound(Sample.upload(), newestReleased: Sample.version), in: Sample.context())
            guard case .followImport(let registration) = decision.effect else {
                Issue.record("it is not followed: \(decision.words)")
                continue
            }
            #expect(registration.newestReleased == version)
            #expect(registration.isAdopted == (lookUp == .beforePost))
        }
    }

    @Test func aDeliveryTeachesAboutItsEndpointOnlyWhereNothingIsKnown() {
        for fact in [nil, EndpointFact.documentedWorks, .documentedRefused] {
            for preference in [EndpointPreference.auto, .fixed(.resumableUpload)] {
                var policy = Sample.policy
                policy.endpointFact = fact
                policy.endpoint = preference
                let decision = Sample.delivery(.importing(Sample.registration())).decide(
                    on: .importReported(Sample.upload()), in: Sample.context(policy: policy))
                let learns = fact == nil && preference == .auto
                #expect(decision.endpointFact == (learns ? .documentedWorks : nil))
            }
        }
    }
}
