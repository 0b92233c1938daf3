import SyncCore
import SyncTestSupport
import Testing

@Suite struct MappingPathPatternTests {
    private static func path(_ text: String) throws -> RelativePath { try #require(RelativePath(text)) }

    @Test(arguments: [
        ("**", ["a", "a/b", ".x/y"], []),
        ("*", ["a", "d/a"], []),
        ("*.csv", ["a.csv", ".csv", "d/e/a.csv"], ["a.csvx", "a.CSV", "csv", "a.csv/b"]),
        ("/*.csv", ["a.csv"], ["d/a.csv"]),
        ("d/*.csv", ["d/a.csv"], ["a.csv", "d/e/a.csv", "x/d/a.csv"]),
        ("**/*.csv", ["a.csv", "d/a.csv", "d/e/a.csv"], ["a.txt"]),
        ("d/**", ["d/a", "d/e/a"], ["d", "dd/a", "x/d/a"]),
        ("d/**/a", ["d/a", "d/x/a", "d/x/y/a"], ["d/xa", "da", "d/a/b"]),
        ("**/**/a", ["a", "x/a", "x/y/a"], ["b"]),
        ("**/old/**", ["old/a", "x/old/a", "x/old/y/a"], ["old", "x/older/a"]),
        ("?.csv", ["a.csv", "é.csv", "日.csv"], ["ab.csv", ".csv"]),
        ("d/?", ["d/a"], ["d/ab", "d/a/b"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "x", "Ax"]),
        ("[!a-c]x", ["dx", "éx"], ["ax"]),
        ("[]x]", ["]", "x"], ["a"]), ("[!]x]", ["a"], ["]", "x"]),
        ("[a-]", ["a", "-"], ["b"]), ("[é-ü]", ["ö"], ["o"]), ("[\\]\\-]", ["]", "-"], ["\\"]),
        ("{a,b}.csv", ["a.csv", "b.csv"], ["c.csv", "a,b.csv"]),
        ("{a,b{c,d}}*", ["a1", "bc1", "bd"], ["b1", "c"]),
        ("{2023,2024}/**", ["2023/a", "2024/b/c"], ["2025/a"]),
        ("{a/x,b}.csv", ["a/x.csv", "b.csv"], ["q/b.csv"]),
        ("a{,.bak}", ["a", "a.bak"], ["ab"]),
        ("a\\*b", ["a*b"], ["axb"]), ("\\!x", ["!x"], ["x"]), ("\\\\", ["\\"], ["x"]),
        ("a]b}", ["a]b}"], ["ab"]), ("a,b", ["a,b"], ["a"]),
        ("*a*a*b", ["aab", "xaxaxb"], ["ab", "aa"]),
    ])
    func matches(pattern: String, matching: [String], others: [String]) throws {
        let pattern = try PathPattern(parsing: pattern)
        for path in matching { #expect(pattern.matches(try Self.path(path)), "\(pattern) should match \(path)") }
        for path in others { #expect(!pattern.matches(try Self.path(path)), "\(pattern) should not match \(path)") }
    }

    @Test func namesAreBytes() throws {
        let latin = try #require(RelativePath(bytes: Array("caf".utf8) + [0xE9] + Array(".csv".utf8)))
        for pattern in ["caf?.csv", "*.csv", #"caf\xE9.csv"#, #"caf[\xE0-\xEF].csv"#, "caf[!a].csv", "c*.csv"] {
            #expect(try PathPattern(parsing: pattern).matches(latin), "\(pattern)")
        }
        for pattern in ["café.csv", "caf.csv", "caf[é].csv", #"caf\xE8.csv"#] {
            #expect(try !PathPattern(parsing: pattern).matches(latin), "\(pattern)")
        }
        // Neither spelling of a letter matches the other.
        #expect(try !PathPattern(parsing: "\u{E9}").matches(Self.path("e\u{301}")))
        #expect(try PathPattern(parsing: "a\nb").matches(Self.path("a\nb")))
    }

    @Test(arguments: [
        ("", #"write "**" for every file"#), ("a//b", "write one `/`"), ("./a", "write `/a`"), ("../a", "write `a`"),
        ("tmp/", "write `/tmp/**` for everything below that folder"),
        ("!x", "write the pattern without it under `exclude` or `include`, or `\\!` for a name that begins so"),
        ("**.csv", "write `*` within a name, or `**/` in front of it for any folder"),
        ("a**/b", "write `*` within a name, or `**/` in front of it for any folder"),
        ("***", "write `*` within a name, or `**/` in front of it for any folder"),
        ("{**/a,b}", "write a pattern for each alternative"),
        ("[a", #"close it with `]`, or write `\[`"#), ("[", #"close it with `]`, or write `\[`"#),
        ("{a,b", #"close it with `}`, or write `\{`"#), ("{a}", #"write `{a,b}`, or `\{` for a brace in a name"#),
        ("[z-a]", "write the smaller end first"), ("[^a]", #"write `[!…]`, or `[\^…]`"#),
        ("[[:alpha:]]", "write ranges, as in `[a-zA-Z]`"), ("[a/b]", "write it outside"),
        ("a\\", #"write `\\` for a backslash"#),
        (#"data\new"#, #"write `/` between folders, and `\\` for a backslash in a name"#),
        (#"\xZZ"#, #"write a byte as in `\xE9`"#), (#"\x00"#, #"write a byte as in `\xE9`"#), (#"a\x2Fb"#, "write `/`"),
        (String(repeating: "a", count: 1025), "split it into several"),
        (String(repeating: "{a,", count: 9) + "b" + String(repeating: "}", count: 9), "split the pattern into several"),
    ])
    func refuses(pattern: String, remedy: String) {
        let problem = #expect(throws: SpellingProblem.self) { try PathPattern(parsing: pattern) }
        #expect(problem?.instead == remedy)
    }

    /// Patterns that make a backtracking matcher run for ages.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            String(repeating: "*a", count: 100) + "b", String(repeating: "**/", count: 100) + "x*y",
            String(repeating: "{a,aa}", count: 60) + "b", String(repeating: "{,a}", count: 100) + "b",
        ])
    func neverExplodes(pattern: String) throws {
        let pattern = try PathPattern(parsing: pattern)
        #expect(!pattern.matches(try Self.path(String(repeating: "a", count: 255))))
        #expect(!pattern.matches(try Self.path(String(repeating: "a/", count: 200) + "a")))
    }

    @Test func tellsFoldersOfWhichEverythingIsMatched() throws {
        func covers(_ pattern: String, _ folder: String) throws -> Bool {
            try PathPattern(parsing: pattern).coversFolder(Self.path(folder))
        }
        #expect(try covers("old", "old"))
        #expect(try covers("old", "x/old"))
        #expect(try covers("old/**", "old"))
        #expect(try covers("old/**", "old/x"))
        #expect(try !covers("old/**", "x/old"))
        #expect(try covers("**/old/**", "x/old"))
        #expect(try covers("/a/*/**", "a/b"))
        #expect(try !covers("/a/*/**", "a"))
        #expect(try !covers("old/*", "old"))
        #expect(try covers("**", "x"))
    }

    @Test(arguments: [
        "x.tmp", "x.TMP", "x.part", "x.csv.partial", "x.crdownload", ".hidden", "d/.nfs000123", "~$book.xlsx",
        ".a.csv.swp", "a.csv~",
        ".~lock.a.ods#", "#a#", "x.filepart", "lost+found", "Thumbs.db",
    ])
    func leavesOutWhatIsHalfWrittenOrHidden(path: String) throws {
        let path = try Self.path(path)
        #expect(PathPattern.builtInExclusions.contains { $0.matches(path) })
    }

    @Test(arguments: ["x.csv", "x.temp", "tmp", "part.csv", "a.b", "x.backup", "~a.csv", "d/x.tmp.csv", "a#b"])
    func takesOrdinaryNames(path: String) throws {
        let path = try Self.path(path)
        #expect(!PathPattern.builtInExclusions.contains { $0.matches(path) })
    }

    /// Held against a plain recursive matcher that knows `*`, `?`, and letters.
    @Test func agreesWithASimpleMatcher() throws {
        func simple(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
            guard let first = pattern.first else { return name.isEmpty }
            if first == UInt8(ascii: "*") {
                return simple(pattern.dropFirst(), name) || !name.isEmpty && simple(pattern, name.dropFirst())
            }
            guard let letter = name.first else { return false }
            return (first == UInt8(ascii: "?") || first == letter) && simple(pattern.dropFirst(), name.dropFirst())
        }
        var random = SeededRandom()
        print("seed \(random.seed)")
        for _ in 0..<3000 {
            let pattern = (0..<Int.random(in: 1...7, using: &random)).map { _ in
                "ab*?".randomElement(using: &random) ?? "a"
            }
            let name = (0..<Int.random(in: 1...9, using: &random)).map { _ in "ab".randomElement(using: &random) ?? "a"
            }
            guard !String(pattern).contains("**") else { continue }
            let expected = simple(Array(String(pattern).utf8)[...], Array(String(name).utf8)[...])
            #expect(
                try PathPattern(parsing: String(pattern)).matches(Self.path(String(name))) == expected,
                "\(pattern) \(name)")
        }
    }

    @Test func neverTraps() throws {
        var random = SeededRandom()
        print("seed \(random.seed)")
        let pieces = [
            "*", "**", "?", "[", "]", "!", "{", "}", ",", "/", "\\", "a", "é", "-", "x4", ":", ".", "\u{301}", "[a-z]",
            "{a,b}",
        ]
        for _ in 0..<5000 {
            let text = (0..<Int.random(in: 0...9, using: &random)).map { _ in pieces.randomElement(using: &random) ?? ""
            }.joined()
            guard let pattern = try? PathPattern(parsing: text) else { continue }
            for _ in 0..<3 {
                guard let path = RelativePath(bytes: random.bytes(Int.random(in: 1...20, using: &random))) else {
                    continue
                }
                _ = pattern.matches(path)
                _ = pattern.coversFolder(path)
            }
        }
    }
}
