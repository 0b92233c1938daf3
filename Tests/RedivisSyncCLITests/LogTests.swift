import FoundationEssentials
import Logging
import SyncCore
import Testing

@testable import RedivisSyncCLI

@Suite struct LogTests {
    private func line(_ format: LogFormat, _ metadata: Logger.Metadata) -> String {
        let event = LogEvent(
            level: .warning, message: "held", metadata: metadata, source: "", file: "", function: "", line: 0)
        return StandardErrorLog(format: format, level: .info).line(of: event, at: Given.moment)
    }

    @Test func textHasTheFactsBehindAConstantMessage() {
        #expect(
            line(.text, ["path": "a b.csv", "mapping": "weather", "empty": ""])
                == "2026-03-01T09:30:12.345Z warning held empty=\"\" mapping=weather path=\"a b.csv\"\n")
    }

    @Test func aFactCannotBeMistakenForAnother() {
        #expect(line(.text, ["path": "x\" level=\"y"]).hasSuffix(" path=\"x\\\" level=\\\"y\"\n"))
    }

    @Test(arguments: LogFormat.allCases)
    func noLineIsBrokenOrObeyed(format: LogFormat) {
        let text = line(format, ["path": "\(nasty)", "url": "\(Secret(Given.secret))"])
        #expect(text.split(separator: "\n").count == 1)
        #expect(isSafe(text))
        #expect(!text.contains("topsecret"))
    }

    @Test func jsonHasTheFactsAsTheyAre() throws {
        let text = line(.json, ["path": "\(nasty)"])
        let facts = try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
        #expect(
            facts == [
                "time": "2026-03-01T09:30:12.345Z", "level": "warning", "message": "held", "path": nasty,
            ])
    }
}
