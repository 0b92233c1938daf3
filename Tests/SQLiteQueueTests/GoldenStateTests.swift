// FoundationEssentials: the golden file is read with Data.
import FoundationEssentials
import SyncCore
import Testing

@testable import SQLiteQueue

/// Every state that was ever written still decodes: `Golden/states-FORMAT.jsonl` holds one of each, as rows held
/// them when that format was the newest. A line is never edited; what a new format writes is a new file.
@Suite struct GoldenStateTests {

    /// One value of every state, stage and reason.
    static let states: [DeliveryState] = {
        let session = Sample.session
        let attempt = Sample.attempt
        let whole = UploadSession(
            endpoint: .tempUploads, transport: .whole, uploadID: "t1", url: Secret("https://storage.example/whole"),
            openedAt: Timestamp(milliseconds: 1), openedAtServer: nil)
        let ended = MonotonicInstant(run: .max, nanoseconds: 5)
        let sent = Registration(
            uri: "/uploads/b%20c", name: "b c", newestReleased: VersionTag(major: 2, minor: 0),
            registeredAt: Timestamp(milliseconds: 3), isAdopted: false, endpoint: .tempUploads,
            needsReportedDigest: true, incompleteReports: 2)
        let finished = TransferProgress(
            confirmed: 100, prefix: nil, hasUnprovenBytes: false, storedMD5: Sample.content(4).md5)
        let stages: [Stage] = [
            .pending(.fresh), .pending(.examine), .pending(.existing), .pending(.examined), .opening,
            .transferring(session, .none), .transferring(whole, Sample.progress), .probing(session, Sample.progress),
            .concluding(session, Sample.progress), .lookingUp(Sample.object, .beforePost),
            .lookingUp(Sample.object, .inDoubt(attempt, connectionEnded: ended)), .posting(Sample.object, attempt),
            .importing(Sample.registration), .importing(sent), .withdrawing(sent, .importFailed("row 3")),
            .concluding(session, finished),
            .withdrawing(Sample.registration, .contentDiffers("size 4")),
            .withdrawing(Sample.registration, .sizeNeverTold), .withdrawing(Sample.registration, .renamed("a_1")),
        ]
        // What came later stands at the end: a line that was written never moves.
        let later: [Stage] = [
            .reading, .lookingUp(.inline, .beforePost),
            .lookingUp(.inline, .inDoubt(attempt, connectionEnded: ended)), .posting(.inline, attempt),
        ]
        let delay = Delay(until: ended, untilWall: Timestamp(milliseconds: 9), reason: "503")
        let ends: [DeliveryState] = [
            .delivered(
                Receipt(
                    table: TableKey("demo.weather:ab12.readings:9xyz"), uploadName: "a", uri: "/uploads/a",
                    content: Sample.content(1), md5Confirmed: true, isAdopted: false,
                    deliveredAt: Timestamp(milliseconds: 7))),
            .held(.changed), .held(.tableHasOtherUploads), .held(.equalsUpload("b")), .held(.existing),
            .parked(.importFailed("w")), .parked(.contentDiffers("w")), .parked(.rejected("w")),
            .parked(.sessionRefused("w")), .parked(.sessionsLost("w")), .parked(.unreadable("w")),
            .parked(.nameTaken("w")), .parked(.removedFromTable), .parked(.stateDamaged("w")),
            .parked(.withdrawalRefused("w")), .abandoned(.gone), .abandoned(.superseded),
            .abandoned(.ignored("exclude")), .abandoned(.forgotten),
        ]
        return stages.map(DeliveryState.working) + stages.map { .waiting($0, delay) } + ends
            + later.map(DeliveryState.working)
    }()

    private static func lines(format: Int) throws -> [String] {
        let here = URL(filePath: #filePath).deletingLastPathComponent()
        let data = try Data(contentsOf: here.appending(path: "Golden/states-\(format).jsonl"))
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func everyStateOfFormat1StillDecodes() throws {
        let decoded = try Self.lines(format: 1).map { try StateCoding.state($0, format: 1) }
        #expect(decoded == Self.states)
    }

    @Test func presentFormatIsWrittenAsItsGoldenFileHasIt() throws {
        #expect(DeliveryState.formatVersion == 1)
        #expect(try Self.states.map(StateCoding.text) == Self.lines(format: DeliveryState.formatVersion))
    }

    @Test func goldenFileHoldsEveryKind() throws {
        let kinds = Set(try Self.lines(format: 1).map { try StateCoding.state($0, format: 1).kind })
        #expect(kinds.count == 16)
    }

    @Test func tallyOfTheFirstFormatStillDecodes() throws {
        let text = """
            {"failures":1,"resends":2,"resynchronisations":3,"sessionsLost":4,"sessionsOpened":5,\
            "sessionsRefused":6,"triedOtherEndpoint":true}
            """
        var tally = Delivery.Tally()
        tally.failures = 1
        tally.resends = 2
        tally.resynchronisations = 3
        tally.sessionsLost = 4
        tally.sessionsOpened = 5
        tally.sessionsRefused = 6
        tally.triedOtherEndpoint = true
        #expect(try StateCoding.value(Delivery.Tally.self, text) == tally)
    }

    @Test func unknownFormatIsRefusedByName() {
        #expect { _ = try StateCoding.state("{}", format: 2) } throws: { error in
            (error as? UnreadableValue)?.what.contains("format 2") == true
        }
    }
}
