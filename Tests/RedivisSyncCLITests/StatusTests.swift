import SQLiteQueue
import SyncCore
import Testing

@testable import RedivisSyncCLI

@Suite struct DeliveryWindowTests {
    private static func delivered(_ ago: Int64, took: Duration, size: Int64 = 100) throws -> RecentDelivery {
        RecentDelivery(
            mapping: try Given.mapping().id,
            deliveredAt: Timestamp(milliseconds: Given.moment.milliseconds - ago * 1000), took: took, size: size)
    }

    private static func recent(_ deliveries: [RecentDelivery], last: Int64) -> RecentDeliveries {
        var recent = RecentDeliveries()
        recent.deliveries = deliveries
        recent.lastSequence = last
        return recent
    }

    @Test func figuresAreOfTheTimeAskedFor() throws {
        var window = DeliveryWindow()
        let old = try Self.delivered(7200, took: .seconds(9), size: 5)
        let new = try (1...100).map { try Self.delivered(10, took: .milliseconds(Int64($0) * 10)) }
        window.add(Self.recent([old] + new.shuffled(), last: 101), at: Given.moment)
        let id = try Given.mapping().id
        let hour = window.figures(of: id, within: .seconds(3600), before: Given.moment)
        #expect(hour.files == 100 && hour.bytes == 10_000)
        #expect(hour.median == .milliseconds(500) && hour.p95 == .milliseconds(950))
        let day = window.figures(of: id, within: .seconds(86_400), before: Given.moment)
        #expect(day.files == 101 && day.bytes == 10_005)
        #expect(window.lastSequence == 101)
    }

    @Test func whatIsOlderThanADayIsForgotten() throws {
        var window = DeliveryWindow()
        let id = try Given.mapping().id
        window.add(Self.recent([try Self.delivered(86_000, took: .zero)], last: 1), at: Given.moment)
        let later = Timestamp(milliseconds: Given.moment.milliseconds + 1_000_000)
        window.add(Self.recent([try Self.delivered(5, took: .seconds(1), size: .max)], last: 2), at: later)
        let day = window.figures(of: id, within: .seconds(86_400), before: later)
        #expect(day.files == 1 && day.bytes == .max)
        #expect(window.figures(of: id, within: .seconds(1_000_000), before: later).files == 1)
    }

    @Test(arguments: [(1, 50, 1), (1, 95, 1), (2, 50, 1), (3, 50, 2), (20, 95, 19), (21, 95, 20), (100, 100, 100)])
    func aPercentileIsTheNearestRank(_ count: Int, _ percent: Int, _ rank: Int) {
        let sorted = (1...count).map { Duration.seconds($0) }
        #expect(DeliveryWindow.Figures.percentile(percent, of: sorted) == .seconds(rank))
        #expect(DeliveryWindow.Figures.percentile(percent, of: []) == nil)
    }
}

@Suite struct StatusTests {
    static func place(_ id: String) throws -> StatusFacts.Place {
        StatusFacts.Place(
            id: try Given.mapping(id).id, folder: Array("/data/\(id)".utf8), table: "demo_org.weather_stations.readings"
        )
    }

    static func facts(_ ids: [String] = ["weather"]) throws -> StatusFacts {
        var facts = StatusFacts(
            now: Given.moment, stateDirectory: Array("/var/lib/redivis-sync".utf8),
            mappingFile: Array("/etc/redivis-sync/mapping.yaml".utf8))
        facts.places = try ids.map(place)
        return facts
    }

    /// A running agent, each of its fields with a value, and words that a terminal should never see as they are.
    static func running(_ ids: [String] = ["weather"], transfers: Int = 3) throws -> StatusFacts {
        var facts = try facts(ids)
        let started = Timestamp(milliseconds: Given.moment.milliseconds - 10_000)
        var agent = AgentStatus(
            startedAt: started, version: "1.2.3", processID: 4242,
            mappingFile: .init(path: PathBytes(facts.mappingFile), loadedAt: started))
        for (index, place) in facts.places.enumerated() {
            var mapping = MappingStatus(id: place.id, folder: PathBytes(place.folder), table: place.table)
            mapping.state = MappingState.allCases[index % MappingState.allCases.count]
            mapping.watchMode = "by events \(nasty)"
            mapping.lastScanAt = started
            mapping.filesKnown = 3
            mapping.worstDetectionDelay = .seconds(62)
            agent.mappings.append(mapping)
            facts.figures.counts[place.id] = [.delivered: 1204, .queued: 3, .held: 1]
            facts.figures.oldestReady[place.id] = ReadyFile(
                path: try #require(RelativePath(nasty)), state: .queued, since: started)
        }
        agent.transfers = (0..<transfers).map { number in
            TransferStatus(
                delivery: DeliveryID(Int64(number)), path: PathBytes(Array(nasty.utf8)), mapping: facts.places[0].id,
                sent: 6 << 20, total: 11 << 20, startedAt: started, sentBefore: 1 << 20)
        }
        agent.problems = [AgentProblem(.folder, nasty, mapping: facts.places[0].id, since: started, remedy: nasty)]
        agent.watcher = WatcherStatus(
            watches: 12, limit: 65_536, limitName: "fs.inotify.max_user_watches", overflows: 2)
        facts.agent = agent
        facts.figures.totals = [facts.places[0].id: DeliveredTotal(files: 9, bytes: 99)]
        facts.unreleased = [
            UnreleasedFiles(table: Given.receipt.table, files: 4, bytes: 44, isCut: true, newestReleased: nil)
        ]
        return facts
    }

    @Test func withoutAnAgentOneLineSaysSo() throws {
        let lines = StatusPicture(try Self.facts()).lines(.plain, showsProblems: true)
        #expect(lines.first == "○ no agent runs; start it with: redivis-sync run")
        #expect(lines.contains("● weather  not watched"))
        #expect(StatusReport(try Self.facts()).problems.isEmpty)
    }

    @Test(arguments: [20, 40, 60, 80, 132, 200])
    func nothingInItIsObeyedByATerminal(width: Int) throws {
        let style = TextStyle(hasColour: false, width: width)
        let picture = StatusPicture(try Self.running(["weather", "logs"]))
        for line in picture.lines(style, showsProblems: true) + picture.lines(style, height: 12) {
            #expect(isSafe(line) && !line.contains("\n"), "\(line)")
        }
        #expect(isSafe(JSONText.line(picture.report)))
    }

    @Test(arguments: [40, 80, 200], [4, 10, 16, 24, 50, 200])
    func aScreenIsNeverFilledBeyondItsHeight(width: Int, height: Int) throws {
        let ids = (1...12).map { "mapping-\($0)" }
        let picture = StatusPicture(try Self.running(ids, transfers: 20))
        let lines = picture.lines(TextStyle(hasColour: false, width: width), height: height)
        #expect(lines.count <= height)
        #expect(lines.count >= min(height, 12) - 1)
        // What fits is there: each mapping, however little of it.
        if height >= 50 { for id in ids { #expect(lines.contains { $0.contains("● \(id)") }, "\(id)") } }
    }

    @Test func barsTellTheRateAndTheTimeLeft() throws {
        let style = TextStyle(hasColour: false, width: 100)
        var picture = StatusPicture(try Self.running(transfers: 1))
        let average = picture.lines(style, showsProblems: false)
        #expect(average.contains("1 transfer, 512.0 KiB/s"))
        #expect(average.contains { $0.contains("54% of   11.0 MiB    0:10") })
        picture.rates = [DeliveryID(0): 5 << 20]
        let watched = picture.lines(style, showsProblems: false)
        #expect(watched.contains("1 transfer, 5.0 MiB/s"))
        #expect(watched.contains { $0.contains("54% of   11.0 MiB    0:01") })
    }

    @Test func aTransferTellsNoRateInItsFirstMoments() {
        let transfer = TransferStatus(
            delivery: DeliveryID(1), path: PathBytes([97]), sent: 5, total: 9, startedAt: Given.moment, sentBefore: 0)
        #expect(transfer.bytesPerSecond(at: Given.moment) == nil)
        let later = Timestamp(milliseconds: Given.moment.milliseconds + 1000)
        #expect(transfer.bytesPerSecond(at: later) == 5)
        let older = TransferStatus(delivery: DeliveryID(1), path: PathBytes([97]), sent: 5, total: 9)
        #expect(older.bytesPerSecond(at: later) == nil)
    }

    @Test func everyKindOfTroubleIsAProblem() throws {
        var facts = try Self.running(MappingState.allCases.map(\.rawValue))
        facts.agent?.problems = AgentProblem.Kind.allCases.map { AgentProblem($0, "words", remedy: "remedy") }
        facts.agent?.mappingFile.problems = ["/etc/mapping.yaml:1:1: nonsense"]
        facts.mappingFileProblems = ["/etc/mapping.yaml:1:1: nonsense"]
        facts.silence = "silent"
        facts.figures.counts[facts.places[0].id] = [.parked: 2]
        let path = try #require(RelativePath("2024/june.csv"))
        facts.figures.twins.standing = [
            .init(
                mapping: facts.places[0].id, path: path, table: TableKey("demo.weather.readings"), name: "june-1.csv",
                version: "v1.2", why: "its version is released", found: Given.moment)
        ]
        facts.figures.twins.standingCount = 1
        let problems = StatusReport(facts).problems
        #expect(Set(problems.map(\.kind)) == Set(StatusReport.Problem.Kind.allCases))
        let twin = try #require(problems.first { $0.kind == .twin })
        #expect(twin.text.hasPrefix("2024/june.csv is on demo.weather.readings twice"))
        // Once, although the agent tells it twice.
        #expect(problems.filter { $0.kind == .mappingFile }.count == 1)
        let parked = try #require(problems.first { $0.kind == .parked })
        let id = facts.places[0].id
        #expect(
            parked.line
                == "\(id): 2 files are parked; redivis-sync list --state parked --mapping \(id) tells why")
    }

    @Test func aRefusedTableIsAProblemAlsoWhereTheAgentNamesNone() throws {
        var facts = try Self.running(["weather"])
        facts.figures.counts = [:]
        facts.agent?.problems = []
        facts.agent?.mappings[0].state = .blocked
        #expect(StatusReport(facts).problems.map(\.kind) == [.table])
        facts.agent?.problems = [AgentProblem(.token, "refused")]
        #expect(StatusReport(facts).problems.map(\.kind) == [.token])
    }

    @Test func theKindsOfTheSchemaAreThoseOfTheCode() throws {
        let schema = try Project.read("docs/schemas/status.json")
        for kind in StatusReport.Problem.Kind.allCases { #expect(schema.contains("\"\(kind.rawValue)\""), "\(kind)") }
        for state in MappingState.allCases { #expect(schema.contains("\"\(state.rawValue)\""), "\(state)") }
        for state in PublicState.allCases { #expect(schema.contains("\"\(state.rawValue)\""), "\(state)") }
    }
}
