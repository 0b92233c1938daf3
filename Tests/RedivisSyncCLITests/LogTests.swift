import FoundationEssentials
import Logging
import SyncCore
import SyncTestSupport
import Synchronization
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
        #expect(line(.text, ["path": #"x\" y"#]).hasSuffix(#" path="x\\\" y""# + "\n"))
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

@Suite struct TroubleLogTests {
    private let lines = LogLines()
    private let time = Time()

    private var troubles: TroubleLog {
        TroubleLog(Logger(label: "test") { _ in lines }) { [time] in time.now }
    }

    private var messages: [String] { lines.events.map { "\($0.message)" } }

    @Test func oneTroubleIsToldOnceAMinute() {
        let troubles = troubles
        for _ in 0..<180 {
            troubles.write(.warning, "away", about: "a", [:])
            time.pass(.seconds(1))
        }
        troubles.write(.warning, "away", about: "b", [:])
        #expect(messages == ["away", "away", "away", "away"])
    }

    /// However their minutes lie beside one another.
    @Test(arguments: [59, 60, 61, 75])
    func whatIsPartOfATroubleIsNotToldBesideIt(pause: Int) {
        let troubles = troubles
        for _ in 0..<5 {
            troubles.write(.warning, "away", about: "a", [:])
            for _ in 0..<pause {
                time.pass(.seconds(1))
                troubles.writeWhereQuiet(.info, "waiting", [:])
            }
        }
        #expect(!messages.contains("waiting"))
        for _ in 0..<180 {
            time.pass(.seconds(1))
            troubles.writeWhereQuiet(.info, "waiting", [:])
        }
        #expect(messages.count { $0 == "waiting" } == 3)
    }
}

private final class Time: Sendable {
    private let instant = Mutex(ContinuousClock.now)
    var now: ContinuousClock.Instant { instant.withLock { $0 } }
    func pass(_ duration: Duration) { instant.withLock { $0 += duration } }
}
