import SyncCore

extension TableKey {
    /// What Redivis calls a table, its version removed: `Demo.stations:ab12:v1_0.readings:9xyz` →
    /// `Demo.stations:ab12.readings:9xyz`, in the case that the server has.
    ///
    /// - Returns: `nil` where the text is no reference to a table of a dataset.
    init?(qualifiedReference text: String) {
        // A tag inside may be spelled `v1.0`, so only the outer dots divide.
        guard let first = text.firstIndex(of: "."), let last = text.lastIndex(of: "."), first < last else { return nil }
        let owner = text[..<first]
        let dataset = Self.withoutVersion(text[text.index(after: first)..<last])
        let table = Self.withoutVersion(text[text.index(after: last)...])
        guard !owner.isEmpty, !dataset.isEmpty, !table.isEmpty else { return nil }
        self.init("\(owner).\(dataset).\(table)")
    }

    /// A table's `uri`: `/tables/` and the reference, encoded or not.
    init?(uri: String) {
        guard let start = uri.firstRange(of: "/tables/") else { return nil }
        let segment = uri[start.upperBound...].prefix { $0 != "/" && $0 != "?" }
        guard let text = PercentEncoding.decoded(String(segment)) else { return nil }
        self.init(qualifiedReference: text)
    }

    private static func withoutVersion(_ identifier: Substring) -> String {
        let parts = identifier.split(separator: ":", omittingEmptySubsequences: false)
        let kept = parts.dropFirst().filter { part in
            let part = part.lowercased()
            return !["next", "current", "sample"].contains(part) && VersionTag(part) == nil
        }
        return ([parts.first ?? ""] + kept).joined(separator: ":")
    }

    /// The server's word for a table, from whichever of its names it tells.
    init?(_ table: TableResource, owner: String) {
        let scoped = table.scopedReference.map { $0.split(separator: ".").count == 2 ? "\(owner).\($0)" : $0 }
        let found =
            table.qualifiedReference.flatMap { TableKey(qualifiedReference: $0) }
            ?? table.uri.flatMap { TableKey(uri: $0) } ?? scoped.flatMap { TableKey(qualifiedReference: $0) }
        guard let found else { return nil }
        self = found
    }
}
