import LocalFiles
import SQLiteQueue
import SyncCore
import SystemPackage

/// What is known of one path, for people and for `--json` (docs/schemas/why.json).
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
        let verdict: Verdict
        /// The pattern or size rule that decided; for `otherMapping`, which one takes it.
        let rule: String?
        /// See `PathKind.name`.
        let kind: String
        let sizeBytes: Int64?
        let modifiedAt: String?
        /// Why there is no version of it, or why what lies there now makes no new one.
        let explanation: String?
        let versions: [Version]
        /// What happened here to versions that were given up.
        let journal: [Event]

        enum CodingKeys: String, CodingKey {
            case mapping, folder, table, verdict, rule, kind, explanation, versions, journal
            case sizeBytes = "size_bytes"
            case modifiedAt = "modified_at"
        }
    }

    enum Verdict: String, Encodable, CaseIterable {
        case taken, ignored
        case otherMapping = "other_mapping"
    }

    struct Version: Encodable {
        let file: FileEntry
        let next: String?
        let attempts: Attempts?
        let receipt: ReceiptEntry?
        let journal: [Event]
        let state: PublicState

        enum CodingKeys: String, CodingKey { case file, next, attempts, receipt, journal }
    }

    struct Attempts: Encodable {
        let sessionsOpened: Int
        let failuresInARow: Int

        enum CodingKeys: String, CodingKey {
            case sessionsOpened = "sessions_opened"
            case failuresInARow = "failures_in_a_row"
        }
    }

    struct ReceiptEntry: Encodable {
        let deliveredAt: String
        let uri: String
        let md5Confirmed: Bool
        let adopted: Bool

        enum CodingKeys: String, CodingKey {
            case uri, adopted
            case deliveredAt = "delivered_at"
            case md5Confirmed = "md5_confirmed"
        }
    }

    struct Event: Encodable {
        let at: String
        let note: String

        init(_ line: JournalLine) {
            at = Words.isoTime(line.at)
            note = line.note
        }
    }
}

// MARK: Gathering

extension PathStory {
    init(of argument: PathArgument, _ setup: Setup) async throws(CommandFailure) {
        let absolute = PathText(argument.absolute)
        path = absolute.text
        pathBase64 = absolute.base64
        let reader = try setup.openReader()
        let agent = await AgentStatus.ofRunning(setup)
        var places: [Place] = []
        do throws(Failure) {
            for place in MappedPath.all(of: argument, in: setup.configuration) {
                places.append(try await Place(place, setup.configuration, reader, agent))
            }
        } catch {
            throw CommandFailure(error)
        }
        mappings = places
    }
}

extension PathStory.Place {
    init(
        _ place: MappedPath, _ configuration: Configuration, _ reader: QueueReader?, _ agent: AgentStatus?
    ) async throws(Failure) {
        let found = PathKind.of(place.path, below: place.mapping.folder)
        let mapped = place.mapping
        let trouble = await Self.trouble(with: place, found)
        versions = try await PathStory.Version.all(of: place, reader, obstacle: agent?.obstacle(for: mapped))
        journal =
            try await reader?.journal(at: place.path, mapping: mapped.id).filter { $0.delivery == nil }
            .map(PathStory.Event.init) ?? []
        mapping = mapped.id.value
        folder = mapped.folder.string
        table = mapped.table.text
        kind = found.name
        sizeBytes = trouble.look?.observation.size
        if case .file(let modified) = found { modifiedAt = Words.isoTime(modified) } else { modifiedAt = nil }
        // What is not there is judged by its name alone: by a size that no rule refuses.
        let size = sizeBytes ?? max(mapped.minimumSize, 1)
        (verdict, rule) = configuration.route(of: place.path, in: mapped, size: size).words(place)
        explanation =
            trouble.text
            ?? Self.explanation(found, verdict, rule, hasVersions: !versions.isEmpty, waits: mapped.settle.quiet)
    }

    private static func trouble(
        with place: MappedPath, _ kind: PathKind
    ) async -> (look: FileLook?, text: String?) {
        let sources = LocalSourceReader()
        if let problem = await sources.problem(with: place.mapping.folder) { return (nil, problem.description) }
        guard case .file = kind else { return (nil, nil) }
        do throws(Failure) {
            return (try await sources.look(at: place.path, in: place.mapping.folder), nil)
        } catch {
            return (nil, error.description)
        }
    }

    private static func explanation(
        _ kind: PathKind, _ verdict: PathStory.Verdict, _ rule: String?, hasVersions: Bool, waits quiet: Duration
    ) -> String? {
        // A delivered file may well be gone by now.
        if let obstacle = kind.obstacle { return hasVersions && kind == .missing ? nil : obstacle }
        switch verdict {
        case .ignored: return rule.map { "this rule leaves it out: \($0)" }
        case .otherMapping: return rule
        case .taken:
            return hasVersions
                ? nil : "not seen yet: the next `redivis-sync run --once` scans the folder and takes it"
        }
    }
}

extension PathStory.Version {
    static func all(
        of place: MappedPath, _ reader: QueueReader?, obstacle: String?
    ) async throws(Failure) -> [PathStory.Version] {
        guard let reader else { return [] }
        var versions: [PathStory.Version] = []
        for summary in try await reader.versions(at: place.path, mapping: place.mapping.id) {
            var journal: [PathStory.Event] = []
            if let id = summary.id { journal = try await reader.journal(of: id).map(PathStory.Event.init) }
            versions.append(PathStory.Version(summary, place.mapping, journal, obstacle))
        }
        return versions
    }

    private init(
        _ summary: DeliverySummary, _ mapping: Mapping, _ journal: [PathStory.Event], _ obstacle: String?
    ) {
        file = FileEntry(summary, in: mapping)
        state = summary.state
        next =
            summary.pause != nil
            ? "nothing until its mapping is resumed"
            : NextStep.text(
                of: summary.state, summary.delivery?.state, settle: mapping.settle.quiet, obstacle: obstacle)
        attempts = summary.delivery.map {
            PathStory.Attempts(sessionsOpened: $0.tally.sessionsOpened, failuresInARow: $0.tally.failures)
        }
        receipt = summary.delivery.flatMap { PathStory.ReceiptEntry($0.state) }
        self.journal = journal
    }
}

extension AgentStatus {
    /// - Returns: `nil` where none runs or none tells: what the queue says is enough then.
    fileprivate static func ofRunning(_ setup: Setup) async -> AgentStatus? {
        guard case .status(let status)? = try? await ControlClient(state: setup.statePath).status() else { return nil }
        return status
    }

    /// Why nothing is begun for the files of a mapping.
    fileprivate func obstacle(for mapping: Mapping) -> String? {
        problems.first { $0.kind == .state || $0.table == mapping.table.text }?.text
    }
}

extension PathStory.ReceiptEntry {
    init?(_ state: DeliveryState) {
        guard case .delivered(let receipt) = state else { return nil }
        deliveredAt = Words.isoTime(receipt.deliveredAt)
        uri = receipt.uri
        md5Confirmed = receipt.md5Confirmed
        adopted = receipt.isAdopted
    }
}

extension Route {
    fileprivate func words(_ place: MappedPath) -> (verdict: PathStory.Verdict, rule: String?) {
        switch self {
        case .deliver(place.mapping.id):
            (.taken, place.mapping.include.first { $0.matches(place.path) }.map { "include: \($0)" })
        case .deliver(let other):
            (
                .otherMapping,
                "the mapping \(other) takes it: its folder is deeper, or it comes first in the mapping file"
            )
        case .ignored(let rule): (.ignored, rule)
        case .unmapped: (.ignored, nil)
        }
    }
}
