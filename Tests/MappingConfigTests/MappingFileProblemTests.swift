import MappingConfig
import SyncCore
import SystemPackage
import Testing

/// Each problem with its place, its words and its remedy. `HEAD` is a file without problems of four lines.
@Suite struct MappingFileProblemTests {
    static let head = "mappings:\n  weather:\n    folder: /data/weather\n    table: o.d.t\n"

    static func problems(_ text: String) -> [String] {
        problems(Array(text.utf8))
    }

    static func problems(_ bytes: [UInt8]) -> [String] {
        do throws(MappingProblems) {
            _ = try MappingFile.parse(bytes, path: "m.yaml") { $0.lastComponent != "nope" }
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    // MARK: YAML slips

    @Test(arguments: [
        ("    include: [*.csv]\n", #"5:15: a text that begins with `*` must be quoted; write "*.csv""#),
        ("    include: [a, *]\n", #"5:18: a text that begins with `*` must be quoted; write "*""#),
        ("    include: *.csv\n", #"5:14: a text that begins with `*` must be quoted; write "*.csv""#),
        ("    exclude: [**]\n", #"5:15: a text that begins with `*` must be quoted; write "**""#),
        ("    exclude: *csv\n", #"5:14: a text that begins with `*` must be quoted; write "*csv""#),
        (
            "    include:\n      - *.csv # all\n      - b\n",
            #"6:9: a text that begins with `*` must be quoted; write "*.csv""#
        ),
        (
            "\tsettle: 30s\n",
            "5:1: a tab indents this line, and YAML allows blanks only; write two blanks for each level"
        ),
        (
            "    \tsettle: 30s\n",
            "5:5: a tab indents this line, and YAML allows blanks only; write two blanks for each level"
        ),
        ("    upload_name: a: b\n", #"5:19: a text with `: ` in it must be quoted; write "a: b""#),
        (
            "     settle: 30s\n",
            "5:12: this line is indented as if it belonged to the one above; indent the keys of one block alike, and quote a text that has `: ` in it"
        ),
        (
            "   settle: 30s\n",
            "5:4: this line fits neither the block above it nor a new one; indent the keys of one block alike, each as `key: value`"
        ),
        ("    settle 30s\n", "5:5: a colon and a blank are missing after a key; write `key: value`"),
        ("    <<: *x\n", "5:9: `<<` (a merge) is not read here; put shared keys under `defaults`"),
        ("    <<: {settle: 3s}\n", "5:5: `<<` (a merge) is not read here; put shared keys under `defaults`"),
        (
            "    upload_name: {path}\n",
            #"5:18: `upload_name`: a text that begins with `{` must be quoted; write "{path}""#
        ),
        (
            "    upload_name: {mapping}/{path}\n",
            "5:27: something follows what `{` began in this line; quote the whole text, as in '…'"
        ),
        ("    exclude: !x\n", #"5:14: `exclude`: a text that begins with `!` must be quoted; write "!x""#),
        ("    exclude: [\"a\n", "5:15: the quotation that begins here never ends; close it with the same quote"),
        (
            "    exclude: [a\n",
            #"5:14: the list that begins here with `[` is not closed, or a comma is missing; write ["a", "b"]"#
        ),
        ("    format: {delimiter: ,}\n", "5:25: `delimiter` has no value; write `delimiter: null`, or leave it out"),
        ("    format: {delimiter: |}\n", #"5:25: a text that begins with `|` must be quoted; write "|""#),
        ("    format:\n      delimiter: |\n", #"6:18: `delimiter`: a lone `|` begins a block of text; write "|""#),
        ("    format: {delimiter: '\\t'}\n", #"5:25: `delimiter`: `\t` is more than one character; write "\t""#),
        (
            "    upload_name: \"C:\\data\"\n",
            #"5:21: in double quotes a backslash begins an escape, and this is none; write '…' in single quotes, or `\\` for a backslash"#
        ),
        ("---\nmappings: {}\n", "5:1: a second document begins here with `---`; keep one document"),
        ("    folder: /data\n", "5:5: `folder` stands here twice, first in line 3; keep one of them"),
        ("    'folder': /data\n", "5:5: `folder` stands here twice, first in line 3; keep one of them"),
        ("  weather:\n    folder: /x\n", "5:3: `weather` stands here twice, first in line 2; keep one of them"),
        ("    @x: 1\n", #"5:5: a text that begins with `@` must be quoted; write "@x""#),
    ])
    func explainsSlipsOfYAML(added: String, expected: String) {
        #expect(Self.problems(Self.head + added) == ["m.yaml:" + expected])
    }

    // MARK: Keys and values

    @Test(arguments: [
        ("    setle: 3s\n", "5:5: there is no key `setle` here; write `settle`"),
        ("    path: /x\n", "5:5: there is no key `path` here; write `folder`"),
        ("    uploads: 3\n", "5:5: `uploads` does not belong here; write it at the top of the file"),
        ("    null_markers: [NA]\n", "5:5: `null_markers` does not belong here; write it under `format` of a mapping"),
        ("    format: {hasHeaderRow: true}\n", "5:14: there is no key `hasHeaderRow` here; write `header_row`"),
        ("    settle: 30\n", "5:13: `settle`: `30` has no unit; write 30s"),
        ("    settle: 1h30m\n", "5:13: `settle`: `1h30m` is no time; write 90m"),
        ("    settle: 5 min\n", "5:13: `settle`: `5 min` is no time; write 5m"),
        ("    settle: 9999d\n", "5:13: `settle`: `9999d` is more than a year; write 366d or less"),
        ("    settle:\n", "5:12: `settle` has no value; write `settle: 30s`, or leave it out"),
        ("    settle: [1s]\n", "5:13: `settle` takes one value, not a list or a block; write it behind the colon"),
        ("    recursive: yes\n", "5:16: `recursive`: `yes` is neither true nor false; write true"),
        ("    recursive: Off\n", "5:16: `recursive`: `Off` is neither true nor false; write false"),
        ("    existing: skipp\n", "5:15: `existing`: `skipp` is not known here; write skip"),
        ("    minimum_size: 1mb\n", "5:19: `minimum_size`: `1mb` is no size; write 1MB"),
        ("    minimum_size: 64 MiB\n", "5:19: `minimum_size`: `64 MiB` is no size; write 64MiB"),
        ("    minimum_size: 2TB\n", "5:19: `minimum_size`: `2TB` is no size; write 2000GB"),
        (
            "    minimum_size: -1\n",
            "5:19: `minimum_size`: `-1` is no size; write a number with KB, MB, GB (powers of 1000) or KiB, MiB, GiB (of 1024), as in 64MiB"
        ),
        (
            "    minimum_size: 0.5\n",
            "5:19: `minimum_size`: `0.5` is no whole number of bytes; write a size such as 64MiB, 20MB or 4096"
        ),
        (
            "    minimum_size: 99999999999GiB\n",
            "5:19: `minimum_size`: `99999999999GiB` is no whole number of bytes; write a size such as 64MiB, 20MB or 4096"
        ),
        (
            "    minimum_size: 3MB\n    maximum_size: 1MB\n",
            "6:19: `maximum_size` is less than `minimum_size`, so no file is taken; write at least 3MB"
        ),
        ("    include: \"*.csv\"\n", #"5:14: `include` takes a list; write ["*.csv"]"#),
        ("    include: []\n", #"5:14: `include` without a pattern takes no file; write ["**"], or leave it out"#),
        ("    include: [\"[a\"]\n", #"5:15: `include`: a `[` is never closed; close it with `]`, or write `\[`"#),
        (
            "    include: [\"/data/weather/*.csv\"]\n",
            #"5:14: `include`: `/data/weather/*.csv` begins with the folder, and patterns are held against what comes after it; write "/*.csv""#
        ),
        ("    exclude: [a, ~]\n", #"5:18: `exclude` has an empty item; remove it, or write "" for an empty text"#),
        ("    upload_name: \"{pth}\"\n", "5:18: `upload_name`: `{pth}` is not known; write {path}"),
        ("    format: {type: csv}\n", "5:20: `type`: Redivis calls the type `csv` delimited; write delimited"),
        ("    format: {type: parket}\n", "5:20: `type`: `parket` is not known here; write parquet"),
        (
            "    after_delivery: {mve: /x}\n",
            "5:22: there is no key `mve` under `after_delivery`; write one of move, delete_after"
        ),
        (
            "    window: 8-17\n",
            #"5:13: `window`: `8-17` is not known here; write always, or two times as in "20:00-06:00""#
        ),
    ])
    func explainsKeysAndValuesOfAMapping(added: String, expected: String) {
        #expect(Self.problems(Self.head + added) == ["m.yaml:" + expected])
    }

    @Test(arguments: [
        ("version: 2\n", "1:10: `version`: `version: 2` is not known to this program; write `version: 1`"),
        ("api_rate: 300/minute\n", "1:11: `api_rate`: `300/minute` is no rate of requests; write 300/min"),
        (
            "api_rate: 0/s\n",
            "1:11: `api_rate`: `0/s` is no rate of requests; write auto, or a number of requests as in 300/min"
        ),
        (
            "api_rate: 10/h\n",
            "1:11: `api_rate`: `10/h` is too slow: one file takes several requests; write at least 10/min"
        ),
        ("chunk_size: 1MB\n", "1:13: `chunk_size`: `1MB` is no multiple of 256KiB; write 1MiB"),
        ("chunk_size: 100KiB\n", "1:13: `chunk_size`: `100KiB` is not from 256KiB to 1024GiB; write 256KiB"),
        ("chunk_size: 700KiB\n", "1:13: `chunk_size`: `700KiB` is no multiple of 256KiB; write 768KiB"),
        ("uploads: 0\n", "1:10: `uploads`: 0 is not from 1 to 256; write 1"),
        ("uploads: four\n", "1:10: `uploads`: `four` is no whole number; write one from 1 to 256"),
        (
            "api: http://redivis.com/api/v1\n",
            "1:6: `api`: http:// would send the token in the clear, and is taken for loopback addresses only; write https://redivis.com/api/v1"
        ),
        (
            "api: redivis.com/api/v1\n",
            "1:6: `api`: `redivis.com/api/v1` has no https:// in front; write https://redivis.com/api/v1"
        ),
        (
            "api: https://me:pw@redivis.com\n",
            "1:6: `api`: the address has a user name in it; leave out all before the `@`"
        ),
        ("send_token_to: [https://x.org/]\n", "1:17: `send_token_to`: `https://x.org/` is no host; write x.org"),
        (
            "token_file: nope\n",
            "1:13: `token_file`: there is no file /DIR/nope; name a file that is there, from the root or from this file's folder"
        ),
        (
            "ca_file: /nope\n",
            "1:10: `ca_file`: there is no file /nope; name a file that is there, from the root or from this file's folder"
        ),
        (
            "token_file: ~/token\n",
            "1:13: `token_file`: `~` is not expanded here; write the path from the root, as in /home/NAME/token"
        ),
        ("settle: 1s\n", "1:1: `settle` does not belong here; write it under a mapping or under `defaults`"),
        ("mapings: {}\n", "1:1: there is no key `mapings` here; write `mappings`"),
        (
            "token: abcdef\n",
            "1:1: a token does not belong in this file, which others may read; put it into a file with mode 0600 and name that as `token_file`"
        ),
        (
            "defaults: [a]\n",
            "1:11: `defaults` holds no keys; write `key: value` lines below it, indented by two blanks"
        ),
        ("defaults: {setle: 1s}\n", "1:12: there is no key `setle` here; write `settle`"),
    ])
    func explainsKeysAndValuesOfTheFile(first: String, expected: String) {
        let found = Self.problems(first + Self.head).map {
            $0.replacing(FilePath("m.yaml").absoluteFolder, with: "/DIR")
        }
        #expect(found == ["m.yaml:" + expected])
    }

    @Test(arguments: [
        (
            "    folder: data\n    table: o.d.t\n",
            "3:13: `folder`: `data` is a relative folder; write it from the root, as in /data/data"
        ),
        (
            "    folder: ~/data\n    table: o.d.t\n",
            "3:13: `folder`: `~` is not expanded here; write the path from the root, as in /home/NAME/data"
        ),
        (
            "    folder: $HOME/data\n    table: o.d.t\n",
            "3:13: `folder`: variables such as `$HOME` are not expanded here; write the path from the root"
        ),
        ("    folder: /data/../x\n    table: o.d.t\n", "3:13: `folder`: `/data/../x` has `..` in it; write /x"),
        (
            "    folder: /data\n    table: o.d:current.t\n",
            "4:12: `table`: `:current` is the released version, and uploads go to the unreleased one; write o.d.t"
        ),
        (
            "    folder: /data\n    table: o.d:v1_0.t\n",
            "4:12: `table`: `:v1_0` is a released version, and uploads go to the unreleased one; write o.d.t"
        ),
        ("    folder: /data\n", "2:3: the mapping `w` has no `table`; write `table: owner.dataset.table` below it"),
        ("    table: o.d.t\n", "2:3: the mapping `w` has no `folder`; write `folder: /data/weather` below it"),
    ])
    func explainsFolderAndTable(keys: String, expected: String) {
        #expect(Self.problems("mappings:\n  w:\n" + keys) == ["m.yaml:" + expected])
    }

    @Test(arguments: [
        ("", "the file is empty; begin with `mappings:`, as in docs/mapping-file.md"),
        ("# nothing\n", "the file is empty; begin with `mappings:`, as in docs/mapping-file.md"),
        ("- a\n", "the file holds no keys; begin it with `mappings:`"),
        ("uploads: 4\n", "`mappings` is missing; write `mappings:` and a mapping below it"),
    ])
    func explainsAFileWithoutMappings(text: String, expected: String) {
        #expect(Self.problems(text) == ["m.yaml:1:1: " + expected])
    }

    @Test(arguments: [
        ("mappings:\n", "1:10: `mappings` has no mapping; write an id with `folder` and `table` below it"),
        (
            "mappings:\n  - folder: /x\n",
            "2:3: `mappings` is a list, and each mapping needs an id; write `weather:` with the keys below it in place of `- `"
        ),
        (
            "mappings:\n  weather:\n",
            "2:11: the mapping `weather` has no keys; write `folder` and `table` below it, indented by two blanks more"
        ),
        (
            "mappings:\n  folder: /x\n",
            "2:3: `folder` stands where the ids of mappings stand; indent it below its mapping's id"
        ),
        (
            "mappings:\n  we ather:\n    folder: /d\n    table: o.d.t\n",
            "2:3: `we ather` is no id: it has up to 64 letters (a to z), digits, `-` and `_`; write we_ather"
        ),
    ])
    func explainsMappingsThatAreNone(text: String, expected: String) {
        #expect(Self.problems(text) == ["m.yaml:" + expected])
    }

    // MARK: Tokens

    @Test(arguments: [
        // Spelled otherwise, and one table all the same.
        ("a.b.T", "/one", "token_file: /two"), ("a.b.t:9xyz", "/one", "token_file: null"),
        ("a.b:ab12.t", "/one", "token_file: /two"),
    ])
    func refusesTwoTokensForOneTable(table: String, first: String, second: String) {
        let text =
            "defaults:\n  token_file: \(first)\nmappings:\n"
            + "  x:\n    folder: /d\n    table: a.b.t\n  y:\n    folder: /e\n    table: \(table)\n    \(second)\n"
        let column = "    token_file: ".count + 1
        #expect(
            Self.problems(text) == [
                "m.yaml:10:\(column): the mappings `x` and `y` send to one table with different tokens, and a token "
                    + "goes with its table; write the same `token_file` in both"
            ])
    }

    @Test func takesOneTokenForOneTableAndAnotherForAnother() {
        let text =
            "mappings:\n" + "  x: {folder: /d, table: a.b.t, token_file: one}\n"
            + "  y: {folder: /e, table: a.b.T, token_file: ./one}\n"
            + "  z: {folder: /f, table: a.b.u}\n" + "  w: {folder: /g, table: \"a.b:1234.t:abcd\", token_file: one}\n"
        #expect(Self.problems(text) == [])
    }

    @Test func aMappingsTokenFileMustBeThereAndIsToldOnce() {
        let text =
            "defaults:\n  token_file: /nope\nmappings:\n"
            + "  x: {folder: /d, table: a.b.t}\n  y: {folder: /e, table: a.b.u}\n"
        #expect(
            Self.problems(text) == [
                "m.yaml:2:15: `token_file`: there is no file /nope; name a file that is there, from the root or "
                    + "from this file's folder"
            ])
    }

    // MARK: Later versions

    static let later: [(String, String, String)] = [
        ("bandwidth", "20MB/s", "unlimited"),
        ("status_page", "127.0.0.1:8384", "off"),
        ("webhook", "https://example.org/x", "null"),
    ]

    @Test(arguments: later)
    func laterKeysOfTheFileTakeTheirDefaultOnly(key: String, value: String, standard: String) {
        #expect(Self.problems("\(key): \(standard)\n" + Self.head) == [])
        let expected =
            "m.yaml:1:\(key.count + 3): `\(key): \(value)` is not supported by this version; leave it out, or write `\(key): \(standard)`"
        #expect(Self.problems("\(key): \(value)\n" + Self.head) == [expected])
    }

    @Test(arguments: [
        ("create_table", "{merge_strategy: append}", "false"), ("release", "when_idle", "never"),
        ("after_delivery", "{move: /x}", "keep"),
        ("upload_while_growing", "true", "false"), ("priority", "5", "0"), ("window", "20:00-06:00", "always"),
    ])
    func laterKeysOfAMappingTakeTheirDefaultOnly(key: String, value: String, standard: String) {
        let shown = value.replacing("\"", with: "")
        #expect(Self.problems(Self.head + "    \(key): \(standard)\n") == [])
        let expected =
            "m.yaml:5:\(key.count + 7): `\(key): \(shown)` is not supported by this version; leave it out, or write `\(key): \(standard)`"
        #expect(Self.problems(Self.head + "    \(key): \(value)\n") == [expected])
    }

    @Test func aDefaultInAnotherSpellingIsTheDefault() {
        #expect(Self.problems("inline_limit: 1024KiB\nrescan: 60m\n" + Self.head + "    poll: 1m\n") == [])
    }

    @Test func whatIsHeldInMemoryIsBounded() {
        #expect(Self.problems("inline_limit: 16MiB\n" + Self.head) == [])
        #expect(
            Self.problems("inline_limit: 17MiB\n" + Self.head) == [
                "m.yaml:1:15: `inline_limit`: `17MiB` is more than 16MiB, and such files are held in memory; write 16MiB or less"
            ])
    }

    @Test(arguments: [
        ("kind", "files", "rows"), ("on_change", "add", "hold or ignore"), ("on_change", "replace", "hold or ignore"),
    ])
    func laterValuesAreRefused(key: String, value: String, remedy: String) {
        let expected = "m.yaml:5:\(key.count + 7): `\(key): \(value)` is not supported by this version; write \(remedy)"
        #expect(Self.problems(Self.head + "    \(key): \(value)\n") == [expected])
    }

    // MARK: The whole file

    @Test func allProblemsComeInOnePassInTheirOrder() {
        let text = """
            uploads: 0
            mapings: {}
            defaults:
              setle: 1s
            mappings:
              a:
                folder: data
                table: o.d:sample.t
                include: ["a//b", "[x"]
                minimum_size: 2MB
                maximum_size: 1MB
              b c:
                folder: /data
                table: o.d.t
              d:
                settle: 3
            """
        let places = Self.problems(text).map { $0.split(separator: ":").prefix(3).joined(separator: ":") }
        #expect(
            places == [
                "m.yaml:1:10", "m.yaml:2:1", "m.yaml:4:3", "m.yaml:7:13", "m.yaml:8:12", "m.yaml:9:15", "m.yaml:9:23",
                "m.yaml:11:19", "m.yaml:12:3", "m.yaml:15:3", "m.yaml:15:3", "m.yaml:16:13",
            ])
    }

    @Test func columnsCountCharacters() {
        #expect(
            Self.problems("mappings:\n  w: {folder: /dätä, settle: 3, table: o.d.t}\n") == [
                "m.yaml:2:30: `settle`: `3` has no unit; write 3s"
            ])
    }

    @Test func bytesThatAreNotUTF8AreNamed() {
        let bytes = Array("mappings:\n  caf".utf8) + [0xE9] + Array(":\n".utf8)
        #expect(Self.problems(bytes) == ["m.yaml:2:6: the byte 0xE9 here is not UTF-8; save the file as UTF-8"])
        #expect(Self.problems([0xFF, 0xFE, 0x6D, 0x00]) == ["m.yaml:1:1: the file is UTF-16; save it as UTF-8"])
        #expect(
            Self.problems(Self.head + "    settle: \u{1}\n")
                == [
                    "m.yaml:5:13: the control character U+0001 stands here; remove it; in double quotes it can be written as an escape"
                ])
    }

    @Test func aFileThatIsTooLongIsRefused() {
        let bytes = [UInt8](repeating: UInt8(ascii: "\n"), count: (4 << 20) + 1)
        #expect(Self.problems(bytes).count == 1)
        #expect(Self.problems(bytes).first?.contains("a mapping file has at most 4194304") == true)
    }

    @Test func aByteOrderMarkAndLineEndsOfWindowsAreNoProblem() {
        #expect(Self.problems("\u{FEFF}" + Self.head) == [])
        #expect(Self.problems(Self.head.replacing("\n", with: "\r\n")) == [])
        #expect(
            Self.problems(Self.head.replacing("\n", with: "\r\n") + "    settle: 3\r\n") == [
                "m.yaml:5:13: `settle`: `3` has no unit; write 3s"
            ])
    }

    @Test func whatLooksLikeATokenIsNotRepeated() {
        let token = "AAAAabcdefghijklmnopqrstuvwxyz0123456789"
        for text in [
            "token_file: \(token)\n", "token: \(token)\n", "webhook: \(token)\n", "send_token_to: [\"\(token)!\"]\n",
            "version: \(token)\n", "uploads: \(token)\n", "api: \(token)\n",
        ] {
            let found = Self.problems(text + Self.head) + Self.problems(Self.head + "    " + text)
            for problem in found { #expect(!problem.contains(token), "\(problem)") }
        }
    }

    @Test func nestingWithoutEndIsRefused() {
        for text in [
            String(repeating: "[", count: 100_000), String(repeating: "- ", count: 5000),
            String(repeating: "{a: ", count: 3000),
        ] {
            #expect(Self.problems(text).count == 1)
        }
    }
}

extension FilePath {
    /// The directory that relative paths of a file named like this are held against.
    fileprivate var absoluteFolder: String { OwnPaths.resolved(self).removingLastComponent().string }
}
