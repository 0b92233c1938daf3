import SQLiteQueue
import SyncCore

/// What `plan` found: docs/schemas/plan.json.
struct PlanReport: Encodable {
    let mappingFile: String
    let stateDirectory: String
    /// What the mapping file would change against the one that was last in force.
    let edits: [MappingEdit]
    /// Where a limit holds and the edit may send more than the one in force.
    var confirmation: Confirmation?
    var mappings: [Entry] = []
    /// To be uploaded, of all mappings.
    var files = 0
    var bytes: Int64 = 0
    /// To how many tables.
    var tables = 0
    var expectedSeconds: Double?

    enum CodingKeys: String, CodingKey {
        case edits, confirmation, mappings, files, bytes, tables
        case mappingFile = "mapping_file"
        case stateDirectory = "state_directory"
        case expectedSeconds = "expected_seconds"
    }

    struct Count: Encodable, Hashable {
        let files: Int
        let bytes: Int64

        init(_ count: FileCount) {
            files = count.files
            bytes = count.bytes
        }
    }

    /// What the edit would send that the one in force does not, against `confirm_above`.
    struct Confirmation: Encodable {
        /// What `plan --accept` names it by.
        let edit: String
        let limit: Int
        let files: Int
        let bytes: Int64
        /// Whether a running agent puts it in force only once it is accepted.
        let isNeeded: Bool
        /// Folders that could not be looked through, which asks for a person's word too.
        let problems: [String]

        enum CodingKeys: String, CodingKey {
            case edit, limit, files, bytes, problems
            case isNeeded = "is_needed"
        }

        init(edit: String, limit: Int, _ found: EditCount) {
            (self.edit, self.limit) = (edit, limit)
            (files, bytes, problems) = (found.count.files, found.count.bytes, found.problems)
            isNeeded = files > limit || !problems.isEmpty
        }

        /// Of the edit as a whole.
        fileprivate var words: String {
            let count = "\(Words.count(files, "file")), \(Words.bytes(bytes))"
            let sends = "it would send \(count) more than the one in force (confirm_above: \(limit))"
            guard isNeeded else { return sends }
            let unknown = problems.isEmpty ? "" : "; not counted: \(problems.joined(separator: "; "))"
            return "\(sends)\(unknown). It waits for: redivis-sync plan --accept \(edit)"
        }
    }

    struct Example: Encodable {
        let path: String
        let pathBase64: String?
        let sizeBytes: Int64
        let isChanged: Bool

        enum CodingKeys: String, CodingKey {
            case path
            case pathBase64 = "path_base64"
            case sizeBytes = "size_bytes"
            case isChanged = "is_changed"
        }
    }

    struct Entry: Encodable {
        let mapping: String
        let folder: String
        let table: String
        /// All that would be sent, now or once it has settled.
        let upload: Count
        let new: Count
        let settling: Count
        let queued: Count
        let changed: Count
        let held: Int
        let parked: Int
        /// Where it still decides about what is new.
        let existing: String?
        let onChange: String
        let paused: String?
        let examples: [Example]
        let problems: [String]

        enum CodingKeys: String, CodingKey {
            case mapping, folder, table, upload, new, settling, queued, changed, held, parked, existing, paused
            case examples, problems
            case onChange = "on_change"
        }
    }
}

extension PlanReport.Entry {
    init(_ mapping: Mapping, _ found: FolderComparison, _ figures: QueueFigures) {
        var upload = found.unsent
        // What `existing` keeps back is not sent; what `auto` judges may be.
        if mapping.sendsNew(existingIsOpen: found.existingIsOpen) {
            upload += found.new
            upload += found.settling
        }
        self.mapping = mapping.id.value
        folder = PathText(mapping.folder.bytes).text
        table = mapping.table.text
        self.upload = .init(upload)
        new = .init(found.new)
        settling = .init(found.settling)
        queued = .init(found.unsent)
        changed = .init(found.changed)
        held = figures.counts[mapping.id]?[.held] ?? 0
        parked = figures.counts[mapping.id]?[.parked] ?? 0
        existing = found.existingIsOpen ? mapping.existing.rawValue : nil
        onChange = mapping.onChange.rawValue
        paused = (figures.pauses.reason(of: mapping.id) ?? (mapping.isPaused ? .byFile : nil))?.word
        examples = found.examples.map { example in
            let path = PathText(example.path.bytes)
            return PlanReport.Example(
                path: path.text, pathBase64: path.base64, sizeBytes: example.size, isChanged: example.isChanged)
        }
        problems = found.problems
    }
}

// MARK: For people

extension PlanReport {
    func sheet(_ style: TextStyle) -> Sheet {
        var sheet = Sheet(style, labelWidth: 13)
        sheet.field("mapping file", mappingFile, indent: 0)
        sheet.field("state", stateDirectory, indent: 0)
        write(edits, to: &sheet)
        for entry in mappings { entry.write(to: &sheet) }
        sheet.gap()
        var total = "\(Words.count(files, "file")), \(Words.bytes(bytes))"
        if files > 0 { total += ", to \(Words.count(tables, "table"))" }
        if let expectedSeconds, files > 0 {
            total += "; about \(Words.duration(.seconds(Int64(expectedSeconds)))) at the pace of the last day"
        }
        sheet.field("to upload", total, indent: 0, tint: files > 0 ? .busy : .good)
        return sheet
    }

    private func write(_ edits: [MappingEdit], to sheet: inout Sheet) {
        guard !edits.isEmpty else { return }
        sheet.gap()
        sheet.heading("Edited since it was last in force")
        for edit in edits {
            switch edit.kind {
            case .added: sheet.item("+", .good, "\(edit.mapping) is new")
            case .removed: sheet.item("-", .bad, "\(edit.mapping) is no longer there; its rows are kept")
            case .changed:
                let changes = edit.changes.map { change in
                    guard let from = change.from, let to = change.to else { return change.key }
                    return "\(change.key) \(from) → \(to)"
                }
                sheet.item("~", .pending, "\(edit.mapping): \(changes.joined(separator: ", "))")
            }
        }
        if let confirmation {
            sheet.item(confirmation.isNeeded ? "!" : "·", confirmation.isNeeded ? .pending : .faint, confirmation.words)
        }
    }
}

extension PlanReport.Entry {
    fileprivate func write(to sheet: inout Sheet) {
        sheet.gap()
        let tint: TextStyle.Tint = problems.isEmpty ? (upload.files > 0 ? .busy : .good) : .bad
        let verdict = upload.files > 0 ? Self.words(upload) : "nothing to upload"
        sheet.item("●", tint, "\(mapping)  \(verdict)", indent: 0)
        sheet.field("folder", folder)
        sheet.field("table", table)
        if new.files > 0 { sheet.field("new", Self.words(new) + existingWords) }
        if settling.files > 0 { sheet.field("settling", Self.words(settling)) }
        if queued.files > 0 { sheet.field("queued", Self.words(queued)) }
        if changed.files > 0 {
            sheet.field(
                "changed",
                Self.words(changed) + ", or only touched: read again, and where the content is another, "
                    + "on_change: \(onChange)")
        }
        for example in examples.prefix(5) {
            sheet.field("", "\(example.path.printable), \(Words.bytes(example.sizeBytes))", tint: .faint)
        }
        let more = new.files + changed.files - min(examples.count, 5)
        if more > 0, !examples.isEmpty { sheet.field("", "… and \(Words.grouped(more)) more", tint: .faint) }
        if held > 0 { sheet.field("held", Words.count(held, "file"), tint: .choice) }
        if parked > 0 { sheet.field("parked", Words.count(parked, "file"), tint: .bad) }
        if paused != nil { sheet.field("paused", "no new transfer begins until it is resumed", tint: .pending) }
    }

    private static func words(_ count: PlanReport.Count) -> String {
        "\(Words.count(count.files, "file")), \(Words.bytes(count.bytes))"
    }

    private var existingWords: String {
        switch existing.flatMap(ExistingFiles.init(rawValue:)) {
        case nil: ""
        case .auto?: ", there before the mapping: existing: auto sends what the table does not have yet"
        case .upload?: ", there before the mapping: existing: upload sends them"
        case .skip?: ", there before the mapping: existing: skip leaves them out"
        case .hold?: ", there before the mapping: existing: hold asks you"
        }
    }
}
