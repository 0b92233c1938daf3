import ArgumentParser
import LocalFiles
import SQLiteQueue
import SyncCore
import SystemPackage

struct WhyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Everything about one path: what took it, what happened, what comes next; or why it was never seen.")

    @Argument(help: "The file.")
    var path: PathArgument

    @OptionGroup var output: JSONOption
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let setup = try Setup.load(options)
        let story = try await PathStory(of: path, setup)
        StandardOutput.line(output.json ? JSONText.line(story) : story.text)
        if story.mappings.isEmpty { throw CommandFailure(.somethingLeft, []) }
    }
}

/// What is known of one path, for people and for `--json`.
struct PathStory: Encodable {
    let path: String
    let pathBase64: String?
    let mappings: [Place]

    enum CodingKeys: String, CodingKey {
        case path, mappings
        case pathBase64 = "path_base64"
    }

    /// The path as one mapping sees it.
    struct Place: Encodable {
        let mapping: String
        let folder: String
        let table: String
        /// `taken`, `ignored` or `unmapped`
        let verdict: String
        let rule: String?
        let isThere: Bool
        let sizeBytes: Int64?
        let problem: String?
        let versions: [Version]

        enum CodingKeys: String, CodingKey {
            case mapping, folder, table, verdict, rule, problem, versions
            case isThere = "is_there"
            case sizeBytes = "size_bytes"
        }
    }

    struct Version: Encodable {
        let file: FileEntry
        let stateText: String
        let receipt: Receipt?
        let journal: [Event]

        enum CodingKeys: String, CodingKey { case file, receipt, journal }
    }

    struct Event: Encodable {
        let at: String
        let note: String
    }

    init(of argument: PathArgument, _ setup: Setup) async throws {
        path = RelativePath.printable(argument.absolute)
        pathBase64 = RelativePath(bytes: Array(argument.absolute.dropFirst()))?.text == nil
            ? Base64.text(argument.absolute) : nil
        let reader = try setup.openReader()
        var places: [Place] = []
        do throws(Failure) {
            for place in MappedPath.all(of: argument, in: setup.configuration) {
                places.append(try await Self.place(place, setup.configuration, reader))
            }
        } catch {
            throw CommandFailure(error)
        }
        mappings = places
    }

    private static func place(
        _ place: MappedPath, _ configuration: Configuration, _ reader: QueueReader?
    ) async throws(Failure) -> Place {
        let mapping = place.mapping
        var look: FileLook?
        var problem: String?
        do throws(Failure) {
            look = try await LocalSourceReader().look(at: place.path, in: mapping.folder)
        } catch {
            problem = error.description
        }
        let size = look?.observation.size
        let route = configuration.route(of: place.path, in: mapping, size: size ?? max(mapping.minimumSize, 1))
        let (verdict, rule) = route.words(for: mapping.id)
        return Place(
            mapping: mapping.id.value, folder: mapping.folder.string, table: mapping.table.text, verdict: verdict,
            rule: rule, isThere: look != nil, sizeBytes: size, problem: problem,
            versions: try await versions(place, reader))
    }

    private static func versions(_ place: MappedPath, _ reader: QueueReader?) async throws(Failure) -> [Version] {
        guard let reader else { return [] }
        var versions: [Version] = []
        for summary in try await reader.versions(at: place.path, mapping: place.mapping.id) {
            var events: [Event] = []
            if let id = summary.id {
                events = try await reader.journal(of: id).map { Event(at: Words.isoTime($0.at), note: $0.note) }
            }
            versions.append(
                Version(
                    file: FileEntry(summary), stateText: summary.state.rawValue, receipt: summary.receipt,
                    journal: events))
        }
        return versions
    }
}

extension Route {
    fileprivate func words(for mapping: MappingID) -> (verdict: String, rule: String?) {
        switch self {
        case .deliver(mapping): ("taken", nil)
        case .deliver(let other): ("unmapped", "mapping \(other) takes it: its folder is deeper, or it comes first")
        case .ignored(let rule): ("ignored", rule)
        case .unmapped: ("unmapped", nil)
        }
    }
}

extension DeliverySummary {
    fileprivate var receipt: Receipt? {
        guard case .delivered(let receipt) = delivery?.state else { return nil }
        return receipt
    }
}

// MARK: For people

extension PathStory {
    var text: String {
        guard !mappings.isEmpty else {
            return "\(path)\n  lies in no mapped folder, so nothing watches it; add a mapping for its folder"
        }
        return path + "\n" + mappings.map(\.text).joined(separator: "\n")
    }
}

extension PathStory.Place {
    var text: String {
        var lines = ["  mapping  \(mapping): \(folder) → \(table)"]
        switch (verdict, rule) {
        case (let verdict, let rule?): lines.append("  rule     \(verdict): \(RelativePath.printable(Array(rule.utf8)))")
        case ("taken", nil): lines.append("  rule     taken by this mapping")
        case (let verdict, nil): lines.append("  rule     \(verdict)")
        }
        if let problem {
            lines.append("  file     \(RelativePath.printable(Array(problem.utf8)))")
        } else {
            lines.append("  file     " + (sizeBytes.map { "there, \(Words.bytes($0))" } ?? "no such file"))
        }
        if versions.isEmpty {
            lines.append(
                isThere && verdict == "taken"
                    ? "  queue    not seen yet: the next run scans the folder" : "  queue    never seen")
        }
        return (lines + versions.map(\.text)).joined(separator: "\n")
    }
}

extension PathStory.Version {
    var text: String {
        var lines = ["", "  \(file.id.map { "version \($0)" } ?? "now"): \(stateText), \(Words.bytes(file.sizeBytes))"]
        if let name = file.uploadName { lines.append("    upload   \(RelativePath.printable(Array(name.utf8)))") }
        if let sha256 = file.sha256 { lines.append("    sha256   \(sha256)") }
        if let reason = file.reason { lines.append("    because  \(RelativePath.printable(Array(reason.utf8)))") }
        if let remedy = file.remedy { lines.append("    do       \(RelativePath.printable(Array(remedy.utf8)))") }
        if let next = file.nextAttemptAt { lines.append("    next     at \(next)") }
        if let receipt {
            lines.append("    receipt  delivered \(Words.time(receipt.deliveredAt)) as \(receipt.uri)")
        }
        lines += journal.map { "    \($0.at)  \(RelativePath.printable(Array($0.note.utf8)))" }
        return lines.joined(separator: "\n")
    }
}
