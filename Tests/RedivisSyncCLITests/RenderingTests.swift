import SQLiteQueue
import SyncCore
import SyncTestSupport
import SystemPackage
import Testing

@testable import RedivisSyncCLI

@Suite struct TextStyleTests {
    private func style(columns: Int?, _ variables: [String: String] = [:]) -> TextStyle {
        TextStyle(columns: columns) { variables[$0] }
    }

    @Test func coloursAreForTerminalsOnly() {
        #expect(style(columns: 80).hasColour)
        #expect(!style(columns: nil).hasColour)
        #expect(style(columns: nil) == .plain)
    }

    @Test func coloursCanBeRefused() {
        #expect(!style(columns: 80, ["NO_COLOR": "1"]).hasColour)
        #expect(style(columns: 80, ["NO_COLOR": ""]).hasColour, "no-color.org: where it is not empty")
        #expect(!style(columns: 80, ["TERM": "dumb"]).hasColour)
    }

    @Test func plainTextStaysPlain() {
        #expect(TextStyle.plain.paint("held", .choice) == "held")
        #expect(style(columns: 80).paint("held", .choice) == "\u{1B}[35mheld\u{1B}[0m")
        #expect(style(columns: 80).paint("", .choice) == "")
    }
}

@Suite struct LayoutTests {
    @Test(arguments: [("abc", 3), ("気温", 4), ("e\u{301}", 1), ("", 0), ("…", 1), ("😀", 2)])
    func widths(text: String, columns: Int) { #expect(DisplayWidth.of(text) == columns) }

    @Test func longTextIsCutToItsRoom() {
        #expect(DisplayWidth.keepingEnd("2024/may.csv", 8) == "…may.csv")
        #expect(DisplayWidth.keepingEnd("気温気温", 5) == "…気温")
        #expect(DisplayWidth.keepingStart("2024/may.csv", 5) == "2024…")
        #expect(DisplayWidth.keepingEnd("may", 3) == "may")
    }

    @Test func wordsAreWrappedAndNeverBroken() {
        #expect(DisplayWidth.wrapped("one two three", 8) == ["one two", "three"])
        #expect(DisplayWidth.wrapped("/a/very/long/path and", 8) == ["/a/very/long/path", "and"])
        #expect(DisplayWidth.wrapped("one two three", nil) == ["one two three"])
    }

    @Test func aSheetShowsNothingThatATerminalObeys() {
        var sheet = Sheet(.plain)
        sheet.heading(nasty, mark: ("held", .choice))
        sheet.field("because", nasty)
        #expect(isSafe(sheet.text))
        #expect(sheet.lines.count == 2)
    }

    @Test func fieldsAreWrappedBesideTheirLabel() {
        var sheet = Sheet(TextStyle(hasColour: false, width: 40))
        sheet.field("because", "Redivis could not import it for some reason or other")
        #expect(
            sheet.lines == [
                "  because    Redivis could not import it",
                "             for some reason or other",
            ])
    }
}

@Suite struct FileTableTests {
    private func lines(_ style: TextStyle, _ entries: [DeliverySummary]) throws -> [String] {
        FileTable(
            entries: entries, configuration: Given.configuration(try Given.mapping()), style: style,
            now: Timestamp(milliseconds: Given.moment.milliseconds + 300_000)
        ).lines
    }

    @Test func elsewhereThanOnATerminalEachFileIsOneLineOfSixFields() throws {
        let entries = try Given.states(words: nasty + "\t").map {
            try Given.summary($0, path: Array("a\tb\n.csv".utf8))
        }
        let lines = try lines(.plain, entries)
        #expect(lines.count == entries.count)
        for line in lines {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            #expect(fields.count == 6, "\(line)")
            #expect(fields[4] == "a\\x09b\\x0a.csv")
            #expect(fields.allSatisfy { isSafe(String($0)) && !$0.contains("\n") })
        }
        #expect(try self.lines(.plain, []) == [])
    }

    @Test func aTerminalGetsColumnsAndReasons() throws {
        let lines = try lines(
            TextStyle(hasColour: false, width: 80),
            [Given.summary(.delivered(Given.receipt)), Given.summary(.held(.existing))])
        #expect(
            lines == [
                "STATE            SIZE    AGE  PATH",
                "delivered        17 B  5 min  a.csv",
                "held             17 B  5 min  a.csv",
                "            it was there before (existing: hold)",
                "            redivis-sync resolve /data/weather/a.csv --add sends it; --ignore in",
                "            its place leaves it out",
            ])
    }

    @Test(arguments: [20, 40, 80, 200])
    func nothingButAPathIsWiderThanTheTerminal(width: Int) throws {
        let states = Given.states(words: "the words of a server that are rather long and go on and on for a while")
        let entries = try states.map { try Given.summary($0, path: Array("a".utf8)) }
        for line in try lines(TextStyle(hasColour: false, width: max(width, 40)), entries) {
            #expect(DisplayWidth.of(line) <= max(width, 40), "\(line)")
        }
    }

    @Test func coloursAreTheOnlyThingThatATerminalObeys() throws {
        let entries = try Given.states(words: nasty).map { try Given.summary($0, path: Array(nasty.utf8)) }
        for line in try lines(TextStyle(hasColour: true, width: 80), entries) {
            let bare = line.replacing(try Regex("\u{1B}\\[[0-9]+m"), with: "")
            #expect(isSafe(bare) && !bare.contains("\n"))
        }
    }
}

@Suite struct ProgressPictureTests {
    private func picture(transfers: Int) throws -> ProgressPicture {
        var counts = RunBoard.Counts()
        counts.delivered = 12
        counts.bytes = 3 << 30
        counts.adopted = 2
        for number in 0..<transfers {
            let path = try #require(RelativePath("気温/a-rather-long-name-of-a-folder/with-a-file-\(number).csv"))
            counts.transfers[DeliveryID(Int64(number))] = RunBoard.Transfer(
                path: path, offset: Int64(number) << 20, total: 20 << 20)
        }
        var picture = ProgressPicture()
        picture.states = [.queued: 1234, .importing: 5, .delivered: 99]
        picture.note(counts, at: .zero)
        counts.sent = 10 << 20
        picture.note(counts, at: .seconds(1))
        return picture
    }

    @Test(arguments: [20, 40, 59, 60, 80, 120, 200])
    func noLineIsAsWideAsTheTerminal(width: Int) throws {
        let picture = try picture(transfers: 20)
        let lines = picture.lines(TextStyle(hasColour: false, width: width))
        #expect(lines.count == 2 + ProgressPicture.mostBars)
        for line in lines { #expect(DisplayWidth.of(line) < max(width, 20), "\(line)") }
    }

    @Test func theHeadTellsTheWhole() throws {
        let lines = try picture(transfers: 1).lines(TextStyle(hasColour: false, width: 200))
        #expect(
            lines[0]
                == "12 files delivered, 3.0 GiB · 2 already there · 10.0 MiB/s · 1,234 queued · 5 importing")
        #expect(lines[1].contains("0% of   20.0 MiB"))
        #expect(lines[1].hasSuffix("気温/a-rather-long-name-of-a-folder/with-a-file-0.csv"))
    }

    /// What is recorded of a damaged row must not end a run.
    @Test func strangeNumbersDoNotTrap() throws {
        var counts = RunBoard.Counts()
        let path = try #require(RelativePath("a"))
        for (number, pair) in [(Int64.min, Int64.max), (.max, .min), (5, 0), (-1, -1)].enumerated() {
            counts.transfers[DeliveryID(Int64(number))] = RunBoard.Transfer(
                path: path, offset: pair.0, total: pair.1)
        }
        var picture = ProgressPicture()
        picture.note(counts, at: .zero)
        picture.note(counts, at: .seconds(1))
        #expect(picture.lines(TextStyle(hasColour: true, width: 80)).count == 5)
    }
}
