import SyncCore
import SyncTestSupport
import Testing

/// The expected names were computed apart from this program, in Python:
/// `hashlib.sha256(base + b"\0" + hashlib.sha256(b"hello\n").digest()).hexdigest()[:12]`.
@Suite struct MappingUploadNameTests {
    static let hello =
        Digest(hex: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03") ?? Digest(bytes: [])

    private static func name(_ base: [UInt8]) -> String { UploadName.make(base: base, sha256: hello) }
    private static func name(_ base: String) -> String { name(Array(base.utf8)) }

    @Test(arguments: [
        ("a/b.csv", "a/b-010bd7b66096.csv"),
        ("a.csv.gz", "a-4257c5e05351.csv.gz"),
        ("x/roads.shp.zip", "x/roads-77d698e8938c.shp.zip"),
        ("README", "README-42a790df54a9"),
        (".bashrc", ".bashrc-2ba3b54e8e44"),
        (".csv.gz", ".csv-a674c2c12f56.gz"),
        ("name.", "name-fa2af2b674eb."),
        ("a..gz", "a-9c1c3d2c4e74..gz"),
        ("a/b.c/d", "a/b.c/d-a2f3e84b845b"),
        // 12 characters are one ending, 14 are not.
        ("x.geojsonl.gz", "x-71d44556f694.geojsonl.gz"),
        ("x.geojsonseq.gz", "x.geojsonseq-7699ecab7dd5.gz"),
        ("a.tar.zip", "a-a2c2fba6f780.tar.zip"),
        ("A.CSV.GZ", "A.CSV-35a2827e536c.GZ"),
        ("new\nline\t\".csv", "new\nline\t\"-fdd0099cdd14.csv"),
        ("100%.csv", "100%-b92726f7b615.csv"),
        ("", "-780e1db7af3a"),
    ])
    func putsTheTagBeforeTheEnding(base: String, expected: String) {
        #expect(Self.name(base) == expected)
    }

    @Test func encodesWhatIsNotUTF8AndNothingElse() {
        #expect(Self.name(Array("caf".utf8) + [0xE9] + Array(" 100%.csv".utf8)) == "caf%E9 100%-a53a988b8fff.csv")
        #expect(Self.name(Array("b.cs".utf8) + [0xFF] + Array(".gz".utf8)) == "b-7a801f51a4ba.cs%FF.gz")
        // Three escapes make the pair longer than 12 characters.
        #expect(
            Self.name(Array("b.c".utf8) + [0xFF, 0xFE, 0xFD] + Array(".gz".utf8))
                == "b.c%FF%FE%FD-ecfadb058df4.gz")
        // Half a surrogate pair is not UTF-8.
        #expect(Self.name([0xED, 0xA0, 0x80] + Array(".csv".utf8)) == "%ED%A0%80-b200ba612c88.csv")
    }

    @Test func twinsNeverMeet() {
        let twins = ["a.csv": "a-643221f1ea09.csv", "a_csv": "a_csv-93f7e9ae8232", "A.csv": "A-00aef563fd1c.csv"]
        for (base, expected) in twins { #expect(Self.name(base) == expected) }
        // One letter in two spellings: the tags differ, so the names differ under any comparison.
        #expect(Self.name("\u{E9}.csv") == "\u{E9}-1119bbee20a2.csv")
        #expect(Self.name("e\u{301}.csv") == "e\u{301}-0c9726116f8d.csv")
        let escaped = Array("a%FF.csv".utf8)
        let raw = [UInt8(ascii: "a"), 0xFF] + Array(".csv".utf8)
        #expect(Self.name(escaped) != Self.name(raw))
    }

    @Test(arguments: [
        (Array(("dir/" + String(repeating: "n", count: 251) + ".csv").utf8), 255, "nnn-ca6b9f64afdc.csv"),
        (Array((String(repeating: "\u{FC}", count: 200) + ".csv").utf8), 255, "\u{FC}-a31c25a0a145.csv"),
        // An escape has 3 bytes, and 2 are left over.
        ([UInt8](repeating: 0xFF, count: 255), 253, "%FF%FF-46486f1782cd"),
        // An ending that leaves the stem one byte, none, and no room for itself.
        (Array(("a." + String(repeating: "e", count: 240)).utf8), 255, "eeee"),
        (Array(("a." + String(repeating: "e", count: 241)).utf8), 255, "eeee"),
        (Array(("a." + String(repeating: "e", count: 250)).utf8), 255, "e-34875c05577b"),
    ])
    func cutsToWholeCharactersAndEscapes(base: [UInt8], length: Int, end: String) {
        let name = Self.name(base)
        #expect(name.utf8.count == length)
        #expect(name.hasSuffix(end))
        #expect(UploadName.isTagged(name))
    }

    @Test func cuttingKeepsTheStartAndTheWholeEnding() {
        #expect(Self.name("a." + String(repeating: "e", count: 240)).hasPrefix("a-cf1fcff91f"))
        #expect(Self.name("a." + String(repeating: "e", count: 241)).hasPrefix("-797cc5d2a54"))
        #expect(Self.name("a." + String(repeating: "e", count: 250)).hasPrefix("a.eeee"))
    }

    /// Every byte that a name can hold, blanks and dots in front, right-to-left, emoji, the longest names and paths.
    @Test func everyNameClassKeepsItsPromises() {
        var bases: [[UInt8]] = (1...255).map { [UInt8($0)] }
        bases += (1...255).map { Array("d/x".utf8) + [UInt8($0)] + Array(".csv".utf8) }
        bases += ["-x.csv", " x.csv", ".x.csv", "..x", "\u{202E}gpj.csv", "👩‍👩‍👧.csv", "a'b\"c.csv", "#?&:%.csv"].map {
            Array($0.utf8)
        }
        bases.append([UInt8](repeating: UInt8(ascii: "n"), count: 255))
        bases.append(Array(repeating: Array("dddddddd/".utf8), count: 450).joined() + Array("x.csv".utf8))
        for base in bases { check(base, Self.hello) }
        #expect(Set(bases.map(Self.name)).count == bases.count)
    }

    @Test func randomNamesKeepTheirPromises() {
        var random = SeededRandom()
        print("seed \(random.seed)")
        let pieces: [[UInt8]] = [".", "/", "%", ".gz", ".zip", ".csv", "-", "0123456789ab", "\u{E9}", "日本"].map {
            Array($0.utf8)
        }
        for _ in 0..<2000 {
            var base: [UInt8] = []
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                base +=
                    Bool.random(using: &random)
                    ? pieces.randomElement(using: &random) ?? [] : random.bytes(Int.random(in: 0...12, using: &random))
            }
            check(base, Digest(bytes: random.bytes(32)))
        }
    }

    private func check(_ base: [UInt8], _ content: Digest) {
        let name = UploadName.make(base: base, sha256: content)
        #expect(name.utf8.count <= UploadName.longest, "\(base)")
        #expect(UploadName.isTagged(name), "\(base) became \(name)")
        #expect(UploadName.make(base: base, sha256: content) == name)
        let other = Digest(bytes: content.bytes.map { $0 ^ 1 })
        #expect(UploadName.make(base: base, sha256: other) != name, "\(base)")
        // Escapes can be told from the name's own `%` only where it has none.
        let isUTF8 = String(validating: base, as: UTF8.self) != nil
        guard base.count < 70, isUTF8 || !base.contains(UInt8(ascii: "%")) else { return }
        #expect(Self.decodings(name, wasUTF8: isUTF8).contains(base), "\(base) became \(name)")
    }

    /// The raw name again: the tag taken out (or what looks like one), escapes undone.
    private static func decodings(_ name: String, wasUTF8: Bool) -> [[UInt8]] {
        let text = Array(name.utf8)
        let tags = text.indices.filter { start in
            text[start] == UInt8(ascii: "-") && start + 13 <= text.count
                && text[(start + 1)..<(start + 13)].allSatisfy { Array("0123456789abcdef".utf8).contains($0) }
        }
        return tags.map { tag in
            let encoded = Array(text[..<tag]) + Array(text[(tag + 13)...])
            return wasUTF8 ? encoded : unescaped(encoded)
        }
    }

    private static func unescaped(_ encoded: [UInt8]) -> [UInt8] {
        var raw: [UInt8] = []
        var rest = encoded[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                raw.append(byte)
                continue
            }
            raw += Digest(hex: String(decoding: rest.prefix(2), as: UTF8.self))?.bytes ?? []
            rest = rest.dropFirst(2)
        }
        return raw
    }

    @Test(arguments: [
        ("a-0123456789ab.csv", true), ("a-0123456789ab.csv.gz", true), ("a-0123456789ab", true),
        ("-0123456789ab", true),
        ("d.x/a-0123456789ab.csv", true), ("a-0123456789ab.", true),
        ("a.csv", false), ("a-0123456789AB.csv", false), ("a-0123456789a.csv", false), ("a-0123456789abc.csv", false),
        ("a_0123456789ab.csv", false), ("a-0123456789ab.csv.bz2", false), ("a-0123456789ab/b.csv", false), ("", false),
        ("0123456789ab.csv", false),
    ])
    func tellsTaggedNames(name: String, isTagged: Bool) {
        #expect(UploadName.isTagged(name) == isTagged)
    }
}

@Suite struct MappingUploadNameTemplateTests {
    private func expand(_ template: String, _ path: String) throws -> String {
        let template = try UploadNameTemplate(parsing: template)
        let path = try #require(RelativePath(path))
        let id = try #require(MappingID("weather"))
        return String(decoding: template.expand(path: path, mapping: id, host: "box"), as: UTF8.self)
    }

    @Test(arguments: [
        ("{path}", "a/b.csv.gz", "a/b.csv.gz"), ("{name}", "a/b.csv.gz", "b.csv.gz"), ("{stem}", "a/b.csv.gz", "b"),
        ("{stem}.{extension}", "a/b.csv.gz", "b.csv.gz"), ("{mapping}/{host}/{path}", "b", "weather/box/b"),
        ("{stem}|{extension}", "a.b/.bashrc", ".bashrc|"), ("x{{{name}}}", "a", "x{a}"), ("é-{name}", "a", "é-a"),
        ("{stem}|{extension}", "name.", "name|"),
    ])
    func expands(template: String, path: String, expected: String) throws {
        #expect(try expand(template, path) == expected)
    }

    @Test func expandsRawBytes() throws {
        let path = try #require(RelativePath(bytes: [0xFF, UInt8(ascii: "/"), 0xE9]))
        let id = try #require(MappingID("m"))
        let template: UploadNameTemplate = "{path}|{name}"
        #expect(template.expand(path: path, mapping: id, host: "") == [0xFF, 0x2F, 0xE9, 0x7C, 0xE9])
    }

    @Test(arguments: [
        ("", #"write "{path}""#), ("data.csv", "put {path}, {name} or {stem} into it"),
        ("{host}", "put {path}, {name} or {stem} into it"),
        ("{pth}", "write {path}"), ("{ext}{name}", "write {extension}"), ("{Path}", "write {path}"),
        ("{date}", "write one of {path} {name} {stem} {extension} {mapping} {host}"),
        ("{path", "close it with `}`, or write `{{` for a brace"), ("path}", "write `}}` for a brace"),
        ("/{path}", "write slashes between names only"), ("{name}/", "write slashes between names only"),
        ("a\n{name}", "leave it out"),
    ])
    func refuses(template: String, remedy: String) {
        let problem = #expect(throws: SpellingProblem.self) { try UploadNameTemplate(parsing: template) }
        #expect(problem?.instead == remedy)
    }
}
