import Foundation  // reading a folder of files: FoundationEssentials has no directory listing on Linux
import SyncCore
import Testing

/// Behaviours as data: one file a behaviour, time a value. The words are explained in `Scenarios/README.md`.
@Suite struct ScenarioTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scenarios")

    static let files: [String] = {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false))) ?? []
        return all.filter { $0.hasSuffix(".txt") }.sorted()
    }()

    @Test(arguments: files)
    func goesAsWritten(file: String) throws {
        let text = try String(contentsOf: Self.folder.appending(path: file), encoding: .utf8)
        var stage = Scenario()
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if let problem = stage.run(String(line)) {
                Issue.record("\(file):\(number + 1): \(problem)\n  \(line)")
                return
            }
        }
        #expect(stage.expectations > 0, "\(file) expects nothing")
    }

    @Test func areThere() {
        #expect(Self.files.count >= 25)
    }
}
