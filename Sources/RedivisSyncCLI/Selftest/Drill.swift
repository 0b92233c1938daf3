import FoundationEssentials
import Glibc
import SyncCore
import SystemPackage

/// Why a step of the drill failed.
struct DrillTrouble: Error {
    let finding: String
}

/// The drill: a sandbox and an agent of this very program in a temporary folder, files fed, the agent killed in the
/// middle of a transfer and started again; then what arrived is judged from the sandbox's directory alone.
struct Drill {
    let folder: DrillFolder
    /// `nil` where nothing is shown on the way.
    let screen: DrillScreen?

    private let begun = ContinuousClock.now
    private let uploads: ArrivedUploads
    private var fed: [FedFile] = []
    /// The sizes of completed registrations that were ever seen. Every file of the drill has a size of its own, so
    /// that what is still to come is known without reading all bytes again and again; only the judgement does that.
    private var seen: Set<Int64> = []
    private var sandbox: ChildProcess?
    private var agent: ChildProcess?
    private var report = DrillReport()

    /// From the first step until the judgement.
    static let limit = Duration.seconds(60)
    static let large = 12 << 20
    /// How much of the large file is to be there before the agent is killed.
    static let middle: Int64 = 3 << 20

    init(in folder: DrillFolder, screen: DrillScreen?) {
        self.folder = folder
        self.screen = screen
        uploads = ArrivedUploads(directory: folder.arrived)
    }

    /// - Throws: `CancellationError` where the task is cancelled. No child is left, however it ends.
    mutating func run() async throws -> DrillReport {
        defer { ChildProcess.endAll() }
        screen?.heading(folder)
        for step in DrillStep.allCases where report.verdict == .passed || step == .judgement {
            screen?.begins(step)
            let done = try await outcome(of: step)
            report.add(done)
            screen?.ends(done)
        }
        report.seconds = (ContinuousClock.now - begun).inSeconds
        return report
    }

    private mutating func outcome(of step: DrillStep) async throws -> DrillReport.Step {
        do {
            return .init(step: step, verdict: .passed, finding: try await perform(step))
        } catch let trouble as DrillTrouble {
            return .init(step: step, verdict: .failed, finding: trouble.finding)
        } catch let error as CancellationError {
            throw error
        } catch let error as Errno {
            return .init(step: step, verdict: .failed, finding: "\(error)")
        } catch {
            return .init(step: step, verdict: .failed, finding: "what the stand-in keeps cannot be read: \(error)")
        }
    }

    private mutating func perform(_ step: DrillStep) async throws -> String {
        switch step {
        case .sandbox: try await startSandbox()
        case .agent: try await startAgent()
        case .files: try feed()
        case .kill: try await killAgent()
        case .restart: try restartAgent()
        case .delivery: try await awaitDelivery()
        case .stop: try await stopAgent()
        case .once: try await runOnce()
        case .judgement: try judge()
        }
    }

    // MARK: Steps

    private mutating func startSandbox() async throws -> String {
        // The answers to chunks are slow enough for a middle to kill in, and one answer to a registration is lost.
        sandbox = try start(
            [
                "sandbox", "--port", "0", "--directory", folder.arrived.string, "--json",
                "--fault", "put-chunk:*:wait=100", "--fault", "post-uploads:4:lose-reply",
            ], output: folder.sandboxOutput, errors: folder.sandboxLog)
        var origins: Origins?
        try await wait("the stand-in did not say where it listens") { drill in
            let line = (try? FolderContents.read(drill.folder.sandboxOutput)) ?? []
            origins = try? JSONDecoder().decode(Origins.self, from: Data(line))
            return origins != nil
        }
        guard let api = origins?.api else { throw DrillTrouble(finding: "the stand-in listens nowhere") }
        try folder.writeMappingFile(api: api)
        return "a stand-in for Redivis listens at \(api)"
    }

    private struct Origins: Decodable {
        let api: String
    }

    private mutating func startAgent() async throws -> String {
        try put("here-before/first.csv", size: 2_003)
        try put("second.csv", size: 3_001)
        agent = try startRun([])
        try await awaitAll("the agent did not deliver what lay there before")
        return "the agent watches, and delivered \(Words.count(fed.count, "file")) that lay there before"
    }

    private mutating func feed() throws -> String {
        for number in 1...9 { try put("2026/0\(number)/day \(number).csv", size: 10_000 + 1_111 * number) }
        try put("2026/renamed-in.csv", size: 40_009, renamedIn: true)
        try put("empty.csv", size: 0)
        try put(#"odd/naïve "100 %" 气温 #1;'.csv"#, size: 4_007)
        // Latin-1, which is no UTF-8.
        try put(Array("odd/caf".utf8) + [0xE9] + Array(".csv".utf8), size: 5_009)
        try put("large.bin", size: Self.large)
        return "fed: nested, renamed in, empty, with odd names, and one of \(Words.bytes(Int64(Self.large)))"
    }

    private mutating func killAgent() async throws -> String {
        var there: Int64 = 0
        try await wait("the large file's transfer did not come to its middle") { drill in
            there = drill.uploads.largestObject()
            return there >= Self.middle
        }
        agent?.send(SIGKILL)
        let ending = try await endingOfAgent(within: .seconds(10))
        guard ending == .killed(signal: SIGKILL) else {
            throw DrillTrouble(finding: "the agent ended \(ending.text) before it could be killed")
        }
        guard there < Self.large else {
            throw DrillTrouble(finding: "the large file had arrived before the agent could be killed; try again")
        }
        return "killed by SIGKILL with \(Words.bytes(there)) of \(Words.bytes(Int64(Self.large))) sent"
    }

    private mutating func restartAgent() throws -> String {
        try put("while-away.csv", size: 6_007)
        let moved = Array("2026/moved/first.csv".utf8)
        try FolderContents.rename(place(of: fed[0].path), to: place(of: moved))
        fed[0].path = moved
        agent = try startRun([])
        return "started again; meanwhile a file came, and a delivered one was moved"
    }

    private mutating func awaitDelivery() async throws -> String {
        let start = ContinuousClock.now
        try await awaitAll("not everything arrived in time")
        let time = Words.oneDecimal((ContinuousClock.now - start).inSeconds)
        return "everything fed is registered and imported, \(time) s later"
    }

    private mutating func stopAgent() async throws -> String {
        let start = ContinuousClock.now
        agent?.send(SIGTERM)
        let ending = try await endingOfAgent(within: .seconds(10))
        guard ending == .exited(0) else { throw DrillTrouble(finding: said(ending, folder.agentLog)) }
        return "the agent ended in order, \(Words.oneDecimal((ContinuousClock.now - start).inSeconds)) s after SIGTERM"
    }

    private mutating func runOnce() async throws -> String {
        agent = try startRun(["--once"])
        let ending = try await endingOfAgent(within: Self.limit)
        guard ending == .exited(0) else { throw DrillTrouble(finding: said(ending, folder.agentLog)) }
        return "run --once has nothing left to do"
    }

    private mutating func judge() throws -> String {
        ChildProcess.endAll()
        let arrived = try uploads.all()
        let judgement = DrillJudgement(fed: fed, arrived: arrived)
        report.judge(judgement, of: fed)
        let counts = "\(Words.count(fed.count, "file")) fed, \(Words.count(arrived.count, "registration"))"
        guard judgement.problems.isEmpty else {
            throw DrillTrouble(finding: "\(counts), \(Words.count(judgement.problems.count, "problem"))")
        }
        return "\(counts), SHA-256 of each the same on both sides"
    }

    // MARK: Parts

    private mutating func put(_ path: String, size: Int, renamedIn: Bool = false) throws {
        try put(Array(path.utf8), size: size, renamedIn: renamedIn)
    }

    private mutating func put(_ path: [UInt8], size: Int, renamedIn: Bool = false) throws {
        fed.append(try folder.feed(path, size: size, renamedIn: renamedIn))
    }

    private func place(of path: [UInt8]) -> FilePath { folder.data.appending(FilePath(bytes: path).components) }

    private func startRun(_ arguments: [String]) throws -> ChildProcess {
        try start(
            ["run"] + arguments + ["--mapping-file", folder.mappingFile.string],
            output: folder.agentLog, errors: folder.agentLog)
    }

    private func start(_ arguments: [String], output: FilePath, errors: FilePath) throws -> ChildProcess {
        do throws(Errno) {
            return try ChildProcess.start(
                arguments, environment: folder.environment, output: output, errors: errors)
        } catch {
            throw DrillTrouble(finding: "this program cannot be started again: \(error)")
        }
    }

    private mutating func awaitAll(_ otherwise: String) async throws {
        try await wait(otherwise) { drill in
            for one in try drill.uploads.registrations() where one.status == "completed" && !one.deleted {
                drill.seen.insert(one.size)
            }
            return drill.fed.allSatisfy { drill.seen.contains($0.size) }
        }
    }

    private mutating func endingOfAgent(within limit: Duration) async throws -> ChildProcess.Ending {
        guard let child = agent else { throw DrillTrouble(finding: "no agent runs") }
        // From here on its end is no surprise.
        agent = nil
        var ending: ChildProcess.Ending?
        try await wait("the agent did not end", within: limit) { _ in
            ending = child.ending()
            return ending != nil
        }
        return ending ?? .exited(-1)
    }

    /// Looks until something is so. A child that ends meanwhile ends the waiting.
    private mutating func wait(
        _ otherwise: String, within limit: Duration = limit, until isSo: (inout Drill) throws -> Bool
    ) async throws {
        let deadline = min(begun + Self.limit, ContinuousClock.now + limit)
        while try !isSo(&self) {
            if let ending = sandbox?.ending() {
                sandbox = nil
                throw DrillTrouble(finding: "the stand-in: " + said(ending, folder.sandboxLog))
            }
            if let ending = agent?.ending() {
                agent = nil
                throw DrillTrouble(finding: "the agent: " + said(ending, folder.agentLog))
            }
            guard ContinuousClock.now < deadline else {
                let last = DrillFolder.lastLine(of: folder.agentLog).map { "; the agent's last line: \($0)" }
                throw DrillTrouble(finding: otherwise + (last ?? ""))
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func said(_ ending: ChildProcess.Ending, _ log: FilePath) -> String {
        "it ended \(ending.text)" + (DrillFolder.lastLine(of: log).map { "; its last line: \($0)" } ?? "")
    }
}
