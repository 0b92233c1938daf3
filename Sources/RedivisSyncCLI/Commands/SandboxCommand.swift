import ArgumentParser
import Glibc
import RedivisSandbox

struct SandboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "A local stand-in for Redivis and its storage host, on 127.0.0.1.",
        discussion: """
            Its token is `sandbox`; any well-formed table exists, with an open draft, unless --strict-tables is given. \
            It keeps bytes, registrations and a log of requests under --directory (docs/sandbox.md). Ends with \
            Ctrl-C.
            """)

    @Option(help: "The API's port; 0 lets the system choose.")
    var port = 8383

    @Option(help: "The storage host's port; 0 lets the system choose.")
    var storagePort = 0

    @Option(help: "Where to keep what arrives; without it a temporary directory, removed at the end.")
    var directory: PathArgument?

    @Flag(help: "Only datasets and tables that were created exist.")
    var strictTables = false

    @Option(help: "A dataset that is there from the start: OWNER.NAME[=draft|released|released+draft].")
    var dataset: [String] = []

    @Flag(help: "Count the bytes and discard them.")
    var sink = false

    @Option(help: "A fault at the n-th request of a kind, such as post-uploads:1:lose-reply; may be repeated.")
    var fault: [String] = []

    @Option(help: "A file with one such fault a line; lines that begin with # say nothing.")
    var faults: PathArgument?

    @Option(help: "Faults at a share of all requests, drawn with this number; the same number draws the same.")
    var chaos: UInt64?

    @Option(help: "With --chaos: how late, at most, a request is carried out after its connection has ended, in ms.")
    var chaosLate = 1500

    @Option(help: "With --chaos: how long, at most, a request is left without an answer, in ms.")
    var chaosSilence = 3000

    @Flag(help: "With --chaos: requests may also be carried out twice, so that twins stand on a table.")
    var chaosTwins = false

    @Option(
        name: .customLong("switch"),
        help: "Another reading of an unknown, such as duplicate-name=refuse; may be repeated.")
    var switches: [String] = []

    @Option(
        help: ArgumentHelp(
            "API requests in each window of SECONDS (60 where not said) before 429.", valueName: "N[/SECONDS]"))
    var rate: String?

    @Flag(help: "Print one line of JSON with both origins.")
    var json = false

    func validate() throws {
        for (name, value) in [("port", port), ("storage-port", storagePort)] where !(0...65535).contains(value) {
            throw ValidationError("--\(name) \(value): write a port from 0 to 65535")
        }
        for (name, value) in [("chaos-late", chaosLate), ("chaos-silence", chaosSilence)]
        where !(0...3_600_000).contains(value) {
            throw ValidationError("--\(name) \(value): write milliseconds, from 0 to 3600000")
        }
        _ = try parsedConfiguration()
    }

    /// Its paths are text.
    private func text(_ path: PathArgument?, of option: String) throws -> String? {
        guard let path else { return nil }
        guard let text = String(validating: path.bytes, as: UTF8.self) else {
            throw ValidationError("--\(option) \(path.printable): write a path in UTF-8")
        }
        return text
    }

    func run() async throws {
        let signals = SignalWatch()
        let sandbox: Sandbox
        do {
            sandbox = try Sandbox(try parsedConfiguration())
        } catch let error as SandboxStartError {
            throw CommandFailure(.stateUnusable, error.description)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await sandbox.run { origins in
                        announce(origins, directory: sandbox.directoryPath)
                    }
                } catch let error as SandboxStartError {
                    throw CommandFailure(.outOfReach, error.description)
                }
            }
            group.addTask { await signals.wait() }
            try await group.next()
            sandbox.tidyUp()
            tellHits(of: sandbox)
            // With the servers running: NIO traps where one is ended just as a connection comes in.
            _exit(ExitStatus.done.rawValue)
        }
    }

    /// What was hit, where anything could be. With --json standard output has its one line already.
    private func tellHits(of sandbox: Sandbox) {
        guard chaos != nil || faults != nil || !fault.isEmpty else { return }
        var text = "Faults that were hit:\n"
        for hit in sandbox.hits { text += "  \(hit.times) × \(hit.fault) at \(hit.request.rawValue)\n" }
        if sandbox.hits.isEmpty { text += "  none\n" }
        if json { StandardError.write(text) } else { StandardOutput.write(text) }
    }

    private func parsedConfiguration() throws -> SandboxConfiguration {
        var configuration = SandboxConfiguration()
        configuration.port = port
        configuration.storagePort = storagePort
        configuration.directory = try text(directory, of: "directory")
        configuration.strictTables = strictTables
        configuration.datasets = dataset
        configuration.sink = sink
        if let rate {
            let numbers = rate.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
            guard (1...2).contains(numbers.count), numbers.allSatisfy({ (1...1_000_000_000).contains($0) }) else {
                throw ValidationError("--rate \(rate): write a number of requests, as in 100 or 60/5")
            }
            configuration.requestsPerMinute = numbers[0]
            if numbers.count == 2 { configuration.rateWindowSeconds = numbers[1] }
        }
        do {
            for text in switches { try configuration.switches.apply(text) }
            configuration.faults = try fault.map { try SandboxFault($0) }
            if let script = try text(faults, of: "faults") {
                configuration.faults += try SandboxFault.script(at: script)
            }
        } catch {
            throw ValidationError("\(error)")
        }
        configuration.chaos = chaos.map { seed in
            var chaos = SandboxChaos(seed: seed)
            chaos.lateMilliseconds = chaosLate
            chaos.silentMilliseconds = chaosSilence
            chaos.makesTwins = chaosTwins
            return chaos
        }
        return configuration
    }

    private func announce(_ origins: SandboxOrigins, directory: String) {
        if let words = (try? parsedConfiguration())?.chaos?.words {
            if json { StandardError.write(words + "\n") } else { StandardOutput.line(words) }
        }
        if json {
            StandardOutput.line(
                JSONText.line(["api": origins.api, "storage": origins.storage, "directory": directory]))
            return
        }
        StandardOutput.write(
            """
            A stand-in for Redivis is listening.
              API      \(origins.api)   (token: sandbox)
              storage  \(origins.storage)
              files    \(directory.printable)

            A mapping file to paste:

            api: \(origins.api)
            mappings:
              weather:
                folder: /data/weather
                table: demo_org.weather_stations.readings

            and its token:  export REDIVIS_API_TOKEN=sandbox

            """)
    }
}
