import Testing

@testable import RedivisSandbox

@Suite struct ContentRangeTests {
    @Test func readsWhatIsToTheLetter() {
        #expect(ContentRange("bytes 0-42/100") == .bytes(first: 0, last: 42, total: 100))
        #expect(ContentRange("bytes 43-99/*") == .bytes(first: 43, last: 99, total: nil))
        #expect(ContentRange("bytes */100") == .query(total: 100))
        #expect(ContentRange("bytes */*") == .query(total: nil))
        #expect(ContentRange("bytes 0-9223372036854775806/9223372036854775807") != nil)
    }

    @Test(arguments: [
        "", "bytes", "bytes ", "*/100", "bytes */", "bytes /100", "bytes 0-42", "bytes 0-42/", "bytes 42-0/100",
        "bytes 0-100/100", "bytes 0--1/0", "bytes 0-42/100 ", " bytes 0-42/100", "Bytes 0-42/100", "bytes=0-42/100",
        "bytes 0 - 42/100", "bytes 0x0-42/100", "bytes ٠-42/100", "bytes 0-42/100/100", "bytes 1-2-3/9",
        "bytes 0-9223372036854775807/*", "bytes 0-42/99999999999999999999", "bytes -1-42/100",
    ]) func refusesTheRest(_ header: String) {
        #expect(ContentRange(header) == nil)
    }
}

@Suite struct JSONTests {
    @Test func whatIsWrittenIsReadAgain() throws {
        let value: JSON = [
            "text": "a\n\"\\\u{7f}é😀\u{1}", "numbers": [0, -1, 9_223_372_036_854_775_807], "none": nil,
            "flags": [true, false], "empty": .object([]),
        ]
        #expect(try JSONParser.parse(value.bytes) == value)
        #expect(!value.bytes.contains(0x0A))
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{a:1}", "01", "1.", "-", "1e", "nul", "\"\u{1}\"",
        "\"\\x\"",
        "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\u12\"", "\"a", "{} {}", "{\"a\":1,\"a\":2}", "1e999",
        String(repeating: "[", count: 100),
    ]) func refusesWhatIsNotJSON(_ text: String) {
        #expect(throws: JSONParser.Malformed.self) { try JSONParser.parse(Array(text.utf8)) }
    }
}

@Suite struct ReferenceTests {
    @Test(arguments: [
        ("My data (2020).csv", "my_data_2020_csv"), ("a__b", "a_b"), ("A.csv", "a_csv"), ("a_csv", "a_csv"),
        ("é", "_"), ("", ""), ("naïve😀x", "na_ve_x"),
    ]) func namesFold(_ name: String, _ folded: String) {
        #expect(NameFolding.fold(name) == folded)
    }

    @Test func partsComeInOrder() throws {
        let reference = try #require(DatasetReference("demo.set:ab12:sample:v1_0"))
        #expect(reference.id == "ab12" && reference.isSample && reference.version == .tag(major: 1, minor: 0))
        #expect(DatasetReference("demo.set:v1_0:ab12") == nil)
        #expect(DatasetReference("demo.set:next")?.version == .next)
        #expect(TableReference("demo.set:123:v1_0.test_table:3")?.id == "3")
    }

    @Test func idsNeverReadAsSomethingElse() {
        var taken: Set<String> = []
        for number in 0..<2000 {
            let id = ReferenceID.make("demo.set\(number)") { taken.contains($0) }
            #expect(DatasetReference.isReferenceID(id) && VersionReference(id) == nil && taken.insert(id).inserted)
        }
    }
}

@Suite struct EncodingTests {
    @Test(arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")])
    func base64(_ text: String, _ encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
    }

    @Test func percent() {
        #expect(Percent.decode("a%20b%2Fc+d%C3%A9") == "a b/c+dé")
        #expect(Percent.decode("%") == nil && Percent.decode("%4") == nil && Percent.decode("%ff") == nil)
        #expect(Percent.encode("a b/é:~") == "a%20b%2F%C3%A9%3A~")
        #expect(Percent.encode("a:b", keeping: ":") == "a:b")
    }

    @Test func zerosAreSeen() {
        for count in [0, 1, 2, 4096] {
            var bytes = [UInt8](repeating: 0, count: count)
            #expect(bytes.withUnsafeBytes { ByteSearch.isAllZero($0) })
            guard count > 0 else { continue }
            bytes[count - 1] = 1
            #expect(!bytes.withUnsafeBytes { ByteSearch.isAllZero($0) })
        }
    }
}
