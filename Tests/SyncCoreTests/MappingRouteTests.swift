import SyncCore
import SystemPackage
import Testing

@Suite struct MappingRouteTests {
    private func mapping(
        _ id: String, _ folder: FilePath, include: [PathPattern] = ["**"], exclude: [PathPattern] = [],
        recursive: Bool = true,
        minimumSize: Int64 = 0, maximumSize: Int64? = nil, emptyFiles: EmptyFiles = .skip
    ) throws -> Mapping {
        Mapping(
            id: try #require(MappingID(id)), folder: folder, table: try TableReference(parsing: "o.d.t"),
            recursive: recursive,
            include: include, exclude: exclude, minimumSize: minimumSize, maximumSize: maximumSize,
            emptyFiles: emptyFiles,
            uploadName: "{path}")
    }

    private func route(_ mappings: [Mapping], _ path: FilePath, size: Int64 = 1) -> Route {
        Configuration(settings: AgentSettings(), mappings: mappings).route(ofAbsolute: path, size: size)
    }

    private func delivered(to id: String) throws -> Route { .deliver(try #require(MappingID(id))) }

    @Test func theDeepestFolderWhosePatternsMatchWins() throws {
        let all = try mapping("all", "/data")
        let inner = try mapping("inner", "/data/in", include: ["*.csv"])
        for mappings in [[all, inner], [inner, all]] {
            #expect(route(mappings, "/data/in/a.csv") == (try delivered(to: "inner")))
            #expect(route(mappings, "/data/in/d/a.csv") == (try delivered(to: "inner")))
            #expect(route(mappings, "/data/in/a.txt") == (try delivered(to: "all")))
            #expect(route(mappings, "/data/a.csv") == (try delivered(to: "all")))
            #expect(route(mappings, "/data/inn/a.csv") == (try delivered(to: "all")))
            #expect(route(mappings, "/other/a.csv") == .unmapped)
            #expect(route(mappings, "/data") == .unmapped)
        }
    }

    @Test func asksFromEitherFolder() throws {
        let all = try mapping("all", "/data", exclude: ["skip"])
        let inner = try mapping("inner", "/data/in", include: ["*.csv"])
        let configuration = Configuration(settings: AgentSettings(), mappings: [all, inner])
        let fromAll = configuration.route(of: try #require(RelativePath("in/a.csv")), in: all, size: 1)
        let fromInner = configuration.route(of: try #require(RelativePath("a.txt")), in: inner, size: 1)
        #expect(fromAll == (try delivered(to: "inner")))
        #expect(fromInner == (try delivered(to: "all")))
        let nobody = configuration.route(of: try #require(RelativePath("skip")), in: inner, size: 1)
        #expect(nobody == .ignored(rule: "include: no pattern matches"))
    }

    @Test func thenTheOrderInTheFile() throws {
        let first = try mapping("first", "/data", include: ["*.csv"])
        let second = try mapping("second", "/data")
        #expect(route([first, second], "/data/a.csv") == (try delivered(to: "first")))
        #expect(route([second, first], "/data/a.csv") == (try delivered(to: "second")))
        #expect(route([first, second], "/data/a.txt") == (try delivered(to: "second")))
    }

    @Test func aMappedRootHoldsEverything() throws {
        let root = try mapping("root", "/")
        #expect(route([root], "/a/b.csv") == (try delivered(to: "root")))
        let inner = try mapping("inner", "/a")
        #expect(route([root, inner], "/a/b.csv") == (try delivered(to: "inner")))
        #expect(route([root, inner], "/b.csv") == (try delivered(to: "root")))
    }

    @Test func saysWhichRuleIgnores() throws {
        let all = try mapping(
            "all", "/data", include: ["*.csv"], exclude: ["bad*", "old/**"], minimumSize: 10, maximumSize: 20)
        let expected: [(FilePath, Int64, String)] = [
            ("/data/a.txt", 15, "include: no pattern matches"), ("/data/bad.csv", 15, "exclude: bad*"),
            ("/data/old/a.csv", 15, "exclude: old/** (the folder old)"),
            ("/data/bad/a.csv", 15, "exclude: bad* (the folder bad)"),
            ("/data/.git/a.csv", 15, "built-in exclude: .* (the folder .git)"),
            ("/data/.a.csv", 15, "built-in exclude: .*"),
            ("/data/a.csv", 9, "minimum_size: 10 bytes"), ("/data/a.csv", 21, "maximum_size: 20 bytes"),
            ("/data/a.csv", 0, "empty_files: skip"),
        ]
        for (path, size, rule) in expected {
            #expect(route([all], path, size: size) == .ignored(rule: rule), "\(path)")
        }
        #expect(route([all], "/data/a.csv", size: 10) == (try delivered(to: "all")))
        #expect(route([all], "/data/a.csv", size: 20) == (try delivered(to: "all")))
    }

    @Test func sizesDoNotHandAFileOn() throws {
        let outer = try mapping("outer", "/data")
        let inner = try mapping("inner", "/data/in", maximumSize: 5)
        #expect(route([outer, inner], "/data/in/a", size: 6) == .ignored(rule: "maximum_size: 5 bytes"))
    }

    @Test func emptyFilesAreRegisteredWhereAskedFor() throws {
        let register = try mapping("m", "/d", emptyFiles: .register)
        #expect(route([register], "/d/a", size: 0) == (try delivered(to: "m")))
        let both = try mapping("m", "/d", minimumSize: 1, emptyFiles: .register)
        #expect(route([both], "/d/a", size: 0) == .ignored(rule: "minimum_size: 1 bytes"))
    }

    @Test func aFlatMappingTakesItsOwnFolderOnly() throws {
        let flat = try mapping("flat", "/data", recursive: false)
        #expect(route([flat], "/data/a") == (try delivered(to: "flat")))
        #expect(route([flat], "/data/d/a") == .ignored(rule: "recursive: false"))
        #expect(flat.excludesDirectory(try #require(RelativePath("d"))))
    }

    @Test func aSkippedFolderNeverHoldsATakenFile() throws {
        let all = try mapping("all", "/data", exclude: ["old/**", "x*", "/a/b"])
        let configuration = Configuration(settings: AgentSettings(), mappings: [all])
        for folder in ["old", "d/xy", "a/b", ".git", "q.tmp", "a/b/c", "d", "a", "a/c", "d/old"] {
            let path = try #require(RelativePath(folder))
            let file = try #require(RelativePath(folder + "/f.csv"))
            let taken = configuration.route(of: file, in: all, size: 1) == .deliver(all.id)
            #expect(configuration.directoryIsExcluded(path, in: all) == !taken, "\(folder)")
        }
    }

    @Test func aFileNamedInBytesIsRouted() throws {
        let all = try mapping("all", "/data", include: ["*.csv"])
        let configuration = Configuration(settings: AgentSettings(), mappings: [all])
        let path = try #require(RelativePath(bytes: [0xFF, UInt8(ascii: "/"), 0xE9] + Array(".csv".utf8)))
        #expect(configuration.route(of: path, in: all, size: 1) == .deliver(all.id))
    }
}
