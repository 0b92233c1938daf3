import Glibc
import MappingConfig
import SyncCore
import SystemPackage
import Testing

@testable import RedivisSyncCLI

@Suite struct LastGoodMappingFileTests {
    private let folder: TemporaryFolder
    private static let text = """
        token_file: token
        mappings:
          weather:
            folder: /data/weather
            table: demo_org.weather_stations.readings

        """

    init() throws {
        folder = try TemporaryFolder()
    }

    private func parsed(_ text: String = text) throws -> LoadedMappingFile {
        try MappingFile.parse(Array(text.utf8), path: "/etc/redivis-sync/mapping.yaml") { _ in true }
    }

    @Test func whatIsKeptComesBack() async throws {
        try await LastGoodMappingFile.keep(parsed(), in: folder.path)
        // What the file names is relative to the file itself, and not to the copy.
        let home = try TemporaryFolder()
        try home.write("token", "sandbox")
        let path = home.path.appending("mapping.yaml")
        let loaded = try #require(LastGoodMappingFile.load(from: folder.path, for: path))
        #expect(loaded.configuration.mappings.map(\.id.value) == ["weather"])
        #expect(loaded.configuration.settings.tokenFile == home.path.appending("token"))
        #expect(loaded.path == path)
    }

    @Test func onlyItsOwnerMayReadIt() async throws {
        try await LastGoodMappingFile.keep(parsed(), in: folder.path)
        var status = stat()
        let path = folder.path.appending(LastGoodMappingFile.name)
        #expect(path.withPlatformString { stat($0, &status) } == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test func aNewerOneTakesItsPlaceAndLeavesNothingBeside() async throws {
        try await LastGoodMappingFile.keep(parsed(), in: folder.path)
        let newer = Self.text.replacing("weather:", with: "rain:")
        try await LastGoodMappingFile.keep(parsed(newer), in: folder.path)
        #expect(try folder.read("\(LastGoodMappingFile.name)") == newer)
        #expect(access(folder.path.appending("\(LastGoodMappingFile.name).new").string, F_OK) != 0)
    }

    @Test func whatIsDamagedOrMissingIsNoMappingFile() throws {
        #expect(LastGoodMappingFile.load(from: folder.path, for: "/etc/m.yaml") == nil)
        try folder.write("\(LastGoodMappingFile.name)", "mappings: [")
        #expect(LastGoodMappingFile.load(from: folder.path, for: "/etc/m.yaml") == nil)
    }

    @Test func whereItCannotBeKeptTheStateIsUnusable() async throws {
        let file = try parsed()
        let missing = folder.path.appending("missing")
        await #expect {
            try await LastGoodMappingFile.keep(file, in: missing)
        } throws: {
            ($0 as? CommandFailure)?.status == .stateUnusable
                && ($0 as? CommandFailure)?.text().contains(missing.string) == true
        }
    }
}

@Suite struct PathKindTests {
    @Test func everyKindIsToldFromTheOthers() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.csv", "x")
        let at = { (name: String) in folder.path.appending(name).string }
        #expect(mkdir(at("below"), 0o755) == 0)
        try folder.write("below/b.csv", "x")
        #expect(symlink("a.csv", at("link.csv")) == 0)
        #expect(symlink("below", at("link")) == 0)
        #expect(mkfifo(at("pipe"), 0o644) == 0)
        let expected = [
            "a.csv": "file", "below/b.csv": "file", "below": "folder", "link.csv": "symbolic_link",
            "link/b.csv": "through_symbolic_link", "pipe": "pipe", "none": "missing", "none/a": "missing",
            "a.csv/b": "missing",
        ]
        for (name, kind) in expected {
            let path = try #require(RelativePath(name))
            let found = PathKind.of(path, below: folder.path)
            #expect(found.name == kind, "\(name)")
            #expect((found.obstacle == nil) == (kind == "file"))
            #expect(PathKind.names.contains(found.name))
        }
        #expect(PathKind.of(try #require(RelativePath("null")), below: "/dev").name == "device")
    }
}
