import FoundationEssentials
import Glibc
import Testing

@testable import RedivisSandbox

@Suite struct TranscriptTests {
    @Test(arguments: Transcript.all) func answersAsWritten(_ transcript: Transcript) async throws {
        var configuration = try Self.configuration(transcript)
        let directory = try TemporaryDirectory()
        configuration.directory = directory.path
        var variables: [String: String] = [:]
        var rest = transcript.lines[...]
        while !rest.isEmpty {
            // `restart` ends one run of the sandbox and begins the next on the same directory and ports.
            let part = rest.prefix { $0.text != "restart" }
            rest = rest.dropFirst(part.count + 1)
            let given = variables
            let (caught, ports) = try await withSandbox(configuration) { sandbox, origins in
                var runner = TranscriptRunner(transcript, sandbox, origins, given)
                let caught = try await runner.play(part)
                for (fault, count) in sandbox.firedFaults {
                    #expect(count > 0, "\(transcript.name): the fault \(fault) never fired")
                }
                return (caught, [origins.api, origins.storage].map { Self.port(of: $0) })
            }
            variables = caught
            configuration.faults = []
            (configuration.port, configuration.storagePort) = (ports[0], ports[1])
        }
        let log = try Files.read(directory.path + "/log.jsonl") ?? []
        for (name, value) in variables where name.hasPrefix("url") {
            let secret = value.split(separator: "=").last.map(String.init) ?? value
            #expect(!String(decoding: log, as: UTF8.self).contains(secret), "the log has a session's secret")
        }
    }

    @Test func transcriptsAreFound() {
        #expect(Transcript.all.count > 20)
    }

    private static func port(of origin: String) -> Int {
        Int(origin.dropFirst("http://127.0.0.1:".count).prefix { $0.isNumber }) ?? 0
    }

    private static func configuration(_ transcript: Transcript) throws -> SandboxConfiguration {
        var configuration = SandboxConfiguration()
        configuration.queuedMilliseconds = 1
        configuration.runningMilliseconds = 1
        configuration.strictTables = transcript.lines.contains { $0.text == "strict" }
        configuration.sink = transcript.lines.contains { $0.text == "sink" }
        configuration.datasets = transcript.values(of: "dataset")
        if let cap = transcript.values(of: "page-cap").first.flatMap({ Int($0) }) { configuration.pageSizeCap = cap }
        configuration.requestsPerMinute = transcript.values(of: "rate").first.flatMap { Int($0) }
        if let delay = transcript.values(of: "import-delay").first.flatMap({ Int($0) }) {
            configuration.queuedMilliseconds = delay
        }
        return configuration
    }
}

/// A directory of a test's own, removed with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/redivis-sandbox-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw RawHTTP.Failure(description: "mkdtemp failed") }
        path = String(cString: made)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}
