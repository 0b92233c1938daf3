import SyncCore
import SyncTestSupport
import Testing

@Suite struct MappingTableReferenceTests {
    @Test(arguments: [
        ("demo_org.weather_stations.readings", "demo_org.weather_stations.readings"),
        ("demo_org.weather_stations:ab12.readings:9xyz", "demo_org.weather_stations:ab12.readings:9xyz"),
        ("demo.ds:123.t:3", "demo.ds:123.t:3"),
        ("demo.ds:next.t", "demo.ds.t"), ("demo.ds:ab12:next.t:9xyz", "demo.ds:ab12.t:9xyz"),
        ("demo.ds:next:ab12.t", "demo.ds:ab12.t"),
        ("Demo.My data (2020).the table", "Demo.My data (2020).the table"), ("demo.dätä.t", "demo.dätä.t"),
    ])
    func reads(text: String, expected: String) throws {
        #expect(try TableReference(parsing: text).text == expected)
    }

    @Test func namesTheDraftAndReleasedVersions() throws {
        let table = try TableReference(parsing: "o.d:ab12.t:9xyz")
        #expect(table.draftText == "o.d:ab12:next.t:9xyz")
        #expect(table.text(in: VersionTag(major: 1, minor: 2)) == "o.d:ab12:v1_2.t:9xyz")
    }

    /// The remedy of each names a reference that is right.
    @Test(arguments: [
        ("demo.ds:current.t", "demo.ds.t"), ("demo.ds:v1_0.t", "demo.ds.t"), ("demo.ds:v1.0.t", "demo.ds.t"),
        ("demo.ds:ab12:v12_34.t:9xyz", "demo.ds:ab12.t:9xyz"), ("demo.ds:sample.t", "demo.ds.t"),
        ("demo.ds:ab12:sample.t", "demo.ds:ab12.t"), ("demo.ds:CURRENT.t", "demo.ds.t"),
        ("demo.ds.t:next", "demo.ds.t"),
        ("demo.ds.t:v1_0", "demo.ds.t"), ("demo.ds:.t", "demo.ds.t"), ("demo.ds:ab12:cd34.t", "demo.ds:ab12.t"),
        ("demo.ds.t:a b", "demo.ds.t"), ("demo.ds.t:ab:cd", "demo.ds.t"), (" demo.ds.t", "demo.ds.t"),
        ("demo.ds.t ", "demo.ds.t"),
        ("`demo.ds.t`", "demo.ds.t"), ("demo/ds/t", "demo.ds.t"), ("demo.my/ds.t", "demo.my_ds.t"),
        ("https://redivis.com/api/v1/tables/demo.ds.t", "demo.ds.t"),
    ])
    func refusesWithTheNearestSpelling(text: String, nearest: String) throws {
        let problem = #expect(throws: SpellingProblem.self) { try TableReference(parsing: text) }
        #expect(problem?.instead == "write \(nearest)")
        #expect(throws: Never.self) { try TableReference(parsing: nearest) }
    }

    @Test(arguments: [
        "", "demo", "demo.ds", "demo.ds.t.x", ".ds.t", "demo..t", "demo.ds.", "demo.:ab12.t", "de mo.ds.t", "dé.ds.t",
        "demo.ds.t\n",
        "demo.ds.t\0", "demo.ds.a.\u{301}b", "https://redivis.com/datasets/ab12-0000",
        String(repeating: "x", count: 2000),
    ])
    func refuses(text: String) {
        #expect(throws: SpellingProblem.self) { try TableReference(parsing: text) }
    }

    @Test func neverTrapsAndWhatIsReadIsReadAgain() {
        var random = SeededRandom()
        print("seed \(random.seed)")
        let pieces = [
            ".", ":", "next", "v1_0", "v1.0", "sample", "ab12", "demo", "/", "`", " ", "é", "\u{301}", "://", "\r\n",
            "_",
        ]
        for _ in 0..<5000 {
            let text = (0..<Int.random(in: 0...9, using: &random)).map { _ in pieces.randomElement(using: &random) ?? ""
            }.joined()
            guard let table = try? TableReference(parsing: text) else { continue }
            #expect((try? TableReference(parsing: table.text)) == table, "\(text)")
            #expect((try? TableReference(parsing: table.draftText)) == table, "\(text)")
        }
    }
}
