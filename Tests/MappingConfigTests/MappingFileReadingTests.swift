import MappingConfig
import SyncCore
import SyncTestSupport
import SystemPackage
import Testing

@Suite struct MappingFileReadingTests {
    private func parse(_ text: String, path: FilePath = "/etc/redivis-sync/mapping.yaml") throws -> Configuration {
        try MappingFile.parse(Array(text.utf8), path: path) { _ in true }.configuration
    }

    private func only(_ text: String) throws -> Mapping {
        let configuration = try parse(text)
        #expect(configuration.mappings.count == 1)
        return try #require(configuration.mappings.first)
    }

    @Test func theSmallestFileHasAllDefaults() throws {
        let configuration = try parse(MappingFileProblemTests.head)
        #expect(configuration.settings == AgentSettings())
        let weather = Mapping(
            id: try #require(MappingID("weather")), folder: "/data/weather",
            table: try TableReference(parsing: "o.d.t"),
            include: ["**"], uploadName: "{path}")
        #expect(configuration.mappings == [weather])
    }

    @Test func everyKeyThatWorksIsRead() throws {
        let configuration = try parse(
            """
            version: 1
            api: http://127.0.0.1:8080/api/v1/
            token_file: secret/token
            state_directory: /var/lib/x
            uploads: 16
            chunk_size: 512KiB
            api_rate: 300/min
            registration_doubt: 250ms
            inline_limit: 64KiB
            send_token_to: [Storage.example.org, "[::1]:8080"]
            ca_file: ../ca.pem
            mappings:
              w:
                folder: /data/./weather/
                table: o.d:ab12:next.t:9xyz
                kind: rows
                recursive: false
                include: ["*.csv", "in/**"]
                exclude: ["old"]
                minimum_size: 1KB
                maximum_size: 1.5GiB
                empty_files: register
                existing: hold
                settle: 0s
                open_writers: ignore
                upload_name: "{mapping}/{path}"
                format:
                  type: delimited
                  delimiter: "\\t"
                  header_row: false
                  quote_character: "'"
                  escape_character: "\\\\"
                  quoted_newlines: true
                  jagged_rows: true
                  skip_bad_records: false
                  null_markers: [NA, "", null, 007]
                verify: size
                endpoint: temp_uploads
                create_version: false
                on_change: ignore
            """)
        var settings = AgentSettings()
        settings.api = "http://127.0.0.1:8080/api/v1"
        settings.tokenFile = "/etc/redivis-sync/secret/token"
        settings.stateDirectory = "/var/lib/x"
        settings.uploads = 16
        settings.chunkSize = 512 << 10
        settings.apiRate = .every(.milliseconds(200))
        settings.registrationDoubt = .milliseconds(250)
        settings.inlineLimit = 64 << 10
        settings.sendTokenTo = ["storage.example.org", "[::1]:8080"]
        settings.certificateAuthorities = "/etc/ca.pem"
        #expect(configuration.settings == settings)
        var format = UploadFormat()
        format.type = "delimited"
        format.delimiter = "\t"
        format.hasHeaderRow = false
        format.quoteCharacter = "'"
        format.escapeCharacter = "\\"
        format.hasQuotedNewlines = true
        format.allowJaggedRows = true
        format.skipBadRecords = false
        format.nullMarkers = ["NA", "", "null", "007"]
        let expected = Mapping(
            id: try #require(MappingID("w")), folder: "/data/weather",
            table: try TableReference(parsing: "o.d:ab12.t:9xyz"),
            recursive: false, include: ["*.csv", "in/**"], exclude: ["old"], minimumSize: 1000, maximumSize: 3 << 29,
            emptyFiles: .register, existing: .hold, settle: SettlePolicy(quiet: .zero, waitsForWriters: false),
            uploadName: "{mapping}/{path}", format: format, verification: .size, endpoint: .fixed(.tempUploads),
            createsVersion: false, onChange: .ignore)
        #expect(configuration.mappings == [expected])
    }

    @Test func defaultsGoIntoMappingsThatDoNotSayItThemselves() throws {
        let configuration = try parse(
            """
            defaults: {settle: 5s, table: o.d.t, include: ["*.csv"], format: {delimiter: ";"}}
            mappings:
              a: {folder: /a}
              b: {folder: /b, settle: 1m, table: o.d.u, format: {type: orc}}
            """)
        #expect(configuration.mappings.map(\.settle.quiet) == [.seconds(5), .seconds(60)])
        #expect(configuration.mappings.map(\.table.text) == ["o.d.t", "o.d.u"])
        #expect(configuration.mappings.map(\.include) == [["*.csv"], ["*.csv"]])
        #expect(configuration.mappings.map(\.format.delimiter) == [";", nil])
    }

    @Test func scalarsAreReadAsWritten() throws {
        let mapping = try only("mappings:\n  007: {folder: /data/1.10, table: o.d:0123.t:007}\n")
        #expect(mapping.id.value == "007")
        #expect(mapping.folder == "/data/1.10")
        #expect(mapping.table.text == "o.d:0123.t:007")
        let names = try only(
            "mappings:\n  no: {folder: /yes, table: o.on.off, include: [yes, 1e3, 0x10, ~$x, 2020-01-01]}\n")
        #expect(names.id.value == "no")
        #expect(names.include.map(\.text) == ["yes", "1e3", "0x10", "~$x", "2020-01-01"])
    }

    @Test func mappingsMayShareAndNestFoldersInTheirOrder() throws {
        let configuration = try parse(
            "mappings:\n  z: {folder: /d, table: o.d.t}\n  a: {folder: /d, table: o.d.u}\n  m: {folder: /d/e, table: o.d.t}\n"
        )
        #expect(configuration.mappings.map(\.id.value) == ["z", "a", "m"])
    }

    @Test func anchorsWork() throws {
        let configuration = try parse("mappings:\n  a: {folder: /a, table: &t o.d.t}\n  b: {folder: /b, table: *t}\n")
        #expect(configuration.mappings.map(\.table.text) == ["o.d.t", "o.d.t"])
    }

    @Test(arguments: [
        "https://redivis.com/api/v1", "https://r.example.org:8443", "http://localhost:80/x", "http://127.1.2.3",
        "http://[::1]:9/api",
    ])
    func goodAddressesOfAnAPI(address: String) throws {
        #expect(try parse("api: \"\(address)\"\n" + MappingFileProblemTests.head).settings.api == address)
    }

    @Test(arguments: [
        "", "redivis", "ftp://redivis.com", "http://127.0.0.1.example.org", "http://localhost.example.org",
        "http://[::2]", "http://128.0.0.1",
        "https://", "https:///x", "https://a b", "https://x?y", "https://x#y", "https://x:0", "https://x:99999",
        "https://-x", "https://x..y",
        "https://é.org", "http://127.0.0.1@evil.org", "http://127.0.0.1:80\\@evil.org", "https://x\u{7F}",
        "http://127.0.0.256",
    ])
    func badAddressesOfAnAPI(address: String) {
        #expect(throws: MappingProblems.self) {
            try parse("api: '\(address)'\n" + MappingFileProblemTests.head)
        }
    }

    // MARK: Never trap

    @Test func randomBytesNeverTrap() {
        var random = SeededRandom()
        print("seed \(random.seed)")
        for _ in 0..<500 {
            _ = MappingFileProblemTests.problems(random.bytes(Int.random(in: 0...200, using: &random)))
        }
    }

    @Test func damagedFilesNeverTrap() {
        var random = SeededRandom()
        print("seed \(random.seed)")
        let whole = Array(
            (MappingFileProblemTests.head
                + "    include: [\"*.csv\", 'b']\n    format: {delimiter: \",\"}\n    settle: 3s\n").utf8)
        let damage = Array("*&!|>%@`\"'{}[],:#-?~\t\n \u{E9}<0".utf8)
        for _ in 0..<1500 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = damage.randomElement(using: &random) ?? 0
                case 1: bytes.insert(damage.randomElement(using: &random) ?? 0, at: place)
                default: bytes.remove(at: place)
                }
            }
            for problem in MappingFileProblemTests.problems(bytes) {
                #expect(problem.hasPrefix("m.yaml:") && !problem.contains("\n"), "\(problem)")
            }
        }
    }

    @Test func everyTruncationIsReadOrExplained() {
        let whole = Array(
            (MappingFileProblemTests.head + "    include: [\"*.csv\", 'b']\n    format: {delimiter: \",\"}\n").utf8)
        for length in 0..<whole.count { _ = MappingFileProblemTests.problems(Array(whole[..<length])) }
    }
}
