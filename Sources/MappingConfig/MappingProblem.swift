import SyncCore

/// One thing that is wrong in a mapping file: where, what, and what to write instead.
public struct MappingProblem: Hashable, Codable, Sendable {
    /// The file as it was named.
    public let file: String
    /// From 1; 1 where the whole file is meant.
    public let line: Int
    /// From 1, in characters.
    public let column: Int
    /// On one line.
    public let message: String
    /// What to write instead; on one line.
    public let remedy: String

    public init(file: String, line: Int, column: Int, message: String, remedy: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = RelativePath.printable(message.utf8)
        self.remedy = RelativePath.printable(remedy.utf8)
    }
}

extension MappingProblem: CustomStringConvertible {
    /// `FILE:LINE:COLUMN: what is wrong; what to write instead`
    public var description: String { "\(file):\(line):\(column): \(message); \(remedy)" }
}

/// Why a mapping file is not taken: every problem found in one pass, in the order of the file. Syntax errors and
/// duplicate keys come alone, since what follows them cannot be read.
public struct MappingProblems: Error, Hashable, Codable, Sendable, CustomStringConvertible {
    /// Never empty.
    public let problems: [MappingProblem]

    public init(_ problems: [MappingProblem]) {
        self.problems = problems.sorted { ($0.line, $0.column) < ($1.line, $1.column) }
    }

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// Where a value stands.
struct SourcePosition: Hashable, Sendable {
    let line: Int
    let column: Int

    static let start = SourcePosition(line: 1, column: 1)
}

/// A problem whose file is not named yet.
struct Finding: Error, Hashable, Sendable {
    let position: SourcePosition
    let problem: SpellingProblem

    init(_ position: SourcePosition, _ what: String, instead: String) {
        self.position = position
        problem = SpellingProblem(what, instead: instead)
    }

    init(_ position: SourcePosition, _ problem: SpellingProblem) {
        self.position = position
        self.problem = problem
    }

    func named(_ file: String) -> MappingProblem {
        MappingProblem(
            file: file, line: position.line, column: position.column, message: problem.what, remedy: problem.instead)
    }
}
