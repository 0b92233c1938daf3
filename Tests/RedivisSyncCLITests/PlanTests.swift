import ArgumentParser
import SQLiteQueue
import SyncCore
import SystemPackage
import Testing

@testable import RedivisSyncCLI

@Suite struct DeliveryPaceTests {
    /// - Parameters:
    ///   - end: in seconds.
    ///   - took: in seconds.
    private static func delivered(_ end: Int64, took: Int64, size: Int64) throws -> RecentDelivery {
        RecentDelivery(
            mapping: try Given.mapping().id, deliveredAt: Timestamp(milliseconds: end * 1000), took: .seconds(took),
            size: size)
    }

    @Test func timeWithoutWorkDoesNotCount() throws {
        // From 0 to 10 and from 100 to 110, two of them at once.
        let deliveries = [
            try Self.delivered(10, took: 10, size: 500), try Self.delivered(8, took: 6, size: 500),
            try Self.delivered(110, took: 10, size: 1000),
        ]
        let pace = try #require(DeliveryPace(deliveries.shuffled()))
        #expect(pace.bytesPerSecond == 100)
        #expect(pace.filesPerSecond == 0.15)
        #expect(pace.duration(of: FileCount(files: 1, bytes: 1000)) == .seconds(10))
        #expect(pace.duration(of: FileCount(files: 300, bytes: 1000)) == .seconds(2000))
    }

    @Test func aFewDeliveriesOrNoTimeSayNothing() throws {
        #expect(DeliveryPace([]) == nil)
        #expect(
            DeliveryPace([try Self.delivered(1, took: 1, size: 1), try Self.delivered(2, took: 1, size: 1)]) == nil)
        let instant = try (1...3).map { try Self.delivered($0, took: 0, size: 5) }
        #expect(DeliveryPace(instant) == nil)
    }

    @Test func whatWouldTakeYearsIsNotTold() throws {
        let pace = try #require(DeliveryPace(try (1...3).map { try Self.delivered($0 * 10, took: 10, size: 1) }))
        #expect(pace.duration(of: FileCount(files: 1, bytes: .max)) == nil)
        let empty = try #require(DeliveryPace(try (1...3).map { try Self.delivered($0 * 10, took: 10, size: 0) }))
        #expect(empty.duration(of: FileCount(files: 1, bytes: 1000)) == .seconds(10))
    }
}

@Suite struct MappingEditTests {
    @Test func eachKindOfEditIsTold() throws {
        let old = Given.configuration(
            try Given.mapping("weather"), try Given.mapping("gone"), try Given.mapping("same"))
        let new = Given.configuration(
            try Given.mapping("same"), try Given.mapping("added"),
            try Given.mapping("weather", folder: "/data/other", include: ["*.csv"]))
        let edits = MappingEdit.all(from: old, to: new)
        #expect(edits.map(\.mapping) == ["added", "weather", "gone"])
        #expect(edits.map(\.kind) == [.added, .changed, .removed])
        #expect(
            edits[1].changes == [
                .init(key: "folder", from: "/data/weather", to: "/data/other"),
                .init(key: "include", from: nil, to: nil),
            ])
        #expect(MappingEdit.all(from: new, to: new).isEmpty)
    }

    /// A field that is compared nowhere would be an edit that nobody is told of.
    @Test func everyFieldOfAMappingIsCompared() throws {
        let fields = Mirror(reflecting: try Given.mapping()).children.compactMap(\.label)
        // `id` names the mapping; `settle` has two keys of the mapping file.
        #expect(fields.count - 1 + 1 == MappingEdit.keys.count, "\(fields)")
    }
}

@Suite struct WaitArgumentTests {
    @Test(arguments: [["wait", "--timeout", "soon"], ["wait", "--timeout", "10"], ["wait", "a"], ["plan", "a"]])
    func wrongUsageIsRefused(arguments: [String]) {
        #expect(throws: (any Error).self) { try RedivisSyncCommand.parseAsRoot(arguments) }
    }

    @Test(arguments: [
        ["wait"], ["wait", "--mapping", "weather", "--timeout", "90s"], ["plan", "--accept"], ["plan", "--json"],
        ["status", "--watch", "--json"],
    ])
    func theUsagesOfTheContractAreTaken(arguments: [String]) throws {
        _ = try RedivisSyncCommand.parseAsRoot(arguments)
    }
}
