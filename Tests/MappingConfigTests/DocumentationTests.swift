import MappingConfig
import SyncCore
import SystemPackage
import Testing

/// Holds docs/mapping-file.md and the examples against the program.
@Suite struct MappingDocumentationTests {
    private static let root = FilePath("\(#filePath)").removingLastComponent().removingLastComponent()
        .removingLastComponent()

    private static func read(_ path: FilePath) throws -> String {
        let file = try FileDescriptor.open(path, .readOnly)
        return try file.closeAfter {
            var bytes: [UInt8] = []
            var slice = [UInt8](repeating: 0, count: 1 << 16)
            while case let count = try slice.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0 {
                bytes += slice[..<count]
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    private static func page() throws -> String { try read(root.appending("docs/mapping-file.md")) }

    /// The line of the page's table that belongs to a key.
    private static func row(of key: SchemaKey) -> String {
        let standard = key.defaultText.map { "`\($0)`" } ?? "required"
        let support =
            switch key.support {
            case .works: "yes"
            case .defaultOnly: "not yet"
            case .values(let values): values.map { "`\($0)`" }.joined(separator: ", ") + " so far"
            }
        return "| `\(key.name)` | \(standard) | \(support) | \(key.meaning) |"
    }

    @Test(arguments: SchemaKey.Scope.allCases)
    func thePageHasEveryKeyWithItsDefaultInTheOrderOfTheSchema(scope: SchemaKey.Scope) throws {
        let expected = Schema.keys(in: scope).map(Self.row)
        let lines = try Self.page().split(separator: "\n").map(String.init)
        let start = try #require(lines.firstIndex(of: expected[0]), "missing: \(expected.joined(separator: "\n"))")
        let rows = lines[start...].prefix { $0.hasPrefix("| `") }
        #expect(Array(rows) == expected, "expected:\n\(expected.joined(separator: "\n"))")
    }

    @Test func thePageHasEveryBuiltInExclusion() throws {
        let page = try Self.page()
        for pattern in PathPattern.builtInExclusions { #expect(page.contains("`\(pattern)`"), "\(pattern)") }
    }

    /// A block of YAML stands for itself, or is followed by a block of text with the problems that it has.
    @Test func everyBlockOnThePageIsWhatItSays() throws {
        let blocks = try Self.blocks(in: Self.page())
        let files = blocks.indices.filter { blocks[$0].language == "yaml" }
        #expect(files.count >= 6)
        for index in files {
            var expected: [String] = []
            if blocks.indices.contains(index + 1), blocks[index + 1].language == "text" {
                expected = blocks[index + 1].text.split(separator: "\n").map(String.init)
            }
            #expect(Self.problems(blocks[index].text) == expected, "\(blocks[index].text)")
        }
    }

    @Test(arguments: ["examples/mapping.yaml", "examples/mapping-many.yaml"])
    func theExamplesAreValid(path: String) throws {
        #expect(Self.problems(try Self.read(Self.root.appending(path))) == [])
    }

    /// The commented keys of the example are the defaults.
    @Test func theExampleStaysValidWithAllItsKeysSwitchedOn() throws {
        let text = try Self.read(Self.root.appending("examples/mapping.yaml"))
        let uncommented = text.split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
            let indentation = line.prefix { $0 == " " }
            let rest = line[indentation.endIndex...]
            return rest.hasPrefix("#") && !rest.hasPrefix("# ") ? "\(indentation)\(rest.dropFirst())" : String(line)
        }
        let configuration = try MappingFile.parse(Array(uncommented.joined(separator: "\n").utf8), path: "/etc/m.yaml")
        { _ in true }.configuration
        let plain = try MappingFile.parse(Array(text.utf8), path: "/etc/m.yaml") { _ in true }.configuration
        #expect(configuration == plain)
        for key in Schema.keys(in: .file) + Schema.keys(in: .mapping) {
            #expect(text.contains("\(key.name):"), "\(key.name)")
        }
    }

    private static func problems(_ text: String) -> [String] {
        do throws(MappingProblems) {
            _ = try MappingFile.parse(Array(text.utf8), path: "mapping.yaml") { _ in true }
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    private static func blocks(in page: String) -> [(language: String, text: String)] {
        var blocks: [(language: String, text: String)] = []
        var open: (language: String, lines: [Substring])?
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
            if let block = open {
                if line.hasPrefix("```") {
                    blocks.append((block.language, block.lines.map { $0 + "\n" }.joined()))
                    open = nil
                } else {
                    open = (block.language, block.lines + [line])
                }
            } else if line.hasPrefix("```") {
                open = (String(line.dropFirst(3)), [])
            }
        }
        return blocks
    }
}
