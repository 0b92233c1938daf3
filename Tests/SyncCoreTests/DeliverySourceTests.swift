import SyncCore
import Testing

/// What becomes of a delivery whose source is not quite what it was.
@Suite struct DeliverySourceTests {
    private static let half = Sample.progress(Sample.granule)
    private static let sending = Stage.transferring(Sample.session(), half)

    private static func decide(
        _ stage: Stage, _ event: DeliveryEvent, tally: Delivery.Tally = .init(), isKnown: Bool = false
    ) -> Decision {
        Sample.delivery(stage, isKnown: isKnown, tally: tally).decide(on: event, in: Sample.context(at: 60))
    }

    // MARK: A ctime that moves

    @Test func `a changed ctime keeps the session, and what was sent is proven before more is sent`() throws {
        let touched = Self.decide(Self.sending, .sourceTouched(Sample.touched, hasSettled: true))
        #expect(touched.words == "transferring 262144 -> send 262144-524288 proving 262144")
        #expect(touched.delivery.observation == Sample.touched)
        let probing = Self.decide(
            .probing(Sample.session(), Self.half), .sourceTouched(Sample.touched, hasSettled: true))
        #expect(probing.words == "probing 262144 -> query")
    }

    @Test func `a file that has not settled again is waited for, and its row keeps what had settled`() {
        let touched = Self.decide(Self.sending, .sourceTouched(Sample.touched, hasSettled: false))
        #expect(touched.words == "waiting probing 262144 -> none")
        #expect(touched.delivery.observation == Sample.observation())
    }

    @Test(arguments: [
        FileObservation(device: 1, inode: 8, size: Sample.size, modified: 1, changed: 2),
        FileObservation(device: 2, inode: 7, size: Sample.size, modified: 1, changed: 2),
        FileObservation(device: 1, inode: 7, size: Sample.size + 1, modified: 1, changed: 2),
        FileObservation(device: 1, inode: 7, size: Sample.size, modified: 2, changed: 2),
    ])
    func `another inode, size or mtime is a change`(seen: FileObservation) {
        #expect(!seen.isTouch(of: Sample.observation()))
        #expect(
            Self.decide(Self.sending, .sourceTouched(seen, hasSettled: true)).words == "pending examine -> resettle")
    }

    /// The law: whatever is read anew goes on at the same place with the same session.
    @Test func `no stage that reads the source loses its session by a changed ctime`() {
        for stage in Sample.stages where stage.readsSource {
            for hasSettled in [true, false] {
                for failures in [0, 1, 7] {
                    var tally = Delivery.Tally()
                    tally.failures = failures
                    let decision = Self.decide(
                        stage, .sourceTouched(Sample.touched, hasSettled: hasSettled), tally: tally, isKnown: true)
                    #expect(decision.delivery.state.stage?.sending?.session == stage.sending?.session, "\(stage.words)")
                    #expect(decision.effect != .resettle)
                    if case .post = decision.effect { Issue.record("\(stage.words) posted what was not read again") }
                }
            }
        }
    }

    @Test func `a file that is touched again and again is read ever more rarely until bytes are confirmed`() {
        var row = Sample.delivery(Self.sending, isKnown: false)
        var waits: [Int64] = []
        for _ in 0..<4 {
            let decision = row.decide(on: .sourceTouched(Sample.touched, hasSettled: true), in: Sample.context())
            if case .waiting(_, let delay) = decision.delivery.state {
                waits.append(delay.until.nanoseconds / 1_000_000_000)
            }
            row = decision.delivery
        }
        // After each pause it is tried at once: it may have been touched during the pause.
        #expect(waits == [2, 8])
        row.state = .working(Self.sending)
        let answered = row.decide(
            on: .chunkAnswered(
                .stored(2 * Sample.granule), sent: Sample.granule..<2 * Sample.granule,
                prefix: Sample.prefix(2 * Sample.granule), serverTime: nil), in: Sample.context())
        #expect(answered.delivery.tally.failures == 0)
    }

    // MARK: A size that is not true

    @Test func `a file whose size is not true is tried again with growing pauses, then parked with words`() {
        var row = Sample.delivery(.reading, isKnown: false)
        var words: [String] = []
        for second in 0..<5 {
            let decision = row.decide(on: .sourceMisreported("it ends early"), in: Sample.context(at: Int64(second)))
            words.append(decision.words)
            row = decision.delivery
        }
        #expect(words == Array(repeating: "waiting reading -> none", count: 4) + ["parked unreadable -> none"])
        #expect(row.state == .parked(.unreadable("it ends early")))
    }

    // MARK: A file that is missed

    @Test func `a file that was sent in part may have moved, and is waited for once`() {
        let missed = Self.decide(Self.sending, .sourceGone)
        #expect(missed.words == "waiting probing 262144 -> none")
        guard case .waiting(_, let delay) = missed.delivery.state else { return }
        #expect(delay.until.nanoseconds == 150 * 1_000_000_000)
        let again = missed.delivery.decide(on: .effectFailed(Sample.failure(.sourceGone)), in: Sample.context(at: 150))
        #expect(again.words == "abandoned gone -> none")
        #expect(Self.decide(.opening, .sourceGone).words == "abandoned gone -> none")
        // Of a first chunk that is on its way nothing is confirmed yet.
        let unsent = Stage.transferring(Sample.session(), .none)
        #expect(Self.decide(unsent, .sourceGone).words == "waiting probing 0 -> none")
    }
}
