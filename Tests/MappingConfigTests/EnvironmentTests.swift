import Glibc
import MappingConfig
import SyncCore
import SystemPackage
import Testing

/// A directory that goes away with the test.
private struct Scratch {
    let path: FilePath

    init() throws {
        var template = Array("/tmp/redivis-sync-test-XXXXXX".utf8CString)
        let made = try #require(template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) } })
        path = FilePath(platformString: made)
    }

    func write(_ name: String, _ text: String, mode: mode_t = 0o600) throws -> FilePath {
        let file = path.appending(name)
        let descriptor = try FileDescriptor.open(
            file, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
        try descriptor.closeAfter { _ = try descriptor.writeAll(text.utf8) }
        #expect(file.withPlatformString { chmod($0, mode) } == 0)
        return file
    }

    func remove() {
        for name in ["token", "redivis-token", "mapping.yaml", "link", "fifo"] {
            _ = path.appending(name).withPlatformString { unlink($0) }
        }
        _ = path.withPlatformString { rmdir($0) }
    }
}

@Suite struct MappingEnvironmentTests {
    private func environment(_ variables: [String: String], isRoot: Bool = false, existing: Set<FilePath> = [])
        -> AgentEnvironment
    {
        AgentEnvironment(variables, isRoot: isRoot) { existing.contains($0) }
    }

    // MARK: The mapping file

    @Test func theFirstMappingFileThatExistsIsTaken() {
        let variables = ["REDIVIS_SYNC_MAPPING_FILE": "/x/m.yaml", "XDG_CONFIG_HOME": "/c", "HOME": "/home/me"]
        let all: [FilePath] = ["/x/m.yaml", "/c/redivis-sync/mapping.yaml", "/etc/redivis-sync/mapping.yaml"]
        for index in all.indices {
            #expect(environment(variables, existing: Set(all[index...])).mappingFile(named: nil) == .found(all[index]))
        }
        #expect(environment(variables).mappingFile(named: nil) == .missing(all))
        #expect(environment(variables, existing: Set(all)).mappingFile(named: "n.yaml") == .found("n.yaml"))
    }

    @Test func theConfigurationDirectoryHasADefault() {
        let etc: FilePath = "/etc/redivis-sync/mapping.yaml"
        #expect(
            environment(["HOME": "/home/me"]).mappingFile(named: nil)
                == .missing(["/home/me/.config/redivis-sync/mapping.yaml", etc]))
        // Relative ones are ignored, as the XDG base directory specification asks.
        #expect(
            environment(["HOME": "/home/me", "XDG_CONFIG_HOME": "c"]).mappingFile(named: nil)
                == .missing(["/home/me/.config/redivis-sync/mapping.yaml", etc]))
        #expect(environment([:]).mappingFile(named: nil) == .missing([etc]))
        #expect(environment(["HOME": "", "REDIVIS_SYNC_MAPPING_FILE": ""]).mappingFile(named: nil) == .missing([etc]))
    }

    // MARK: The state directory

    @Test func theStateDirectoryFollowsItsRule() throws {
        var named = AgentSettings()
        named.stateDirectory = "/named"
        let systemd = ["STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/s", "HOME": "/home/me"]
        #expect(try environment(systemd).stateDirectory(named) == "/named")
        let settings = AgentSettings()
        #expect(try environment(systemd).stateDirectory(settings) == "/var/lib/a")
        #expect(
            try environment(["XDG_STATE_HOME": "/s", "HOME": "/home/me"]).stateDirectory(settings) == "/s/redivis-sync")
        #expect(try environment(["HOME": "/home/me"]).stateDirectory(settings) == "/home/me/.local/state/redivis-sync")
        #expect(try environment(["HOME": "/root"], isRoot: true).stateDirectory(settings) == "/var/lib/redivis-sync")
        #expect(
            try environment(["HOME": "/root", "XDG_STATE_HOME": "/s"], isRoot: true).stateDirectory(settings)
                == "/s/redivis-sync")
        #expect(throws: Failure.self) { try environment([:]).stateDirectory(settings) }
    }

    // MARK: The token

    private func token(
        _ variables: [String: String], _ settings: AgentSettings = AgentSettings(), in directory: FilePath
    ) throws -> String {
        try AgentEnvironment(variables, isRoot: false).token(settings, mappingFile: directory.appending("mapping.yaml"))
            .secret.revealed
    }

    @Test func theTokenIsLookedForInItsOrder() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let all = ["REDIVIS_API_TOKEN": " from-env\n", "CREDENTIALS_DIRECTORY": scratch.path.string]
        let credentialOnly = ["CREDENTIALS_DIRECTORY": scratch.path.string]
        #expect(throws: TokenProblem.none(beside: scratch.path.appending("token"))) { try token([:], in: scratch.path) }
        let beside = try scratch.write("token", "beside\n")
        #expect(try token([:], in: scratch.path) == "beside")
        #expect(try token(credentialOnly, in: scratch.path) == "beside")
        _ = try scratch.write("redivis-token", "\tcredential \r\n", mode: 0o400)
        #expect(try token(credentialOnly, in: scratch.path) == "credential")
        #expect(try token(all, in: scratch.path) == "from-env")
        var settings = AgentSettings()
        settings.tokenFile = beside
        #expect(try token(all, settings, in: scratch.path) == "beside")
        settings.tokenFile = scratch.path.appending("gone")
        #expect(throws: TokenProblem.self) { try token(all, settings, in: scratch.path) }
    }

    @Test func aTokenThatOthersCanReadIsRefusedWithTheRemedy() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        for mode: mode_t in [0o644, 0o604, 0o602, 0o666] {
            let path = try scratch.write("token", "secret-token\n", mode: mode)
            let problem = #expect(throws: TokenProblem.self) { try token([:], in: scratch.path) }
            #expect(problem == .exposed(path, mode: UInt32(mode)))
            #expect(problem?.description.hasSuffix("run: chmod 600 \(path)") == true)
            #expect(problem?.description.contains("secret-token") == false)
        }
        for mode: mode_t in [0o600, 0o400, 0o640] {
            _ = try scratch.write("token", "secret-token\n", mode: mode)
            #expect(try token([:], in: scratch.path) == "secret-token")
        }
    }

    @Test func theRemedyIsQuotedForAShell() {
        #expect(TokenProblem.exposed("/a b/it's", mode: 0o644).description.hasSuffix(#"run: chmod 600 '/a b/it'\''s'"#))
    }

    @Test(arguments: ["", " \n\t", "two words", "a\nb", "tokén", "a\u{0}b", String(repeating: "x", count: 20_000)])
    func whatCannotBeATokenIsRefusedWithoutBeingShown(text: String) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        _ = try scratch.write("token", text)
        let problem = #expect(throws: TokenProblem.self) { try token([:], in: scratch.path) }
        #expect(problem?.description.contains("two words") == false)
    }

    @Test func aSpecialFileDoesNotBlock() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let fifo = scratch.path.appending("fifo")
        #expect(fifo.withPlatformString { mkfifo($0, 0o600) } == 0)
        var settings = AgentSettings()
        settings.tokenFile = fifo
        #expect(throws: TokenProblem.self) { try token([:], settings, in: scratch.path) }
        for path in [fifo, scratch.path, scratch.path.appending("gone"), "/dev/null/x"] {
            #expect(throws: MappingProblems.self) { try MappingFile.load(path) }
        }
    }

    // MARK: Loading

    @Test func aFileIsLoadedWithItsDigest() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = try scratch.write("mapping.yaml", "mappings:\n  w: {folder: /data, table: o.d.t}\n")
        let loaded = try MappingFile.load(path)
        #expect(loaded.path == path)
        // printf 'mappings:\n  w: {folder: /data, table: o.d.t}\n' | sha256sum
        #expect(loaded.sha256.hex == "d660987a4bf0dd8edc24804d923577e642a0ed176cd975cfa0d26f06b87d010c")
        #expect(loaded.configuration.mappings.count == 1)
    }

    @Test func nothingOfTheAgentsOwnMayLieInAMappedFolder() throws {
        let text = "mappings:\n  w:\n    folder: /data/in\n    table: o.d.t\n  v: {folder: /data/other, table: o.d.t}\n"
        let loaded = try MappingFile.parse(Array(text.utf8), path: "/data/in/conf/m.yaml")
        let problems = loaded.problems(
            ofOwn: [
                .init("the token file", "/data/in/token"), .init("the state directory", "/data/other"),
                .init("the spool", "/data/inn"),
            ],
            resolve: { $0 })
        #expect(
            problems.map(\.description) == [
                "/data/in/conf/m.yaml:3:13: the mapping file, /data/in/conf/m.yaml, lies in the mapped folder /data/in; move it out of that folder, or map another one",
                "/data/in/conf/m.yaml:3:13: the token file, /data/in/token, lies in the mapped folder /data/in; move it out of that folder, or map another one",
                "/data/in/conf/m.yaml:5:15: the state directory, /data/other, lies in the mapped folder /data/other; move it out of that folder, or map another one",
            ])
    }

    @Test func symbolicLinksDoNotHideThat() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let link = scratch.path.appending("link")
        #expect(link.withPlatformString { symlink(".", $0) } == 0)
        let text = "mappings:\n  w: {folder: \(link), table: o.d.t}\n"
        let loaded = try MappingFile.parse(Array(text.utf8), path: "/etc/m.yaml")
        #expect(
            loaded.problems(ofOwn: [.init("the token file", scratch.path.appending("not-there-yet/token"))]).count == 1)
        #expect(loaded.problems(ofOwn: [.init("the token file", "/etc/token")]) == [])
    }
}
