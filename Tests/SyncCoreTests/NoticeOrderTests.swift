import SyncCore
import Testing

/// What was noticed after a look began outlives that look, in every order of a change, the event of it, a scan and a
/// settle look.
@Suite("What was seen when")
struct NoticeOrderTests {
    enum Step: Hashable {
        case change
        case eventBegins, eventStats, eventNotes
        case scanBegins, scanStats, scanNotes
        case settleBegins, settleStats, settleRecords
    }

    static let threads: [[Step]] = [
        [.change, .eventBegins, .eventStats, .eventNotes], [.scanBegins, .scanStats, .scanNotes],
        [.settleBegins, .settleStats, .settleRecords],
    ]

    /// One path: what is there, what the queue holds and what settles.
    struct Path {
        /// Whether looks say truly when they began; otherwise they say when they were noted.
        var isHonest = true
        var now: Int64 = 0
        var version: Int64 = 0
        var accepted: Int64 = 0
        var settling: SettlingFile?
        var began: [Int: MonotonicInstant] = [:]
        var seen: [Int: Int64] = [:]
        var due: SettlingFile?

        static func observation(_ version: Int64) -> FileObservation {
            FileObservation(device: 1, inode: 2, size: 3, modified: version, changed: version)
        }

        private var instant: MonotonicInstant { MonotonicInstant(run: 1, nanoseconds: now) }

        private func file(_ version: Int64, noticed: MonotonicInstant) throws -> SettlingFile {
            SettlingFile(
                mapping: try #require(MappingID("weather")), path: try #require(RelativePath("a.csv")),
                observation: Self.observation(version), quietSince: instant, noticed: noticed, isExisting: false)
        }

        mutating func make(_ step: Step) throws {
            now += 1
            switch step {
            case .change: version += 1
            case .eventBegins: began[0] = instant
            case .scanBegins: began[1] = instant
            case .settleBegins: (began[2], due) = (instant, settling)
            case .eventStats: seen[0] = version
            case .scanStats: seen[1] = version
            case .settleStats: seen[2] = version
            case .eventNotes: try note(0, isUrgent: true)
            case .scanNotes: try note(1, isUrgent: false)
            case .settleRecords: try record()
            }
        }

        private func begin(of look: Int) throws -> MonotonicInstant {
            isHonest ? try #require(began[look]) : instant
        }

        private mutating func note(_ look: Int, isUrgent: Bool) throws {
            let (version, began) = (try #require(seen[look]), try begin(of: look))
            let look = PathLook(observation: Self.observation(version), began: began, isUrgent: isUrgent)
            switch SettlingFile.change(of: settling, by: look, accepted: Self.observation(accepted)) {
            case .none: break
            case .hasten: settling = settling?.noticed(at: began)
            case .erase: settling = nil
            case .begin: settling = try file(version, noticed: began)
            }
        }

        private mutating func record() throws {
            guard let due else { return }
            let (version, began) = (try #require(seen[2]), try begin(of: 2))
            let isOvertaken = settling.map { !$0.isOlder(thanLookBegunAt: began) } ?? false
            if due.observation == Self.observation(version) {
                accepted = version
                if !isOvertaken { settling = nil }
            } else if !isOvertaken {
                settling = try file(version, noticed: began)
            }
        }
    }

    /// All orders in which the threads' steps can come.
    static func orders(_ threads: [[Step]]) -> [[Step]] {
        guard threads.contains(where: { !$0.isEmpty }) else { return [[]] }
        return threads.indices.flatMap { index -> [[Step]] in
            guard let first = threads[index].first else { return [] }
            var rest = threads
            rest[index].removeFirst()
            return orders(rest).map { [first] + $0 }
        }
    }

    /// Orders after which the queue believes an older version, and nothing settles.
    private func lost(isHonest: Bool, settlesBefore: Bool) throws -> Int {
        try Self.orders(Self.threads).count { order in
            var path = Path(isHonest: isHonest)
            if settlesBefore {
                // Version 0 settles on a path of which nothing is accepted yet.
                path.accepted = -1
                for step in [Step.scanBegins, .scanStats, .scanNotes] { try path.make(step) }
            }
            for step in order { try path.make(step) }
            return path.settling == nil && path.accepted != path.version
        }
    }

    @Test(arguments: [false, true])
    func `no order of a change, its event, a scan and a settle look loses the change`(_ settles: Bool) throws {
        #expect(try lost(isHonest: true, settlesBefore: settles) == 0)
    }

    @Test func `looks that say when they were noted, and not when they began, lose changes`() throws {
        #expect(try lost(isHonest: false, settlesBefore: false) > 0)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// When what settles was noticed; `nil`: nothing settles.
        let noticed: Int64?
        var settles: Int64 = 1
        var accepts: Int64 = 0
        let began: Int64
        let sees: Int64
        var isUrgent = false
        let change: SettlingChange
    }

    static let rows = [
        Row(testDescription: "known, and nothing settles", noticed: nil, began: 5, sees: 0, change: .none),
        Row(testDescription: "another one, and nothing settles", noticed: nil, began: 5, sees: 1, change: .begin),
        Row(testDescription: "known, and seen later", noticed: 4, began: 5, sees: 0, change: .erase),
        Row(testDescription: "known, and seen at the same instant", noticed: 5, began: 5, sees: 0, change: .erase),
        Row(testDescription: "known, and seen earlier", noticed: 6, began: 5, sees: 0, change: .none),
        Row(testDescription: "another one, and seen later", noticed: 4, began: 5, sees: 2, change: .begin),
        Row(testDescription: "another one, and seen earlier", noticed: 6, began: 5, sees: 2, change: .none),
        Row(testDescription: "the same, and seen later", noticed: 4, began: 5, sees: 1, change: .none),
        Row(
            testDescription: "the same, heard of later", noticed: 4, began: 5, sees: 1, isUrgent: true,
            change: .hasten),
        Row(
            testDescription: "another one, heard of earlier", noticed: 6, began: 5, sees: 2, isUrgent: true,
            change: .hasten),
    ]

    @Test(arguments: rows) func `what a look changes`(_ row: Row) throws {
        func instant(_ nanoseconds: Int64) -> MonotonicInstant { MonotonicInstant(run: 1, nanoseconds: nanoseconds) }
        let settling = try row.noticed.map { noticed in
            SettlingFile(
                mapping: try #require(MappingID("weather")), path: try #require(RelativePath("a.csv")),
                observation: Path.observation(row.settles), quietSince: instant(noticed), isExisting: false)
        }
        let look = PathLook(
            observation: Path.observation(row.sees), began: instant(row.began), isUrgent: row.isUrgent)
        #expect(
            SettlingFile.change(of: settling, by: look, accepted: Path.observation(row.accepts)) == row.change)
    }
}
