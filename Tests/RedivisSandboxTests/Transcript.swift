// Foundation only for Bundle.module, through which SwiftPM hands out a test target's files.
import Foundation

import Testing

/// A golden transcript: requests and the answers that must come, one behaviour a file. Transcripts/README.txt describes
/// the form.
struct Transcript: Sendable, CustomTestStringConvertible {
    var name: String
    var lines: [(number: Int, text: String)]

    var testDescription: String { name }

    static let all: [Transcript] = {
        let folder = Bundle.module.resourceURL?.appendingPathComponent("Transcripts")
        let names = folder.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0.path) } ?? []
        return names.filter { $0.hasSuffix(".transcript") }.sorted().compactMap { name in
            guard let file = folder?.appendingPathComponent(name),
                let text = try? String(contentsOf: file, encoding: .utf8)
            else { return nil }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map {
                (number: $0.offset + 1, text: String($0.element))
            }
            return Transcript(name: String(name.dropLast(".transcript".count)), lines: lines)
        }
    }()

    /// The rest of each line that begins with a word.
    func values(of word: String) -> [String] {
        lines.compactMap { $0.text.hasPrefix(word + " ") ? String($0.text.dropFirst(word.count + 1)) : nil }
    }
}
