// FoundationEssentials: the scenario files are read.
import FoundationEssentials
import SyncSimulator
import Testing

/// Worlds that broke a promise once, as short as they could be made.
@Suite struct ScenarioTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scenarios")

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".txt") }.sorted()
    }()

    @Test func thereAreScenarios() { #expect(Self.names.count >= 35) }

    /// A scenario that says what it breaks is a known break: it fails here as soon as it is fixed, and then loses its line
    /// `# breaks:`. Every other one must break nothing, with none of its seeds.
    @Test(arguments: names) func scenario(_ name: String) throws {
        let text = try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
        let scenario = try Scenario(parsing: text)
        let broken = try scenario.firstBreak()
        guard let rule = scenario.rule else {
            #expect(broken == nil, "\(name): seed \(broken?.seed ?? 0): \(broken?.violation.words ?? "")")
            return
        }
        withKnownIssue("\(name): \(scenario.words)") { #expect(broken == nil) }
        if let broken { #expect(broken.violation.rule == rule, "\(name): \(broken.violation.words)") }
    }
}
