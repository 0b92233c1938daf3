import Testing

@testable import SyncCore

private let mebibyte: Int64 = 1 << 20

@Suite struct ChunkFitTests {
    private enum Outcome { case fails, arrives, arrivesInPart }

    private static func fit(_ outcomes: [Outcome], chunkSize: Int64 = 64 * mebibyte) -> ChunkFit {
        var fit = ChunkFit()
        for outcome in outcomes {
            let length = fit.size(within: chunkSize)
            switch outcome {
            case .fails: fit.failed(length)
            case .arrives: fit.gotThrough(length, chunkSize: chunkSize)
            case .arrivesInPart: fit.moved()
            }
        }
        return fit
    }

    private static func times(_ count: Int, _ outcome: Outcome) -> [Outcome] { Array(repeating: outcome, count: count) }

    @Test func twoFailuresInARowHalveTheNext() {
        let table: [([Outcome], Int64)] = [
            ([], 64 * mebibyte), ([.fails], 64 * mebibyte), ([.fails, .fails], 32 * mebibyte),
            ([.fails, .fails, .fails], 32 * mebibyte), (Self.times(4, .fails), 16 * mebibyte),
            ([.fails, .arrives, .fails], 64 * mebibyte), ([.fails, .arrivesInPart, .fails], 64 * mebibyte),
            (Self.times(16, .fails), 256 << 10), (Self.times(100, .fails), 256 << 10),
        ]
        for (outcomes, size) in table {
            #expect(Self.fit(outcomes).size(within: 64 * mebibyte) == size, "\(outcomes)")
        }
    }

    @Test func fourThatArriveDoubleItAgain() {
        let shrunk = Self.times(4, .fails)
        let table: [([Outcome], Int64)] = [
            (Self.times(3, .arrives), 16), (Self.times(4, .arrives), 32), (Self.times(7, .arrives), 32),
            (Self.times(8, .arrives), 64), (Self.times(80, .arrives), 64),
            // A failure in between begins the count anew.
            (Self.times(3, .arrives) + [.fails] + Self.times(3, .arrives), 16),
        ]
        for (outcomes, size) in table {
            #expect(Self.fit(shrunk + outcomes).size(within: 64 * mebibyte) == size * mebibyte, "\(outcomes)")
        }
    }

    @Test func whereALimitStaysItIsTriedMoreAndMoreRarely() {
        var fit = ChunkFit()
        var wasted = 0
        for _ in 0..<2000 {
            let length = fit.size(within: 64 * mebibyte)
            if length > 20 * mebibyte {
                fit.failed(length)
                wasted += 1
            } else {
                fit.gotThrough(length, chunkSize: 64 * mebibyte)
            }
        }
        #expect(fit.size(within: 64 * mebibyte) == 16 * mebibyte)
        #expect(wasted <= 16, "\(wasted) of 2000 chunks came to nothing")
    }

    @Test func itIsNeverMoreThanChunkSizeAndNeverLessThanAGranule() {
        var fit = Self.fit(Self.times(2, .fails))
        #expect(fit.size(within: mebibyte) == mebibyte)
        #expect(fit.size(within: 0) == ChunkPlan.granule)
        fit.gotThrough(.max, chunkSize: .max)
        fit.failed(.min)
        fit.failed(.min)
        #expect(fit.size(within: 64 * mebibyte) == 32 * mebibyte)
        for length in [Int64.max, 300 << 10, (256 << 10) + 1, 5 * mebibyte + 7] as [Int64] {
            var fit = ChunkFit()
            fit.failed(length)
            fit.failed(length)
            let size = fit.size(within: .max)
            #expect(size < length && size.isMultiple(of: ChunkPlan.granule) && size >= ChunkPlan.granule, "\(length)")
        }
    }

    @Test func aSmallLastChunkIsNoReasonToGrow() {
        var fit = Self.fit(Self.times(4, .fails))
        for _ in 0..<100 { fit.gotThrough(mebibyte, chunkSize: 64 * mebibyte) }
        #expect(fit.size(within: 64 * mebibyte) == 16 * mebibyte)
    }

    // MARK: In a delivery

    /// A server that takes no chunk over `largest`, and what becomes of a file there.
    private static func deliver(
        _ size: Int64, largest: Int64, refusal: Failure, chunkSize: Int64 = 4 * mebibyte
    ) -> (Delivery, refused: Int, largest: Int64) {
        var context = Sample.context(policy: DeliveryPolicy(chunkSize: chunkSize))
        let session = Sample.session()
        var row = Sample.delivery(.working(.transferring(session, .none)), size: size)
        var decision = row.sendingNext(in: session, .none, "", in: context)
        var (stored, refused, arrived) = (Int64(0), 0, Int64(0))
        for round in 0..<1000 {
            // Later than any wait ends.
            context = Sample.context(at: Int64(round) * 61, policy: DeliveryPolicy(chunkSize: chunkSize))
            row = decision.delivery
            if case .waiting = row.state { decision = row.decide(on: .resumed, in: context) }
            row = decision.delivery
            switch decision.effect {
            case .sendChunk(_, let range, _)? where range.upperBound - range.lowerBound > largest:
                refused += 1
                decision = row.decide(on: .effectFailed(refusal), in: context)
            case .sendChunk(_, let range, _)?:
                arrived = max(arrived, range.upperBound - range.lowerBound)
                stored = range.upperBound
                if stored == size { return (row, refused, arrived) }
                decision = row.decide(
                    on: .chunkAnswered(.stored(stored), sent: range, prefix: nil, serverTime: nil), in: context)
            case .queryStatus?:
                decision = row.decide(
                    on: .statusAnswered(.stored(stored), prefix: nil, serverTime: nil), in: context)
            case .openSession?:
                stored = 0
                decision = row.decide(on: .sessionOpened(session), in: context)
            default:
                return (row, refused, arrived)
            }
        }
        return (row, refused, arrived)
    }

    @Test(arguments: [
        Failure(.tooLarge, "413"), Failure(.transient, "the connection was cut"), Failure(.transient, "504"),
    ])
    func aFileGetsThroughALimit(refusal: Failure) {
        let (row, refused, largest) = Self.deliver(40 * mebibyte, largest: mebibyte + 5, refusal: refusal)
        #expect(largest == mebibyte)
        #expect(refused <= 12, "\(refused)")
        guard case .working(.transferring) = row.state else {
            Issue.record("\(row.state)")
            return
        }
    }

    @Test func whatNeverGetsThroughIsParkedInTheEnd() {
        let (row, _, _) = Self.deliver(40 * mebibyte, largest: 0, refusal: Failure(.tooLarge, "413"))
        guard case .parked(.rejected) = row.state else {
            Issue.record("\(row.state)")
            return
        }
    }

    @Test func anOutageDoesNotMakeChunksSmaller() {
        let context = Sample.context(policy: DeliveryPolicy(chunkSize: 4 * mebibyte))
        var row = Sample.delivery(.working(.transferring(Sample.session(), .none)), size: 40 * mebibyte)
        for failure in [
            Failure(.transient, scope: .agent, "no connection"), Failure(.throttled, "429"), Failure(.throttled, "503"),
        ] {
            for _ in 0..<10 {
                row.state = .working(.transferring(Sample.session(), .none))
                row = row.decide(on: .effectFailed(failure), in: context).delivery
            }
        }
        #expect(row.tally.chunks == nil)
    }
}
