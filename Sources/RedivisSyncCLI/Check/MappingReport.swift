import FolderWatch
import LocalFiles
import MappingConfig
import RedivisAPI
import SQLiteQueue
import SyncCore
import SystemPackage

/// What one mapping takes now, and what Redivis says of its table.
struct MappingReport: Encodable {
    let mapping: String
    let folder: String
    let table: String
    private(set) var taken = 0
    private(set) var takenBytes: Int64 = 0
    /// Files below the folder that this mapping leaves out: by a rule, or because another mapping has them.
    private(set) var leftOut = 0
    private(set) var leftOutBy: [Rule] = []
    private(set) var problems: [String] = []
    /// Why no new transfer of it begins; `nil` where it is not paused.
    private(set) var paused: String?
    private(set) var online: Online?
    /// Where its own token came from, never the token; `nil` where it has none, or Redivis was not asked.
    private(set) var tokenSource: String?
    private var pause: Pauses.Reason?
    /// How Redivis refused the table, or why it could not be asked.
    private(set) var refusal: Failure.Kind?

    enum CodingKeys: String, CodingKey {
        case mapping, folder, table, taken, problems, paused, online
        case takenBytes = "taken_bytes"
        case leftOut = "left_out"
        case tokenSource = "token_source"
        case leftOutBy = "left_out_by"
    }

    struct Rule: Encodable {
        let rule: String
        let files: Int
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

    init(_ mapping: Mapping, _ configuration: Configuration) async {
        self.mapping = mapping.id.value
        folder = mapping.folder.string
        table = mapping.table.text
        await scan(mapping, configuration)
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
            let unnamed = report.problemCount - report.problems.count
            if unnamed > 0 { note("\(Words.count(unnamed, "more entry", "more entries")) could not be read") }
        } catch {
            note("\(error)")
        }
        let counted = await tally.counted
        (taken, takenBytes, leftOut, leftOutBy) = (counted.taken, counted.bytes, counted.leftOut, counted.rules)
    }

    /// - Parameter token: of the mapping, which `remote` carries.
    mutating func ask(
        _ remote: RedivisRemote, _ token: Result<AgentEnvironment.FoundToken, TokenProblem>, _ mapping: Mapping
    ) async {
        switch token {
        case .success(let found): if mapping.tokenFile != nil { tokenSource = found.source }
        case .failure(let problem):
            refusal = .unauthorized
            note(problem.description)
            return
        }
        do throws(Failure) {
            let found = try await remote.table(mapping.table)
            online = Online(
                table: found.key.value, hasOpenVersion: found.hasDraft,
                releasedVersions: found.released.map(\.description), mergeStrategy: found.mergeStrategy)
            if !found.hasDraft, !mapping.createsVersion {
                note("its dataset has no unreleased version; open one on Redivis, or set create_version: true")
            }
            if found.hasDraft { _ = try await remote.openUnusedSession(for: mapping) }
        } catch {
            refusal = error.kind
            note(error.explained)
        }
    }

    /// - Parameter pauses: as the state directory has them; of the mapping file, the mapping itself knows.
    mutating func notePause(_ pauses: Pauses, _ mapping: Mapping) {
        switch (pauses.isEverything, pauses.byHand.contains(mapping.id), mapping.isPaused) {
        case (true, _, _): pause = .everything
        case (false, true, _): pause = .byHand
        case (false, false, true): pause = .byFile
        case (false, false, false): pause = nil
        }
        paused = pause.map { reason in
            switch reason {
            case .everything: "everything"
            case .byHand: "by_hand"
            case .byFile: "mapping_file"
            }
        }
    }

    private mutating func note(_ text: String) { problems.append(text.printable) }

    private actor Tally {
        private(set) var counted = Counted()

        func count(_ files: [SeenFile], _ mapping: Mapping, _ configuration: Configuration) {
            for file in files {
                let size = file.observation.size
                switch configuration.route(of: file.path, in: mapping, size: size) {
                case .deliver(mapping.id): counted.take(size)
                case .deliver(let other): counted.leave("the mapping \(other) takes it")
                case .ignored(let rule): counted.leave(rule)
                case .unmapped: counted.leave("no mapping takes it")
                }
            }
        }
    }

    private struct Counted {
        private(set) var taken = 0
        private(set) var bytes: Int64 = 0
        private(set) var leftOut = 0
        private var byRule: [String: Int] = [:]

        /// A rule may name a folder, and there may be any number of those.
        private static let mostRules = 20

        mutating func take(_ size: Int64) {
            taken += 1
            let (sum, overflow) = bytes.addingReportingOverflow(size)
            bytes = overflow ? .max : sum
        }

        mutating func leave(_ rule: String) {
            leftOut += 1
            let isKnown = byRule[rule] != nil || byRule.count < Self.mostRules
            byRule[isKnown ? rule : "other rules", default: 0] += 1
        }

        /// The one with the most files first.
        var rules: [Rule] {
            byRule.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { Rule(rule: $0.key, files: $0.value) }
        }
    }
}

// MARK: For people

extension MappingReport {
    func write(to sheet: inout Sheet) {
        sheet.gap()
        let isFine = problems.isEmpty
        let verdict = isFine ? "ok" : Words.count(problems.count, "problem") + ", see below"
        sheet.heading("\(mapping)  \(verdict)", mark: (isFine ? "✓" : "✗", isFine ? .good : .bad))
        sheet.field("folder", folder)
        sheet.field("table", online?.table ?? table)
        if let tokenSource { sheet.field("token", "its own, from \(tokenSource)") }
        if isFine || taken + leftOut > 0 {
            sheet.field("takes", "\(Words.count(taken, "file")), \(Words.bytes(takenBytes))")
        }
        for (index, rule) in leftOutBy.enumerated() {
            sheet.field(index == 0 ? "leaves out" : "", "\(Words.count(rule.files, "file")): \(rule.rule)")
        }
        if let pause, let id = MappingID(mapping) {
            sheet.field("paused", "no new transfer begins; \(Remedy.ending(pause, of: id))", tint: .pending)
        }
        guard let online else { return }
        sheet.field(
            "version",
            online.hasOpenVersion
                ? "an unreleased version is open" : "none is open; the next one is opened with the first upload")
        sheet.field("released", online.releasedVersions.last.map { "newest is \($0)" } ?? "never")
        sheet.field("merge", Self.meaning(of: online.mergeStrategy))
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
