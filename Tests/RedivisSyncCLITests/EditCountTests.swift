import MappingConfig
import SQLiteQueue
import SyncCore
import SystemPackage
import Testing

@testable import RedivisSyncCLI

/// What an edit would send is counted before anything was ever run; with a queue behind it: test_confirm.py.
@Suite struct EditCountTests {
    private static func counter(_ before: [Mapping], _ after: [Mapping]) -> EditCounter {
        EditCounter(
            before: Configuration(settings: AgentSettings(), mappings: before),
            after: Configuration(settings: AgentSettings(), mappings: after), reader: nil)
    }

    private static func count(_ before: [Mapping], _ after: [Mapping]) async throws -> EditCount {
        try await counter(before, after).count { _ in }
    }

    private static func filled() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["a.csv", "b.csv", "c.bin"] { try folder.write(name, "12345") }
        return folder
    }

    @Test func theSmallerLimitHolds() {
        func limit(_ before: Int?, _ after: Int?) -> Int? {
            EditCount.limit(
                of: Configuration(settings: AgentSettings(confirmAbove: before), mappings: []),
                and: Configuration(settings: AgentSettings(confirmAbove: after), mappings: []))
        }
        #expect(limit(nil, nil) == nil)
        #expect(limit(5, nil) == 5 && limit(nil, 5) == 5)
        #expect(limit(5, 1000) == 5 && limit(1000, 0) == 0)
    }

    @Test func whatIsTakenAlreadyDoesNotCount() async throws {
        let folder = try Self.filled()
        let csv = try Given.mapping(folder: folder.path, include: ["*.csv"])
        let all = try Given.mapping(folder: folder.path)
        #expect(try await Self.count([], [all]).count == FileCount(files: 3, bytes: 15))
        #expect(try await Self.count([csv], [all]).count == FileCount(files: 1, bytes: 5))
        #expect(try await Self.count([all], [csv]).count == FileCount())
        #expect(Self.counter([all], [all]).gaining.isEmpty)
        // Under a new id it is a new mapping.
        #expect(try await Self.count([all], [try Given.mapping("other", folder: folder.path)]).count.files == 3)
    }

    @Test func mappingsInOneAnotherGiveAndTakeFiles() throws {
        let outer = try Given.mapping("outer", folder: "/data")
        let inner = try Given.mapping("inner", folder: "/data/inner")
        let aside = try Given.mapping("aside", folder: "/data-aside")
        // What the inner one leaves falls to the outer one, and nobody else is looked through for it.
        #expect(Self.counter([outer, inner, aside], [outer, aside]).gaining.map(\.id) == [outer.id])
        #expect(Self.counter([outer, aside], [outer, inner, aside]).gaining.map(\.id) == [outer.id, inner.id])
        // In one folder the order decides.
        let twin = try Given.mapping("twin", folder: "/data/inner")
        #expect(Self.counter([inner, twin], [twin, inner]).gaining.count == 2)
        #expect(Self.counter([inner, aside], [aside, inner]).gaining.isEmpty)
    }

    @Test func aFolderThatIsNotThereIsAProblem() async throws {
        let missing = try Given.mapping(folder: "/nonexistent/folder")
        let found = try await Self.count([], [missing])
        #expect(found.count.files == 0 && found.problems.count == 1)
        let soon = await Self.counter([], [missing]).count(within: .seconds(30))
        #expect(soon == found)
    }

    @Test func filesThatWereLeftOut() throws {
        let mapping = try Given.mapping()
        #expect(mapping.sends(leftOutBy: "maximum_size: 10 bytes", wasThereBefore: false))
        #expect(mapping.sends(leftOutBy: "existing: skip", wasThereBefore: true))
        #expect(!mapping.sends(leftOutBy: "on_change: ignore", wasThereBefore: false))
    }

    @Test func anEditIsNamedByAtLeastSixDigits() throws {
        let text = "mappings: {a: {folder: /data/a, table: o.d.t}}"
        let file = try MappingFile.parse(Array(text.utf8), path: "/etc/m.yaml")
        #expect(file.name.count == 12 && file.isNamed(file.name) && file.isNamed(file.name.uppercased()))
        #expect(file.isNamed(file.sha256.hex) && file.isNamed(String(file.name.prefix(6))))
        #expect(!file.isNamed(String(file.name.prefix(5))) && !file.isNamed("") && !file.isNamed("nonsense"))
    }
}
