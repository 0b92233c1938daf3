import SyncCore

/// What an edited mapping file would change of one mapping.
struct MappingEdit: Encodable, Hashable {
    enum Kind: String, Encodable, CaseIterable { case added, removed, changed }

    struct Change: Encodable, Hashable {
        /// As the mapping file has it.
        let key: String
        /// Of folder and table; the values of other keys stand in the mapping file.
        let from: String?
        let to: String?
    }

    let mapping: String
    let kind: Kind
    let changes: [Change]

    /// In the order of the mapping file; removed ones last.
    static func all(from old: Configuration, to new: Configuration) -> [MappingEdit] {
        var edits: [MappingEdit] = []
        for mapping in new.mappings {
            guard let before = old.mapping(mapping.id) else {
                edits.append(MappingEdit(mapping: mapping.id.value, kind: .added, changes: []))
                continue
            }
            let changes = changes(from: before, to: mapping)
            if !changes.isEmpty {
                edits.append(MappingEdit(mapping: mapping.id.value, kind: .changed, changes: changes))
            }
        }
        for mapping in old.mappings where new.mapping(mapping.id) == nil {
            edits.append(MappingEdit(mapping: mapping.id.value, kind: .removed, changes: []))
        }
        return edits
    }

    private static func changes(from old: Mapping, to new: Mapping) -> [Change] {
        var changes: [Change] = []
        if old.folder != new.folder {
            changes.append(
                Change(key: "folder", from: PathText(old.folder.bytes).text, to: PathText(new.folder.bytes).text))
        }
        if old.table != new.table { changes.append(Change(key: "table", from: old.table.text, to: new.table.text)) }
        for rule in rules where !rule.isSame(old, new) { changes.append(Change(key: rule.key, from: nil, to: nil)) }
        return changes
    }

    /// All keys whose edits are told.
    static var keys: [String] { ["folder", "table"] + rules.map(\.key) }

    private struct Rule {
        let key: String
        let isSame: @Sendable (Mapping, Mapping) -> Bool

        init<Value: Equatable & SendableMetatype>(_ key: String, _ value: @escaping @Sendable (Mapping) -> Value) {
            self.key = key
            isSame = { value($0) == value($1) }
        }
    }

    private static let rules: [Rule] = [
        Rule("recursive") { $0.recursive }, Rule("include") { $0.include }, Rule("exclude") { $0.exclude },
        Rule("minimum_size") { $0.minimumSize }, Rule("maximum_size") { $0.maximumSize },
        Rule("empty_files") { $0.emptyFiles }, Rule("existing") { $0.existing },
        Rule("settle") { $0.settle.quiet }, Rule("open_writers") { $0.settle.waitsForWriters },
        Rule("ready_marker") { $0.readyMarker }, Rule("watch") { $0.watch }, Rule("poll") { $0.poll },
        Rule("upload_name") { $0.uploadName }, Rule("format") { $0.format }, Rule("verify") { $0.verification },
        Rule("endpoint") { $0.endpoint }, Rule("create_version") { $0.createsVersion },
        Rule("on_change") { $0.onChange }, Rule("paused") { $0.isPaused }, Rule("token_file") { $0.tokenFile },
    ]
}
