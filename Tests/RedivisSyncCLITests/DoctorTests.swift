import FolderWatch
import LocalFiles
import MappingConfig
import SQLiteQueue
import SyncCore
import Synchronization
import SystemPackage
import Testing

@testable import RedivisAPI
@testable import RedivisSyncCLI

/// Each of these says of one row of facts what is found of it.
@Suite struct DoctorMachineTests {
    typealias Verdict = DoctorCheck.Verdict

    private func inotify(
        watches: [InotifyFacts.Limit] = [.init(name: "fs.inotify.max_user_watches", value: 8192)],
        instances: Int = 128, queue: Int = 16_384, used: Int = 0, usedInstances: Int = 0, directories: Int = 10,
        usedIsWhole: Bool = true
    ) -> InotifyFacts {
        var facts = InotifyFacts()
        facts.watches = watches
        facts.instances = [.init(name: "fs.inotify.max_user_instances", value: instances)]
        facts.queue = .init(name: "fs.inotify.max_queued_events", value: queue)
        (facts.usedWatches, facts.usedInstances, facts.usedIsWhole) = (used, usedInstances, usedIsWhole)
        facts.directories = directories
        return facts
    }

    private func check(_ facts: InotifyFacts, _ subject: DoctorSubject) throws -> DoctorCheck {
        try #require(facts.checks.first { $0.subject == subject })
    }

    @Test func watchesAreHeldAgainstDirectoriesAndWhatOthersUse() throws {
        let cases: [(InotifyFacts, Verdict, String)] = [
            (
                inotify(), .ok,
                "10 directories to watch; 8,192 allowed (fs.inotify.max_user_watches), other programs use 0"
            ),
            (inotify(directories: 8192), .ok, "8,192 directories"),
            (inotify(directories: 8193), .warning, "1 of them will be polled"),
            (inotify(used: 8190), .warning, "8 of them will be polled"),
            (inotify(used: 9000), .warning, "10 of them will be polled"),
            (inotify(used: 3, usedIsWhole: false), .ok, "other programs use at least 3"),
        ]
        for (facts, verdict, word) in cases {
            let check = try check(facts, .inotifyWatches)
            #expect(check.verdict == verdict)
            #expect(check.finding.contains(word), "\(check.finding)")
        }
        let remedy = try check(inotify(used: 100, directories: 9000), .inotifyWatches).remedy
        #expect(remedy?.contains("sudo sysctl -w fs.inotify.max_user_watches=32768,") == true)
    }

    @Test func theSmallerOfTwoLimitsIsNamedAndEachThatIsTooSmallIsRaised() throws {
        let limits: [InotifyFacts.Limit] = [
            .init(name: "fs.inotify.max_user_watches", value: 8192), .init(name: "user.max_inotify_watches", value: 50),
        ]
        let one = try check(inotify(watches: limits, directories: 500), .inotifyWatches)
        #expect(one.finding.contains("50 allowed (user.max_inotify_watches)"))
        #expect(one.remedy?.contains("sysctl -w user.max_inotify_watches=1024,") == true)
        let both = try check(inotify(watches: limits, directories: 10_000), .inotifyWatches)
        #expect(both.remedy?.contains("fs.inotify.max_user_watches=32768 user.max_inotify_watches=32768") == true)
    }

    @Test func instancesAndTheQueue() throws {
        #expect(try check(inotify(usedInstances: 127), .inotifyInstances).verdict == .ok)
        let none = try check(inotify(usedInstances: 128), .inotifyInstances)
        #expect(none.verdict == .warning && none.remedy?.contains("fs.inotify.max_user_instances=256") == true)
        #expect(try check(inotify(queue: 4096), .inotifyQueue).verdict == .ok)
        let short = try check(inotify(queue: 16), .inotifyQueue)
        #expect(short.verdict == .warning && short.remedy?.contains("max_queued_events=16384") == true)
    }

    @Test func limitsThatCannotBeReadAreSaid() {
        #expect(InotifyFacts().checks.map(\.verdict) == [.warning, .warning, .warning])
    }

    @Test func whatThisUserHasInUseIsFound() throws {
        // This process is left out; what is counted is what others have, which is at least nothing.
        let use = InotifyUse(of: 0xFFFF_FFF0, excluding: nil)
        #expect(use.watches == 0 && use.instances == 0 && use.isWhole)
        #expect(InotifyFacts.limits().watches.allSatisfy { $0.value > 0 })
    }

    @Test func openFiles() {
        #expect(OpenFilesFacts(limit: 1024, uploads: 4).check.verdict == .ok)
        #expect(OpenFilesFacts(limit: 80, uploads: 4).check.verdict == .ok)
        let few = OpenFilesFacts(limit: 79, uploads: 4).check
        #expect(few.verdict == .problem && few.remedy?.contains("LimitNOFILE=160") == true)
        #expect(OpenFilesFacts(limit: .max, uploads: .max).check.finding.contains("unlimited"))
    }

    @Test func folders() throws {
        var facts = FolderFacts(mapping: "weather", folder: "/data")
        (facts.directories, facts.files) = (1, 3)
        for (type, verdict): (FileSystemType?, Verdict) in [
            (FileSystemType(number: 0xEF53), .ok), (FileSystemType(number: 0x1234), .warning), (nil, .ok),
            (FileSystemType(number: 0x6969), .warning), (FileSystemType(number: 0xFF53_4D42), .warning),
            (FileSystemType(number: 0x6573_5546), .warning), (FileSystemType(number: 0x0102_1997), .warning),
        ] {
            facts.type = type
            #expect(facts.checks.first?.verdict == verdict, "\(String(describing: type))")
        }
        facts.type = FileSystemType(number: 0x6969)
        #expect(facts.checks.first?.finding.contains("/data on NFS, 1 directory, 3 files") == true)
        facts.isWhole = false
        #expect(facts.checks.first?.finding.contains("at least 1 directory") == true)
        facts.trouble = Failure(.sourceGone, scope: .destination, "cannot list the folder /data", hint: "mount it")
        #expect(facts.checks.map(\.verdict) == [.problem])
        #expect(facts.checks.first?.remedy == "mount it")
    }

    @Test(arguments: [
        (LeaseFacts(), Verdict.ok, "no file"), (LeaseFacts(own: .nobody), .ok, "granted"),
        (LeaseFacts(own: .somebody), .ok, "granted"), (LeaseFacts(isWanted: false, own: .unavailable), .ok, "ignore"),
        (LeaseFacts(own: .nobody, others: .nobody, user: 7), .ok, "also on files of user 7"),
        (LeaseFacts(own: .nobody, others: .unavailable, user: 7), .warning, "files of user 7"),
        (LeaseFacts(others: .unavailable, user: 7), .warning, "files of user 7"),
        (LeaseFacts(own: .unavailable), .warning, "file system"),
        (LeaseFacts(own: .unavailable, others: .unavailable, user: 7), .warning, "file system"),
    ])
    func leases(facts: LeaseFacts, verdict: Verdict, word: String) {
        let check = facts.check(mapping: "weather")
        #expect(check.verdict == verdict)
        #expect(check.finding.contains(word), "\(check.finding)")
        #expect((check.remedy == nil) == (verdict == .ok))
    }

    @Test func theStateDirectory() throws {
        var facts = StateFacts(path: "/state", type: FileSystemType("ext4"), holder: 42, freeBytes: 5 << 30)
        #expect(facts.checks.map(\.verdict) == [.ok, .ok])
        #expect(facts.checks.first?.finding == "/state, mode 0700, on ext4, held by the agent, process 42")
        facts.exists = false
        #expect(facts.checks.first?.finding == "/state, which the first run makes")
        facts.isWritable = false
        #expect(facts.checks.first?.verdict == .problem)
        facts.problem = .networkFileSystem("/state", kind: "NFS")
        #expect(facts.checks.first?.verdict == .problem && facts.checks.first?.finding.contains("NFS") == true)
    }

    @Test func theDisk() {
        let (gib, mib): (Int64, Int64) = (1 << 30, 1 << 20)
        let cases: [(bytes: Int64?, files: Int64?, verdict: Verdict)] = [
            (5 * gib, nil, .ok), (gib, nil, .ok), (gib - 1, nil, .warning), (64 * mib, nil, .warning),
            (64 * mib - 1, nil, .problem), (0, nil, .problem), (5 * gib, 999, .warning), (5 * gib, 1000, .ok),
            (nil, nil, .warning),
        ]
        for (bytes, files, verdict) in cases {
            let check = StateFacts(path: "/state", freeBytes: bytes, freeFiles: files).checks.last
            #expect(check?.subject == .disk && check?.verdict == verdict, "\(bytes ?? -1) \(files ?? -1)")
        }
    }
}

@Suite struct DoctorRedivisTests {
    typealias Verdict = DoctorCheck.Verdict

    private static let now = Timestamp(milliseconds: 1_772_357_412_345)
    private static let away = Failure(.transient, scope: .agent, "no connection to redivis.com")

    private func server(
        greeting: Result<RedivisRemote.Greeting, Failure>,
        addresses: Result<[String], Failure> = .success(["192.0.2.1"]),
        lookUp: Duration = .milliseconds(3)
    ) -> ServerFacts {
        ServerFacts(
            server: RedivisRemote.Server(host: "redivis.com", port: 443, usesTLS: true), lookedUp: "redivis.com",
            addresses: addresses, lookUp: lookUp, greeting: greeting, answering: .milliseconds(120), localTime: Self.now
        )
    }

    private func greeting(
        _ status: Int = 404, isWebPage: Bool = false, ends: Int64? = 90 * 86_400_000, skew: Int64 = 0
    ) -> Result<RedivisRemote.Greeting, Failure> {
        .success(
            RedivisRemote.Greeting(
                status: status, isWebPage: isWebPage,
                serverTime: Timestamp(milliseconds: Self.now.milliseconds + skew),
                encryption: ends.map {
                    RedivisRemote.Encryption(
                        version: "TLS 1.3", certificateEnds: Timestamp(milliseconds: Self.now.milliseconds + $0))
                }))
    }

    private func verdicts(_ facts: ServerFacts) -> [DoctorSubject: Verdict] {
        facts.checks.reduce(into: [:]) { $0[$1.subject] = $1.verdict }
    }

    @Test func aServerThatAnswersIsWell() {
        #expect(verdicts(server(greeting: greeting())) == [.names: .ok, .api: .ok, .encryption: .ok, .clock: .ok])
        #expect(server(greeting: greeting()).checks[2].finding.contains("valid until 2026-05-30"))
        #expect(verdicts(server(greeting: greeting(ends: nil)))[.encryption] == .ok)
    }

    @Test func whatKeepsItFromAnsweringIsSaid() {
        let facts = server(greeting: .failure(Self.away), addresses: .failure(Self.away))
        #expect(verdicts(facts) == [.names: .problem, .api: .problem])
        #expect(facts.checks.allSatisfy { $0.remedy?.isEmpty == false })
        #expect(!facts.isReached)
        #expect(verdicts(server(greeting: greeting(200, isWebPage: true)))[.api] == .warning)
        #expect(verdicts(server(greeting: greeting(404, isWebPage: true)))[.api] == .ok)
        #expect(verdicts(server(greeting: greeting(503)))[.api] == .warning)
        #expect(verdicts(server(greeting: greeting(), lookUp: .seconds(5)))[.names] == .warning)
    }

    @Test func aCertificateThatEndsSoonIsSaid() {
        let day: Int64 = 86_400_000
        #expect(verdicts(server(greeting: greeting(ends: 14 * day)))[.encryption] == .ok)
        #expect(verdicts(server(greeting: greeting(ends: 14 * day - 1)))[.encryption] == .warning)
    }

    @Test(arguments: [
        (0, Verdict.ok, "within 1 s"), (300_000, .ok, "within 5 min 1 s"), (-300_000, .ok, "within"),
        (301_000, .warning, "5 min 1 s behind"), (-3_600_000, .warning, "1 h ahead of"),
        (Int64.max - 1_772_357_412_345, .warning, "behind"),
    ])
    func theClock(skew: Int64, verdict: Verdict, word: String) {
        let server = Timestamp(milliseconds: Self.now.milliseconds + skew)
        let check = ClockCheck.check(server: server, local: Self.now)
        #expect(check.verdict == verdict)
        #expect(check.finding.contains(word), "\(check.finding)")
        #expect(ClockCheck.check(server: nil, local: Self.now).verdict == .warning)
    }

    @Test func proxies() {
        #expect(ProxyFacts().check.verdict == .ok)
        let used = "HTTPS_PROXY (proxy.test:3128)"
        for (serves, isReached, verdict) in [
            (true, true, .ok), (true, false, .problem), (true, nil, .warning), (false, false, .ok), (false, true, .ok),
        ] as [(Bool, Bool?, Verdict)] {
            let check = ProxyFacts(used: used, serves: serves, idle: ["http_proxy"], isReached: isReached).check
            #expect(check.verdict == verdict)
            #expect(check.finding.contains(used) && check.finding.contains("http_proxy is set and not used"))
        }
    }

    // MARK: The token

    private static let secret = "a-secret-token"

    private func token(
        reading: Result<RemoteTable, Failure>? = nil, writing: Result<UploadSession, Failure>? = nil,
        storage: Result<TransferAnswer, Failure>? = nil
    ) throws -> TokenFacts {
        let found = try AgentEnvironment(["REDIVIS_API_TOKEN": Self.secret], isRoot: false)
            .token(AgentSettings(), mappingFile: "/m.yaml")
        var facts = TokenFacts(.success(found))
        (facts.table, facts.reading, facts.writing, facts.storage) = ("a.b.c", reading, writing, storage)
        return facts
    }

    @Test func theTokenIsToldByItsPlaceAlone() throws {
        let table = RemoteTable(key: TableKey("a.b.c"), hasDraft: true, released: [], mergeStrategy: nil)
        let scope = Failure(.unauthorized, scope: .agent, "refused", hint: "the token lacks the scope data.edit")
        let table404 = Failure(.forbidden, scope: .destination, "no such table")
        let answer = TransferAnswer(reply: .stored(0), serverTime: nil)
        let cases: [(TokenFacts, [DoctorSubject: Verdict])] = [
            (try token(), [.token: .ok]),
            (
                try token(reading: .success(table), writing: .success(Given.session), storage: .success(answer)),
                [.token: .ok, .table: .ok, .writing: .ok, .storage: .ok]
            ),
            (try token(reading: .failure(scope)), [.token: .problem]),
            (try token(reading: .success(table), writing: .failure(scope)), [.token: .problem, .table: .ok]),
            (try token(reading: .failure(table404)), [.token: .ok, .table: .problem]),
            (try token(reading: .failure(Self.away)), [.token: .ok, .table: .problem]),
            (
                try token(reading: .success(table), writing: .failure(table404)),
                [.token: .ok, .table: .ok, .writing: .problem]
            ),
            (
                try token(reading: .success(table), writing: .success(Given.session), storage: .failure(Self.away)),
                [.token: .ok, .table: .ok, .writing: .ok, .storage: .problem]
            ),
            (
                try token(
                    reading: .success(table), writing: .success(Given.session),
                    storage: .failure(Failure(.sessionRefused, "refused"))),
                [.token: .ok, .table: .ok, .writing: .ok, .storage: .warning]
            ),
        ]
        for (facts, verdicts) in cases {
            #expect(facts.checks.reduce(into: [:]) { $0[$1.subject] = $1.verdict } == verdicts)
            let words = facts.checks.map { $0.finding + ($0.remedy ?? "") }.joined()
            #expect(!words.contains(Self.secret) && !words.contains("topsecret"))
            #expect(words.contains("$REDIVIS_API_TOKEN"))
        }
    }

    @Test func aTokenThatIsNotThereComesWithTheWayToOne() {
        for problem: TokenProblem in [
            .none(beside: "/etc/token"), .exposed("/etc/token", mode: 0o644), .malformed("it", isEmpty: true),
            .unreadable("/etc/token", "is not there", remedy: "name one that is"),
        ] {
            let checks = TokenFacts(.failure(problem)).checks
            #expect(checks.map(\.verdict) == [.problem])
            #expect(checks.first?.remedy?.isEmpty == false && checks.first?.finding.contains(";") == false)
        }
    }
}

@Suite struct DoctorReportTests {
    private func report(_ checks: [DoctorCheck]) -> DoctorReport {
        var report = DoctorReport()
        report.add(checks)
        return report
    }

    private static let checks: [DoctorCheck] = [
        .ok(.mappingFile, "/etc/mapping.yaml, 1 mapping"),
        .warning(.leases, "none is granted on files of user 7", "give the agent CAP_LEASE", mapping: "weather"),
        .problem(.disk, "3 B free", "free space"),
    ]

    @Test func theWorstDecides() {
        #expect(report([]).verdict == .ok)
        #expect(report(Array(Self.checks[..<1])).verdict == .ok)
        #expect(report(Array(Self.checks[..<2])).verdict == .warning)
        #expect(report(Self.checks).verdict == .problem)
        #expect(report(Self.checks).told == ["disk: 3 B free; free space"])
        #expect(report(Self.checks).summary == "1 problem, 1 warning")
        #expect(report([]).summary == "everything is well")
    }

    @Test(arguments: [40, 60, 80, 200])
    func linesAreAlignedAndWrapped(width: Int) {
        var text = DoctorText(TextStyle(hasColour: false, width: width))
        let words = Array(repeating: "気温 and words", count: 20).joined(separator: " ")
        let lines = text.lines(of: [
            .ok(.disk, words), .problem(.folder, words, words, mapping: "weather"),
        ])
        #expect(lines.allSatisfy { width < 60 || DisplayWidth.of($0) <= width })
        #expect(lines.first == "Mapping file and state")
        #expect(lines.contains("Folders") && lines.contains(""))
        let starts = lines.filter { $0.hasPrefix("  ✓  disk") || $0.hasPrefix("  ✗  folder") }
        #expect(starts.count == 2 && starts.allSatisfy { Array($0)[23] == " " && Array($0)[24] != " " })
        #expect(lines.contains { $0.hasPrefix(String(repeating: " ", count: 24) + "→ ") })
    }

    @Test func nothingInItIsObeyedByATerminal() {
        var text = DoctorText(TextStyle(hasColour: false, width: 80))
        let lines = text.lines(of: [.problem(.folder, nasty, nasty, mapping: nasty)])
        #expect(lines.allSatisfy(isSafe))
        #expect(isSafe(JSONText.line(report([.problem(.folder, nasty, nasty)]))))
    }

    @Test func everySubjectIsInTheDocument() throws {
        let page = try Project.read("docs/command-line.md")
        for subject in DoctorSubject.allCases {
            let isThere = page.contains("| `\(subject.rawValue)` |")
            #expect(isThere, "\(subject.rawValue)")
        }
    }

    @Test func workThatTakesTooLongIsLeftBehind() async {
        let slow = await Bounded.run(.milliseconds(20), "looking up x") { () throws(Failure) in
            // Does not look at cancellation, as a name look-up does not.
            await withCheckedContinuation { Self.kept.keep($0) }
            return 1
        }
        guard case .failure(let failure) = slow else {
            Issue.record("it did not end")
            return
        }
        #expect(failure.summary.contains("looking up x"))
        Self.kept.resume()
        let quick = await Bounded.run(.seconds(60), "x") { () throws(Failure) in 2 }
        #expect(quick == .success(2))
    }

    private static let kept = Kept()

    private final class Kept: Sendable {
        /// Kept by the task that waits and resumed by the test, at once with it.
        private let continuation = Mutex<CheckedContinuation<Void, Never>?>(nil)

        func keep(_ one: CheckedContinuation<Void, Never>) { continuation.withLock { $0 = one } }

        func resume() {
            continuation.withLock {
                $0?.resume()
                $0 = nil
            }
        }
    }
}
