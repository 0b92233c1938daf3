import SyncCore
import SyncTestSupport
import Testing

/// `decide` has an answer to every fact in every state, whatever a stored row says.
@Suite struct DeliveryTotalityTests {
    @Test func everyStateAnswersEveryFact() {
        for state in Sample.states {
            for event in Sample.events {
                for isKnown in [true, false] {
                    let row = Sample.delivery(state, isKnown: isKnown)
                    let decision = row.decide(on: event, in: Sample.context(at: 120))
                    #expect(!decision.note.isEmpty)
                    #expect(decision.delivery.id == row.id)
                    #expect(decision.delivery.revision == row.revision, "the queue counts revisions")
                }
            }
        }
    }

    @Test func absurdRowsAndFactsNeverTrap() {
        let random = SeededRandom()
        // Before the first, since a trap would leave nothing to print it.
        print("absurd rows: seed \(random.seed)")
        var arbitrary = Arbitrary(random: random)
        for _ in 0..<30_000 {
            let row = arbitrary.delivery()
            let event = arbitrary.event()
            let decision = row.decide(on: event, in: arbitrary.context())
            let again = decision.delivery.decide(on: .resumed, in: arbitrary.context())
            guard decision.delivery.id == row.id, again.delivery.id == row.id else {
                Issue.record("seed \(random.seed): \(row) on \(event) gave \(decision)")
                return
            }
        }
    }

    @Test(arguments: [Int64.min..<0, Int64.min ..< .max, -1 ..< .max, 0..<0])
    func chunkWithAbsurdBoundsNeverTraps(sent: Range<Int64>) {
        let row = Sample.delivery(.transferring(Sample.session(), Sample.progress(Sample.granule)))
        for offset in [Int64.min, -1, 0, Sample.granule, .max] {
            let answer = DeliveryEvent.chunkAnswered(.stored(offset), sent: sent, prefix: nil, serverTime: nil)
            #expect(row.decide(on: answer, in: Sample.context(at: 120)).delivery.id == row.id)
        }
    }

    @Test func noNoteShowsASecret() {
        for state in Sample.states {
            for event in Sample.events {
                let decision = Sample.delivery(state).decide(on: event, in: Sample.context(at: 120))
                let shown = "\(decision)" + String(reflecting: decision) + decision.note
                #expect(!shown.contains("secret=1"))
            }
        }
    }
}
