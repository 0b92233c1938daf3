import SQLiteQueue
import SyncCore

/// What `list` prints: columns on a terminal; elsewhere one line a file version, with tabs between the fields.
struct FileTable {
    let entries: [DeliverySummary]
    let configuration: Configuration
    let style: TextStyle
    let now: Timestamp

    var lines: [String] {
        guard let width = style.width else { return entries.map(tabbed) }
        return entries.isEmpty ? [] : columns(width)
    }

    /// State, size in bytes, mapping, time of the last change, path, reason: none of them holds a tab.
    private func tabbed(_ entry: DeliverySummary) -> String {
        [
            entry.state.rawValue, String(entry.size), entry.mapping.value,
            entry.updatedAt.map(Words.isoTime) ?? "", entry.path.description, remedy(of: entry)?.text ?? "",
        ].joined(separator: "\t")
    }

    private func remedy(of entry: DeliverySummary) -> Remedy? {
        entry.remedy(in: configuration.mapping(entry.mapping))
    }

    // MARK: On a terminal

    private static let stateWidth = 11
    private static let sizeWidth = 9
    private static let ageWidth = 6

    private func columns(_ width: Int) -> [String] {
        let mappings = Set(entries.map(\.mapping))
        // One mapping needs no column, and a narrow terminal has none to spare.
        let longest = mappings.map { DisplayWidth.of($0.value) }.max() ?? 0
        let mappingWidth = mappings.count > 1 && width >= 72 ? min(max(longest, 7), 20) : 0
        let head = row(
            "STATE".padded(to: Self.stateWidth), "SIZE", "AGE", mappingWidth > 0 ? "MAPPING" : "", mappingWidth, "PATH")
        return [style.paint(head, .faint)] + entries.flatMap { lines(of: $0, mappingWidth, width) }
    }

    private func lines(of entry: DeliverySummary, _ mappingWidth: Int, _ width: Int) -> [String] {
        let state = style.paint(entry.state.rawValue.padded(to: Self.stateWidth), entry.state.tint)
        let age = entry.updatedAt.map { Words.age(now.since($0)) } ?? ""
        let first = row(
            state, Words.bytes(entry.size), age,
            DisplayWidth.keepingStart(entry.mapping.value, mappingWidth), mappingWidth, entry.path.description)
        guard let remedy = remedy(of: entry) else { return [first] }
        let margin = Self.stateWidth + 1
        let reasons = [remedy.reason, remedy.action].compactMap { $0 }.flatMap {
            DisplayWidth.wrapped($0.printable, width - margin >= 24 ? width - margin : nil)
        }
        return [first] + reasons.map { String(repeating: " ", count: margin) + style.paint($0, .faint) }
    }

    private func row(
        _ state: String, _ size: String, _ age: String, _ mapping: String, _ mappingWidth: Int, _ path: String
    ) -> String {
        var fields = [state, size.paddedInFront(to: Self.sizeWidth), age.paddedInFront(to: Self.ageWidth)]
        if mappingWidth > 0 { fields.append(" " + mapping.padded(to: mappingWidth)) }
        return (fields + [" " + path]).joined(separator: " ")
    }
}
