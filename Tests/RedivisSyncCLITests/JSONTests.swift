import FoundationEssentials
import SQLiteQueue
import SyncCore
import SystemPackage
import Testing

@testable import RedivisSyncCLI

@Suite struct FileEntryTests {
    /// What a reader of the JSON gets back.
    private struct Read: Decodable {
        let path: String
        let path_base64: String?
        let state: String
        let reason: String?
        let remedy: String?
        let folder: String?
        let confirmed_bytes: Int64?
        let next_attempt_at: String?
    }

    private func json(_ summary: DeliverySummary) -> String {
        JSONText.line(FileEntry(summary, in: try? Given.mapping()))
    }

    private func read(_ summary: DeliverySummary) throws -> Read {
        try JSONDecoder().decode(Read.self, from: Data(json(summary).utf8))
    }

    @Test func aPathThatIsTextIsThePathItself() throws {
        let path = "2024/a\n\u{1B}\u{9B}\u{202E}\"気温.csv"
        let entry = try read(Given.summary(.delivered(Given.receipt), path: Array(path.utf8)))
        #expect(entry.path == path)
        #expect(entry.path_base64 == nil)
        #expect(entry.folder == "/data/weather")
    }

    @Test(arguments: [
        (Pauses.Reason.everything, "redivis-sync resume"), (.byHand, "redivis-sync resume weather"),
        (.byFile, "take `paused: true` out of the mapping file"),
    ])
    func whatAPauseHoldsBackSaysHowItEnds(_ pause: Pauses.Reason, _ remedy: String) throws {
        let entry = try read(Given.summary(.waiting(.opening, Given.delay), pause: pause))
        #expect(entry.reason == "its mapping is paused")
        #expect(entry.remedy == remedy)
        #expect(entry.next_attempt_at == nil)
    }

    @Test func aPathThatIsNoTextComesWithItsBytes() throws {
        let bytes: [UInt8] = [0x63, 0x61, 0x66, 0xE9]
        let entry = try read(Given.summary(.delivered(Given.receipt), path: bytes))
        #expect(entry.path == "caf\\xe9")
        #expect(entry.path_base64.flatMap { Data(base64Encoded: $0) } == Data(bytes))
    }

    @Test func nothingInItIsObeyedByATerminalOrTellsASecret() throws {
        for state in Given.states(words: nasty) {
            let line = json(try Given.summary(state, path: Array(nasty.utf8)))
            #expect(isSafe(line) && !line.contains("\n"), "\(line)")
            #expect(!line.contains("topsecret"))
        }
    }

    @Test func theWordsOfTheServerAreWhole() throws {
        #expect(try read(Given.summary(.parked(.importFailed(nasty)))).reason?.hasSuffix(nasty) == true)
    }

    @Test func whatWaitsTellsWhenItIsDueAndWhatUploadsHowFarItIs() throws {
        let progress = TransferProgress(confirmed: 5, prefix: nil, hasUnprovenBytes: false)
        let waiting = try read(Given.summary(.waiting(.transferring(Given.session, progress), Given.delay)))
        #expect(waiting.state == "waiting")
        #expect(waiting.next_attempt_at == "2026-03-01T09:30:12.345Z")
        #expect(waiting.reason == "the network is away")
        #expect(waiting.confirmed_bytes == 5)
        #expect(try read(Given.summary(.delivered(Given.receipt))).confirmed_bytes == nil)
    }
}

@Suite struct RemedyTests {
    @Test(arguments: Given.holds(words: "x"))
    func whatIsHeldSaysWhyAndWhatToType(reason: HoldReason) {
        let remedy = Remedy(for: reason, path: "/data/a.csv")
        #expect(!remedy.reason.isEmpty)
        #expect(remedy.action?.contains("redivis-sync resolve /data/a.csv --add") == true)
    }

    @Test(arguments: Given.parks(words: "x"))
    func whatIsParkedSaysWhyAndWhatToDo(reason: ParkReason) {
        let remedy = Remedy(for: reason, path: "/data/a.csv")
        #expect(!remedy.reason.isEmpty)
        #expect(remedy.action?.contains("redivis-sync retry /data/a.csv") == true)
    }

    @Test(arguments: Given.abandonments(words: "x"))
    func whatWasGivenUpSaysWhy(reason: AbandonReason) {
        #expect(!Remedy(for: reason).reason.isEmpty)
    }

    @Test func everyStateThatRestsHasAReasonAndNoneTellsASecret() {
        for state in Given.states(words: nasty) {
            let remedy = Remedy(for: state)
            switch state {
            case .held, .parked, .abandoned, .waiting: #expect(remedy != nil, "\(state.publicState)")
            case .working, .delivered: #expect(remedy == nil)
            }
            guard let text = remedy?.text else { continue }
            #expect(isSafe(text) && !text.contains("\n"), "\(text)")
            #expect(!text.contains("topsecret"))
        }
    }
}

@Suite struct NextStepTests {
    @Test(arguments: PublicState.allCases)
    func whateverIsNotAtItsEndSaysWhatComesNext(state: PublicState) {
        let next = NextStep.text(of: state, nil, settle: .seconds(30), obstacle: nil)
        switch state {
        case .delivered, .gone, .superseded, .ignored: #expect(next == nil)
        case .settling, .queued, .uploading, .registering, .importing, .waiting, .held, .parked:
            #expect(next?.isEmpty == false)
        }
    }

    @Test func theTimeOfTheNextTryIsTold() {
        let waiting = DeliveryState.waiting(.opening, Given.delay)
        #expect(
            NextStep.text(of: .waiting, waiting, settle: nil, obstacle: nil)?.contains("2026-03-01 09:30:12Z") == true)
    }
}
