import SyncCore
import Testing

struct TableWalkTests {
    private static let key = TableKey("demo.weather.readings")
    private static let (one, two) = (VersionTag(major: 1, minor: 0), VersionTag(major: 1, minor: 1))

    private static func table(draft: Bool = true, _ released: [VersionTag] = []) -> RemoteTable {
        RemoteTable(key: key, hasDraft: draft, released: released, mergeStrategy: nil)
    }

    private static func page(next: String? = nil) -> UploadPage { UploadPage(uploads: [], nextPage: next) }

    @Test func `a proof asks which versions there are, before and after`() {
        var walk = TableWalk(releasedAfter: nil, isProof: true)
        #expect(walk.next == .table)
        walk.take(Self.table([Self.one]))
        #expect(walk.next == .list(.draft, page: nil))
        #expect(walk.take(Self.page(next: "2")).map { [$0.isFirst, $0.isLast] } == [true, false])
        #expect(walk.next == .list(.draft, page: "2"))
        #expect(walk.take(Self.page()).map { [$0.isFirst, $0.isLast] } == [false, true])
        #expect(walk.next == .list(.released(Self.one), page: nil))
        _ = walk.take(Self.page())
        #expect(walk.next == .table)
        walk.take(Self.table([Self.one]))
        #expect(walk.next == .over)
    }

    @Test func `versions that are known are not listed`() {
        var walk = TableWalk(releasedAfter: Self.one, isProof: true)
        walk.take(Self.table(draft: false, [Self.one, Self.two]))
        #expect(walk.next == .list(.released(Self.two), page: nil))
    }

    @Test func `a release in the middle begins the walk again`() {
        var walk = TableWalk(releasedAfter: nil, isProof: true)
        walk.take(Self.table())
        _ = walk.take(Self.page())
        walk.take(Self.table([Self.one]))
        #expect(walk.next == .list(.draft, page: nil))
        #expect(walk.take(Self.page())?.isFirst == true)
        #expect(walk.next == .list(.released(Self.one), page: nil))
        _ = walk.take(Self.page())
        walk.take(Self.table([Self.one]))
        #expect(walk.next == .over)
    }

    @Test func `a failed page is still the next one`() {
        var walk = TableWalk(releasedAfter: nil, isProof: true)
        walk.take(Self.table())
        #expect(!walk.hasBegun)
        _ = walk.take(Self.page(next: "2"))
        // The request for page 2 failed: nothing is taken.
        #expect(walk.next == .list(.draft, page: "2") && walk.hasBegun)
    }

    @Test func `a glance begins with the draft, and ends with what was released since`() {
        var walk = TableWalk(releasedAfter: Self.one, isProof: false)
        #expect(walk.next == .list(.draft, page: nil))
        _ = walk.take(Self.page())
        #expect(walk.next == .table)
        walk.take(Self.table([Self.one, Self.two]))
        #expect(walk.next == .list(.released(Self.two), page: nil))
        _ = walk.take(Self.page())
        #expect(walk.next == .over)
    }

    @Test func `it ends early where nobody wants more`() {
        var walk = TableWalk(releasedAfter: nil, isProof: true)
        walk.take(Self.table())
        walk.end()
        #expect(walk.next == .over)
    }

    @Test func `an address is asked while that is cheaper, and a walk proves`() {
        #expect(DoubtEvidence.cheapest(mustProve: false, doubts: 16, pages: 30) == .address)
        #expect(DoubtEvidence.cheapest(mustProve: false, doubts: 100, pages: 1) == .walk)
        #expect(DoubtEvidence.cheapest(mustProve: true, doubts: 1, pages: 30) == .walk)
    }
}

struct SweepScheduleTests {
    private static func at(_ seconds: Int64) -> MonotonicInstant {
        MonotonicInstant(run: 1, nanoseconds: seconds * 1_000_000_000)
    }

    @Test func `many registrations are one walk, when the doubt about them is over`() {
        var schedule = SweepSchedule()
        #expect(schedule.due(doubt: .seconds(60)) == nil)
        for second in 0..<10 as Range<Int64> { schedule.noteRegistration(at: Self.at(second)) }
        #expect(schedule.due(doubt: .seconds(60)) == Self.at(60))
        schedule.noteWalk(began: Self.at(70), ended: Self.at(71), doubt: .seconds(60))
        #expect(schedule.due(doubt: .seconds(60)) == nil)
    }

    @Test func `what came late is walked for once more`() {
        var schedule = SweepSchedule()
        schedule.noteRegistration(at: Self.at(0))
        schedule.noteRegistration(at: Self.at(50))
        schedule.noteWalk(began: Self.at(60), ended: Self.at(61), doubt: .seconds(60))
        #expect(schedule.due(doubt: .seconds(60)) == Self.at(120))
    }

    @Test func `a walk that comes too early counts for nothing`() {
        var schedule = SweepSchedule()
        schedule.noteRegistration(at: Self.at(0))
        schedule.noteWalk(began: Self.at(5), ended: Self.at(5), doubt: .seconds(60))
        #expect(schedule.due(doubt: .seconds(60)) == Self.at(60))
    }

    @Test func `a table that takes long to list is listed rarely`() {
        var schedule = SweepSchedule()
        schedule.noteRegistration(at: Self.at(0))
        schedule.noteWalk(began: Self.at(10), ended: Self.at(110), doubt: .seconds(60))
        #expect(schedule.due(doubt: .seconds(60)) == Self.at(2110))
    }
}
