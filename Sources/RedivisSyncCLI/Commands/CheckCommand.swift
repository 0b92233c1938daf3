import ArgumentParser
import FolderWatch
import LocalFiles
import MappingConfig
import RedivisAPI
import SyncCore
import SystemPackage

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validates the mapping file and shows which mapping takes what.",
        discussion: "With --online it also asks Redivis: token, dataset, open version, table, what an upload will do.")

    @Flag(help: "Ask Redivis too.")
    var online = false

    @OptionGroup var output: JSONOption
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let setup = try Setup.load(options)
        try setup.refuseOwnFilesInFolders(token: try? setup.token())
        let remote = online ? try setup.remote(token: try setup.token(), logger: options.logger()) : nil
        var reports: [MappingReport] = []
        for mapping in setup.configuration.mappings {
            reports.append(await MappingReport(mapping, setup.configuration, remote))
        }
        await remote?.shutdown()
        StandardOutput.line(
            output.json
                ? JSONText.line(CheckReport(mappingFile: setup.file.path.string, mappings: reports))
                : reports.map(\.text).joined(separator: "\n\n"))
        let problems = reports.flatMap(\.problems)
        guard problems.isEmpty else {
            let isOutOfReach = reports.allSatisfy { $0.tableKind?.passesByItself ?? false }
            throw CommandFailure(
                isOutOfReach ? .outOfReach : .somethingLeft, problems.map { "\($0.mapping): \($0.text)" })
        }
    }
}

struct CheckReport: Encodable {
    let mappingFile: String
    let mappings: [MappingReport]

    enum CodingKeys: String, CodingKey {
        case mappings
        case mappingFile = "mapping_file"
    }
}

/// What one mapping takes now, and what Redivis says of its table.
struct MappingReport: Encodable {
    let mapping: String
    let folder: String
    let table: String
    private(set) var taken = 0
    private(set) var takenBytes: Int64 = 0
    /// Files below the folder that this mapping leaves out: by a rule, or because another mapping has them.
    private(set) var leftOut = 0
    private(set) var problems: [Problem] = []
    private(set) var online: Online?
    var tableKind: Failure.Kind?

    enum CodingKeys: String, CodingKey {
        case mapping, folder, table, taken, problems, online
        case takenBytes = "taken_bytes"
        case leftOut = "left_out"
    }

    struct Problem: Encodable {
        let mapping: String
        let text: String
    }

    struct Online: Encodable {
        let table: String
        let hasOpenVersion: Bool
        let releasedVersions: [String]
        let mergeStrategy: String?

        enum CodingKeys: String, CodingKey {
            case table
            case hasOpenVersion = "has_open_version"
            case releasedVersions = "released_versions"
            case mergeStrategy = "merge_strategy"
        }
    }

    init(_ mapping: Mapping, _ configuration: Configuration, _ remote: RedivisRemote?) async {
        self.mapping = mapping.id.value
        folder = mapping.folder.string
        table = mapping.table.text
        await scan(mapping, configuration)
        if let remote { await ask(remote, mapping) }
    }

    private mutating func scan(_ mapping: Mapping, _ configuration: Configuration) async {
        if let failure = await LocalSourceReader().problem(with: mapping.folder) {
            note(failure.description)
            return
        }
        let tally = Tally()
        do {
            let report = try await FolderTreeScanner().scan(
                mapping.folder, recursive: mapping.recursive, batchSize: 512,
                skipsDirectory: { configuration.directoryIsExcluded($0, in: mapping) },
                handle: { await tally.count($0, mapping, configuration) })
            for problem in report.problems { note("\(problem.path): \(problem.reason)") }
        } catch {
            note("\(error)")
        }
        (taken, takenBytes, leftOut) = await tally.figures
    }

    private mutating func ask(_ remote: RedivisRemote, _ mapping: Mapping) async {
        do throws(Failure) {
            let found = try await remote.table(mapping.table)
            online = Online(
                table: found.key.value, hasOpenVersion: found.hasDraft,
                releasedVersions: found.released.map(\.description), mergeStrategy: found.mergeStrategy)
            if !found.hasDraft, !mapping.createsVersion {
                note("its dataset has no unreleased version; open one on Redivis, or set create_version: true")
            }
            if found.hasDraft { try await openUnusedSession(remote, mapping) }
        } catch {
            tableKind = error.kind
            note(error.description)
        }
    }

    /// Only a write shows whether the token may write. A session that nobody uses costs nothing and expires by itself.
    private func openUnusedSession(_ remote: RedivisRemote, _ mapping: Mapping) async throws(Failure) {
        let endpoints: [Endpoint] =
            switch mapping.endpoint {
            case .auto: [.resumableUpload, .tempUploads]
            case .fixed(let endpoint): [endpoint]
            }
        for endpoint in endpoints {
            do throws(Failure) {
                _ = try await remote.openSession(
                    SessionRequest(
                        table: mapping.table, endpoint: endpoint, size: 1, name: "redivis-sync-check",
                        now: SystemTime.wall()))
                return
            } catch {
                guard error.kind == .endpointMissing, endpoint != endpoints.last else { throw error }
            }
        }
    }

    private mutating func note(_ text: String) {
        problems.append(Problem(mapping: mapping, text: RelativePath.printable(Array(text.utf8))))
    }

    private actor Tally {
        var figures = (taken: 0, bytes: Int64(0), leftOut: 0)

        func count(_ files: [SeenFile], _ mapping: Mapping, _ configuration: Configuration) {
            for file in files {
                let size = file.observation.size
                guard configuration.route(of: file.path, in: mapping, size: size) == .deliver(mapping.id) else {
                    figures.leftOut += 1
                    continue
                }
                figures.taken += 1
                figures.bytes = figures.bytes.addingReportingOverflow(size).partialValue
            }
        }
    }
}

extension MappingReport {
    var text: String {
        var lines = [
            "\(mapping)", "  folder   \(folder)", "  table    \(online?.table ?? table)",
            "  takes    \(Words.count(taken, "file")), \(Words.bytes(takenBytes)); leaves out \(Words.grouped(leftOut))",
        ]
        if let online {
            lines.append(
                "  version  "
                    + (online.hasOpenVersion
                        ? "an unreleased version is open"
                        : "none is open; the next one is opened with the first upload"))
            lines.append("  release  " + (online.releasedVersions.last.map { "newest is \($0)" } ?? "never released"))
            lines.append("  merge    \(Self.meaning(of: online.mergeStrategy))")
        }
        lines += problems.map { "  problem  \($0.text)" }
        return lines.joined(separator: "\n")
    }

    /// What a new version does with the rows that are there (api.md 4).
    private static func meaning(of strategy: String?) -> String {
        switch strategy {
        case "append"?: "append: rows are added to those of earlier versions"
        case "replace"?: "replace: a new version starts without the rows of earlier ones"
        case let other?: other
        case nil: "not told (Redivis's default is append)"
        }
    }
}
