import ArgumentParser
import SQLiteQueue
import SyncCore

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists file versions, newest first.")

    @Option(help: "Only those in this state: \(PublicState.allCases.map(\.rawValue).joined(separator: ", ")).")
    var state: PublicState?

    @Option(help: "Only those of this mapping.")
    var mapping: MappingID?

    @Option(help: "At most so many.")
    var limit = 100

    @OptionGroup var output: JSONOption
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit \(limit): write a number from 1") }
    }

    func run() async throws {
        let setup = try Setup.load(options)
        var entries: [DeliverySummary] = []
        if let reader = try setup.openReader() {
            do throws(Failure) {
                entries = try await reader.list(state: state, mapping: mapping, limit: limit)
            } catch {
                throw CommandFailure(error)
            }
        }
        if output.json {
            StandardOutput.line(JSONText.line(["files": entries.map { FileEntry($0) }]))
        } else {
            entries.forEach { StandardOutput.line(Self.line($0)) }
        }
    }

    /// State, size, mapping and path; the reason below, where it rests.
    private static func line(_ entry: DeliverySummary) -> String {
        let state = entry.state.rawValue.padded(to: 11)
        let size = Words.bytes(entry.size).padded(to: 10)
        let first = "\(state) \(size) \(entry.mapping)  \(entry.path)"
        return entry.remedyText.map { "\(first)\n            \($0)" } ?? first
    }
}

extension PublicState: ExpressibleByArgument {}

extension MappingID: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension String {
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(width - count, 0))
    }
}
