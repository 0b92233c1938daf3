import SyncCore
import SyncTestSupport
import SystemPackage
import Testing

@testable import RedivisSyncCLI

@Suite struct ArgumentTests {
    @Test(arguments: [
        "plain.csv", "気温.csv", "", "e\u{301}", "\u{10FF41}", "\u{10FF80}\u{10FFFF}", "a\u{1B}b",
    ])
    func textComesBackAsItsBytes(text: String) {
        let bytes = Array(text.utf8)
        #expect(ArgumentBytes.bytes(of: ArgumentBytes.text(of: bytes)) == bytes)
    }

    @Test func ordinaryTextReachesTheParserAsItIs() {
        #expect(ArgumentBytes.text(of: Array("--limit".utf8)) == "--limit")
        #expect(ArgumentBytes.text(of: Array("気温".utf8)) == "気温")
    }

    @Test func anyBytesComeBackWhole() {
        var random = SeededRandom()
        for _ in 0..<2000 {
            let bytes = random.bytes(Int.random(in: 0...12, using: &random)).filter { $0 != 0 }
            #expect(ArgumentBytes.bytes(of: ArgumentBytes.text(of: bytes)) == bytes, "seed \(random.seed)")
        }
        let everyByte = (1...255).map { UInt8($0) }
        #expect(ArgumentBytes.bytes(of: ArgumentBytes.text(of: everyByte)) == everyByte)
    }

    @Test(arguments: [
        ("/data/a.csv", "/data/a.csv"), ("/data//a/./b/../c", "/data/a/c"), ("/..", "/"), ("/", "/"),
        ("/data/", "/data"), ("/../../a", "/a"),
    ])
    func pathsAreMadeAbsoluteByTheirLetters(written: String, absolute: String) throws {
        let argument = try #require(PathArgument(argument: written))
        #expect(String(decoding: argument.absolute, as: UTF8.self) == absolute)
    }

    @Test func relativePathsBeginAtTheWorkingDirectory() throws {
        let here = try #require(PathArgument(argument: ".")).absolute
        let there = try #require(PathArgument(argument: "x/../below/a.csv")).absolute
        #expect(here.first == UInt8(ascii: "/"))
        #expect(there == here + Array("/below/a.csv".utf8))
    }

    @Test func bytesThatAreNoTextStayInAPath() throws {
        let bytes: [UInt8] = [0x2F, 0x63, 0xE9, 0xFF]
        let argument = try #require(PathArgument(argument: ArgumentBytes.text(of: bytes)))
        #expect(argument.absolute == bytes)
        #expect(argument.path.bytes == bytes)
        #expect(argument.printable == "/c\\xe9\\xff")
    }

    @Test(arguments: ["", "a\u{0}b"])
    func whatCannotBeAPathIsRefused(text: String) {
        #expect(PathArgument(argument: text) == nil)
    }
}

@Suite struct MappedPathTests {
    private func paths(
        _ path: String, _ mappings: Mapping..., resolve: (FilePath) -> FilePath = { $0 }
    ) throws -> [String] {
        let argument = try #require(PathArgument(argument: path))
        return MappedPath.all(
            of: argument, in: Configuration(settings: AgentSettings(), mappings: mappings), resolve: resolve
        ).map { "\($0.mapping.id): \($0.path)" }
    }

    @Test func everyMappingWhoseFolderHoldsThePathSeesItInItsOwnWay() throws {
        let found = try paths(
            "/data/weather/2024/a.csv", Given.mapping("whole", folder: "/data"),
            Given.mapping("other", folder: "/data/other"), Given.mapping("deep", folder: "/data/weather/2024"))
        #expect(found == ["whole: weather/2024/a.csv", "deep: a.csv"])
    }

    @Test func aFolderThatOnlyBeginsAlikeHoldsNothing() throws {
        #expect(try paths("/data/weather2/a.csv", Given.mapping()) == [])
        #expect(try paths("/data/weather", Given.mapping()) == [])
    }

    @Test func theRootMayBeMapped() throws {
        #expect(try paths("/a.csv", Given.mapping(folder: "/")) == ["weather: a.csv"])
    }

    @Test func aFolderReachedByAnotherNameIsFound() throws {
        // /data is a symbolic link to /mnt/disk/data.
        let resolve = { (path: FilePath) -> FilePath in
            path.starts(with: "/data") ? FilePath("/mnt/disk").pushing(FilePath(String(path.string.dropFirst()))) : path
        }
        #expect(try paths("/mnt/disk/data/weather/a.csv", Given.mapping(), resolve: resolve) == ["weather: a.csv"])
        #expect(try paths("/data/weather/a.csv", Given.mapping(), resolve: resolve) == ["weather: a.csv"])
        #expect(try paths("/mnt/disk/a.csv", Given.mapping(), resolve: resolve) == [])
    }
}
