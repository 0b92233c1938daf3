import ArgumentParser
import Glibc
import SyncSimulator

/// Runs worlds by the thousand, or one of them with its story.
@main
struct Entry: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync-simulator", abstract: "Runs whole agents in simulated worlds and looks for broken promises.")

    @Option(help: "Only worlds of this profile: \(Profile.allCases.map(\.rawValue).joined(separator: ", ")).")
    var profile: String?
    @Option(help: "The first seed; drawn at random where it is left out.")
    var base: UInt64?
    @Option(help: "How many worlds.")
    var worlds = Int.max
    @Option(help: "For how many seconds.")
    var seconds: Int?
    @Option(help: "Runs the one world of this seed.")
    var seed: UInt64?
    @Option(help: "Runs the world of this script file.")
    var script: String?
    @Option(help: "A rule, in its words, that may be broken; can be given several times.")
    var ignoring: [String] = []
    @Flag(help: "Tells the story of the one world, step by step.")
    var trace = false
    @Flag(help: "Prints the shortest script that breaks the same rule.")
    var shrink = false
    @Flag(help: "Ends at the first world that breaks a rule in a way that is not known.")
    var first = false
    @Flag(help: "Prints also the worlds whose break is known.")
    var all = false
    @Option(help: "Runs the script with so many seeds, from its own on, until one breaks a rule.")
    var tries = 1

    private var profiles: [Profile] { profile.flatMap(Profile.init(rawValue:)).map { [$0] } ?? Profile.allCases }

    private var ignored: Set<Rule> { Set(ignoring.compactMap(Rule.init(rawValue:))) }

    func validate() throws {
        if let unknown = ignoring.first(where: { Rule(rawValue: $0) == nil }) {
            throw ValidationError(
                "there is no rule `\(unknown)`; there are: \(Rule.allCases.map(\.rawValue).joined(separator: "; "))")
        }
        guard profile == nil || profile.flatMap(Profile.init(rawValue:)) != nil else {
            throw ValidationError("there is no profile \(profile ?? "")")
        }
    }

    func run() throws {
        try Self.fixHashes()

        if let one = try oneScript() { return try run(one) }
        try runMany()
    }

    /// The order of sets and dictionaries must follow from the seed as well, which the runtime decides when it starts.
    private static func fixHashes() throws {
        guard !Trial.hashesAreFixed else { return }
        setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
        var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) } + [nil]
        execv("/proc/self/exe", &arguments)
        throw ExitCode(71)
    }

    // MARK: One

    private func oneScript() throws -> Script? {
        if let script { return try Scenario(parsing: Self.read(script)).script }
        guard let seed else { return nil }
        return ScriptGenerator.script(seed: seed, profile: profiles[0])
    }

    private static func read(_ path: String) throws -> String {
        guard let file = fopen(path, "r") else { throw ValidationError("cannot read \(path)") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = getc(file), byte != EOF { bytes.append(UInt8(byte)) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func run(_ first: Script) throws {
        var script = first
        if !shrink { print(script.text) }
        var verdict = try Trial.run(script, ignoring: ignored, tell: trace ? { print($0) } : nil)
        while verdict.violations.isEmpty, script.seed + 1 < first.seed + UInt64(max(tries, 1)) {
            script.seed += 1
            verdict = try Trial.run(script, ignoring: ignored)
        }
        guard let violation = verdict.violations.first else {
            print("nothing broken; \(verdict.steps) steps, \(verdict.elapsed / 1_000_000_000) s, hash \(verdict.hash)")
            return
        }
        if shrink { try printShortest(script, violation) } else { print(Self.words(violation)) }
        throw ExitCode.failure
    }

    private func printShortest(_ script: Script, _ violation: Violation) throws {
        let short = Trial.shrink(script, breaking: violation.rule, ignoring: ignored)
        print(short.text)
        if let violation = try Trial.run(short, ignoring: ignored).violations.first { print(Self.words(violation)) }
    }

    private static func words(_ violation: Violation) -> String {
        "# broken: \(violation.rule.rawValue): \(violation.words)"
    }

    // MARK: Many

    private func runMany() throws {
        let begin = Self.now()
        var campaign = Campaign(profiles: profiles, base: base ?? UInt64.random(in: 0...999_999_999), ignoring: ignored)
        print("base seed \(campaign.base)")
        while campaign.worlds < worlds, seconds.map({ Self.now() - begin < Double($0) }) ?? true {
            guard let failure = try campaign.runNext() else { continue }
            let number = failure.known?.number ?? "NEW"
            if all || failure.known == nil {
                print(
                    "\(number) world \(failure.worlds) seed \(failure.seed) \(failure.profile.rawValue): \(failure.violation.rule.rawValue): \(failure.violation.words)"
                )
            }
            if first, failure.known == nil { break }
        }
        for met in campaign.met { print("known \(met.number): \(met.times) worlds, first after \(met.first)") }
        let took = Self.now() - begin
        print(
            "\(campaign.worlds) worlds in \(Int(took)) s (\(Int(Double(campaign.worlds) / took)) a second), \(campaign.elapsed / 3_600_000_000_000) virtual hours, \(campaign.steps) steps, \(campaign.failures.count) broken"
        )
        if campaign.hasFoundNew {
            print("something new is broken: sync-simulator --seed SEED --profile PROFILE --shrink")
            throw ExitCode.failure
        }
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
