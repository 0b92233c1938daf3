import SyncCore
import Testing

struct AbsencesTests {
    private static func at(_ seconds: Int64, run: UInt64 = 1) -> MonotonicInstant {
        MonotonicInstant(run: run, nanoseconds: seconds * 1_000_000_000)
    }

    private static let missing = [Sample.delivery(.working(.pending(.fresh)))]

    private static func ask(_ absences: inout Absences, _ instant: MonotonicInstant) -> [Bool] {
        absences.toAsk(missing, walkBegan: instant, doubt: .seconds(60), limit: 10).map(\.isOver)
    }

    @Test func `any number of walks that do not show it prove nothing before the doubt is over`() {
        var absences = Absences()
        var asked: [Bool] = []
        for second in 0..<60 as Range<Int64> { asked += Self.ask(&absences, Self.at(second)) }
        #expect(!asked.contains(true))
        // Every five seconds, though walks come every second.
        #expect(asked.count == 11)
        #expect(Self.ask(&absences, Self.at(60)) == [true])
    }

    @Test func `once it was met, the doubt begins again`() {
        var absences = Absences()
        _ = Self.ask(&absences, Self.at(0))
        absences.forget(Self.missing[0].id)
        #expect(Self.ask(&absences, Self.at(61)).isEmpty)
        #expect(Self.ask(&absences, Self.at(120)) == [false])
        #expect(Self.ask(&absences, Self.at(121)) == [true])
    }

    @Test func `instants of another run say nothing`() {
        var absences = Absences()
        _ = Self.ask(&absences, Self.at(0))
        #expect(Self.ask(&absences, Self.at(500, run: 2)).isEmpty)
    }

    @Test func `no more are asked for at once than the limit says`() {
        var absences = Absences()
        _ = Self.ask(&absences, Self.at(0))
        #expect(absences.toAsk(Self.missing, walkBegan: Self.at(90), doubt: .seconds(60), limit: 0).isEmpty)
        #expect(Self.ask(&absences, Self.at(91)) == [true])
    }
}
