// Foundation: JSONEncoder and JSONDecoder live in FoundationEssentials, reading a whole folder in Foundation only.
import Foundation
import SyncCore
import SyncTestSupport
import Testing

/// States are stored as JSON for years: what was ever written still decodes, and says the same.
///
/// `Golden/` holds each state as format version 1 wrote it. A new case gets a new file; a file never changes.
@Suite struct DeliveryGoldenTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")

    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        return encoder
    }()

    /// The name of a state's file.
    private static var named: [(String, DeliveryState)] {
        let stages = Sample.stages.enumerated().map { index, stage in
            ("stage-\(index)-\(stage.words.split(separator: " ").joined(separator: "-"))", DeliveryState.working(stage))
        }
        let rests = Sample.rests.map { ("rest-" + $0.words.split(separator: " ").joined(separator: "-"), $0) }
        return stages + rests + [("waiting", .waiting(.opening, Sample.delay(until: 60)))]
    }

    @Test func everyStateIsTheSameAgainThroughJSON() throws {
        for state in Sample.states {
            let data = try Self.encoder.encode(state)
            #expect(try JSONDecoder().decode(DeliveryState.self, from: data) == state)
        }
        var tally = Delivery.Tally()
        tally.failures = 3
        tally.triedOtherEndpoint = true
        #expect(try JSONDecoder().decode(Delivery.Tally.self, from: Self.encoder.encode(tally)) == tally)
    }

    @Test func arbitraryStatesAreTheSameAgainThroughJSON() throws {
        var arbitrary = Arbitrary(random: .init())
        for _ in 0..<500 {
            let state = arbitrary.state()
            let data = try Self.encoder.encode(state)
            #expect(
                try JSONDecoder().decode(DeliveryState.self, from: data) == state, "seed \(arbitrary.random.seed)")
        }
    }

    @Test func everyGoldenFileStillDecodes() throws {
        #expect(DeliveryState.formatVersion == 1)
        let files = try FileManager.default.contentsOfDirectory(at: Self.folder, includingPropertiesForKeys: nil)
        for file in files where file.pathExtension == "json" && !file.lastPathComponent.hasPrefix("tally") {
            _ = try JSONDecoder().decode(DeliveryState.self, from: Data(contentsOf: file))
        }
        #expect(files.count >= Self.named.count)
    }

    @Test func everyGoldenFileSaysWhatItSaid() throws {
        for (name, state) in Self.named {
            let file = Self.folder.appending(path: "\(name).json")
            guard FileManager.default.fileExists(atPath: file.path(percentEncoded: false)) else {
                // A case that is new in this version: its file is written once and kept.
                try Self.encoder.encode(state).write(to: file)
                Issue.record("\(name).json was missing and has been written: look at it and keep it")
                continue
            }
            #expect(try JSONDecoder().decode(DeliveryState.self, from: Data(contentsOf: file)) == state, "\(name)")
        }
    }

    @Test func whatWasLearnedOfChunksIsKept() throws {
        let data = try Data(contentsOf: Self.folder.appending(path: "tally-chunks.json"))
        let tally = try JSONDecoder().decode(Delivery.Tally.self, from: data)
        #expect(tally.chunks?.size(within: 64 << 20) == 16 << 20)
        #expect(tally.chunks?.patience == 16 && tally.chunks?.hasGrown == true)
        #expect(try JSONDecoder().decode(Delivery.Tally.self, from: Self.encoder.encode(tally)) == tally)
    }

    @Test func whatCannotBeReadOfThemIsLearnedAnew() throws {
        let tally = try JSONDecoder().decode(
            Delivery.Tally.self, from: Data(#"{"failures":4,"chunks":{"limit":"x"}}"#.utf8))
        #expect(tally.failures == 4 && tally.chunks == nil)
    }

    @Test func aTallyWithoutNewerFieldsStillDecodes() throws {
        let data = try Data(contentsOf: Self.folder.appending(path: "tally.json"))
        let tally = try JSONDecoder().decode(Delivery.Tally.self, from: data)
        #expect(tally.failures == 2 && tally.sessionsOpened == 1 && tally.triedOtherEndpoint)
    }
}
