import SyncCore
import Testing

/// "Resumable uploads expire after 24 hours": a session that old by either clock is never used again.
@Suite struct DeliverySessionAgeTests {
    private static let day: Int64 = 24 * 3600
    private static let byOurs = Sample.session(openedAt: 0)
    private static let byTheirs = Sample.session(openedAt: 0, openedAtServer: 0)

    /// Stages that would use the session next, and the facts after which they would.
    private static func uses(_ session: UploadSession, serverTime: Timestamp?) -> [(Stage, DeliveryEvent)] {
        let object = RegistrationSource.session(TransferredObject(session: session, needsReportedDigest: false))
        let sent = Sample.granule..<2 * Sample.granule
        let half = Sample.progress(Sample.granule)
        return [
            (
                .transferring(session, half),
                .chunkAnswered(.stored(sent.upperBound), sent: sent, prefix: nil, serverTime: serverTime)
            ),
            (
                .transferring(session, half),
                .chunkAnswered(.stored(sent.lowerBound), sent: sent, prefix: nil, serverTime: serverTime)
            ),
            (
                .transferring(session, half),
                .chunkAnswered(.stored(nil), sent: sent, prefix: nil, serverTime: serverTime)
            ),
            (
                .transferring(session, half),
                .chunkAnswered(.finished(size: nil, md5: nil), sent: sent, prefix: nil, serverTime: serverTime)
            ),
            (
                .transferring(session, half),
                .chunkAnswered(
                    .finished(size: nil, md5: nil), sent: Sample.granule..<Sample.size, prefix: nil,
                    serverTime: serverTime)
            ),
            (.probing(session, half), .statusAnswered(.stored(Sample.granule), prefix: nil, serverTime: serverTime)),
            (.probing(session, half), .statusAnswered(.stored(Sample.size), prefix: nil, serverTime: serverTime)),
            (
                .probing(session, half),
                .statusAnswered(.finished(size: nil, md5: nil), prefix: nil, serverTime: serverTime)
            ),
            (.probing(session, half), .effectFailed(Sample.failure(.rejected))),
            (.transferring(session, half), .effectFailed(Sample.failure(.transient))),
            (.concluding(session, Sample.progress(Sample.size)), .concluded(Sample.content(), isProven: true)),
            (
                .lookingUp(object, .beforePost),
                .registrationAbsent(LookUpReport(begun: Sample.moment(day).monotonic, newestReleased: nil))
            ),
            (
                .lookingUp(object, .inDoubt(Sample.attempt(), connectionEnded: Sample.moment(0).monotonic)),
                .registrationAbsent(LookUpReport(begun: Sample.moment(day).monotonic, newestReleased: nil))
            ),
            (.transferring(session, half), .resumed), (.probing(session, half), .resumed),
        ]
    }

    @Test func isNotUsedWhenOurClockSaysADay() {
        for (stage, event) in Self.uses(Self.byOurs, serverTime: nil) {
            expectUnused(stage, event, in: Sample.context(at: Self.day), session: Self.byOurs)
        }
    }

    @Test func isNotUsedWhenTheServersClockSaysADay() {
        let theirs = Sample.moment(Self.day).wall
        for (stage, event) in Self.uses(Self.byTheirs, serverTime: theirs) where event.tellsServerTime {
            expectUnused(stage, event, in: Sample.context(at: 10), session: Self.byTheirs)
        }
    }

    @Test func isNotUsedWhenOurClockWentBackBeforeItsOpening() {
        for (stage, event) in Self.uses(Self.byOurs, serverTime: nil) {
            expectUnused(stage, event, in: Sample.context(at: -301), session: Self.byOurs)
        }
    }

    /// Follows one fact, and the next waits, until an order is given that would use a session.
    private func expectUnused(
        _ stage: Stage, _ event: DeliveryEvent, in context: DecisionContext, session: UploadSession
    ) {
        var decision = Sample.delivery(stage).decide(on: event, in: context)
        if case .waiting(_, let delay) = decision.delivery.state {
            let now = Moment(wall: context.now.wall, monotonic: delay.until)
            decision = decision.delivery.decide(
                on: .resumed,
                in: DecisionContext(now: now, jitter: 1, table: Sample.key, policy: context.policy))
        }
        if case .lookUp(_, .beforePost) = decision.effect {
            let report = LookUpReport(begun: context.now.monotonic, newestReleased: nil)
            decision = decision.delivery.decide(on: .registrationAbsent(report), in: context)
        }
        switch decision.effect {
        case .sendChunk, .queryStatus, .post:
            Issue.record("\(stage.words) on \(event) still uses its session: \(decision.words)")
        case .conclude:
            // Nothing of the session is used to conclude; what follows is refused by our clock, not by the server's.
            #expect(!event.tellsServerTime, "\(stage.words): finished too late: \(decision.words)")
        case .examine, .openSession, .lookUp, .followImport, .withdraw, .resettle, nil:
            break
        }
    }

    @Test func isExpiredAtTheFullDayAndNotASecondBefore() {
        let session = Sample.session(openedAt: 0, openedAtServer: 0)
        #expect(!session.isExpired(at: Sample.moment(Self.day - 1).wall, serverTime: Sample.moment(Self.day - 1).wall))
        #expect(session.isExpired(at: Sample.moment(Self.day).wall, serverTime: nil))
        #expect(session.isExpired(at: Sample.moment(5).wall, serverTime: Sample.moment(Self.day).wall))
        #expect(!session.isExpired(at: Sample.moment(-300).wall, serverTime: nil), "clocks are corrected a little")
        #expect(session.isExpired(at: Sample.moment(-301).wall, serverTime: nil))
    }

    /// A storage host whose clock is a day ahead must not make a loop without a pause.
    @Test func aServerThatIsADayAheadIsNotAskedForSessionsWithoutAPause() {
        let late = Sample.moment(2 * Self.day).wall
        let sent: Range<Int64> = 0..<Sample.granule
        let decision = Sample.delivery(.transferring(Self.byTheirs, .none)).decide(
            on: .chunkAnswered(.stored(sent.upperBound), sent: sent, prefix: nil, serverTime: late),
            in: Sample.context(at: 10))
        #expect(decision.words == "waiting opening -> none")
    }
}

extension DeliveryEvent {
    fileprivate var tellsServerTime: Bool {
        switch self {
        case .chunkAnswered(_, _, _, let time), .statusAnswered(_, _, let time): time != nil
        case .resumed, .examined, .sessionOpened, .concluded, .registrationFound, .registrationAbsent, .postingGated,
            .registered, .importReported, .importVanished, .registrationWithdrawn, .keptInstead, .uploadLost,
            .effectFailed, .sourceChanged,
            .sourceGone, .byHand:
            false
        }
    }
}
