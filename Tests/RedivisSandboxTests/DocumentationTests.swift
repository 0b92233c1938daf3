import Glibc
import Testing

@testable import RedivisSandbox

/// docs/sandbox.md names everything that the sandbox offers, and nothing that it does not.
@Suite struct DocumentationTests {
    private let document: String

    init() throws {
        let path = "\(#filePath)".split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/docs/sandbox.md"
        document = String(decoding: try #require(try Files.read(path)), as: UTF8.self)
    }

    @Test(arguments: SandboxSwitches.names) func theSwitchesStandWithTheirValues(_ name: String) throws {
        let line = try #require(document.split(separator: "\n").first { $0.hasPrefix("| `\(name)` |") })
        let values = line.split(separator: "|").dropFirst().first?.split(separator: ",").map {
            $0.filter { $0 != "`" && $0 != " " }
        }
        #expect(values == SandboxSwitches.values(of: name))
    }

    @Test func allRequestClassesAreNamed() {
        for kind in RequestClass.allCases { #expect(document.contains("`\(kind.rawValue)`"), "\(kind.rawValue)") }
    }

    @Test func theActionsInTheTableAreReal() throws {
        let table = document.split(separator: "\n").drop { $0 != "| action | what happens |" }.dropFirst(2)
        var count = 0
        for row in table.prefix(while: { $0.hasPrefix("|") }) {
            for action in row.split(separator: "|")[0].split(separator: ",") {
                let text = action.filter { $0 != "`" && $0 != " " }.replacing("400…599", with: "503")
                    .replacing("=N", with: "=1").replacing("=MS", with: "=1").replacing("=TEXT", with: "=x")
                    .replacing("=READING", with: "=refuse").replacing("=CODE", with: "=307")
                let classes = ["put-chunk", "post-uploads", "list-uploads"]
                #expect(classes.contains { (try? SandboxFault("\($0):1:\(text)")) != nil }, "\(text)")
                count += 1
            }
        }
        // The statuses are one row more.
        #expect(count == FaultForm.all.count + 1)
    }

    @Test func theExamplesCanBeRead() throws {
        for example in ["post-uploads:2:lose-reply", "put-chunk:3:keep=262144"] {
            #expect(document.contains(example))
            #expect(throws: Never.self) { try SandboxFault(example) }
        }
    }

    @Test func everyActionStandsInTheTable() {
        for name in FaultForm.all.keys { #expect(document.contains("`\(name)"), "\(name)") }
    }
}
