import GRDB
import SyncCore

extension Transaction {
    func beginRun(_ mappings: [Mapping]) throws {
        // Instants of an earlier run mean nothing now: what waited is due, what settled begins anew.
        try database.run("UPDATE delivery SET due = 0 WHERE work IN (2, 4) AND due <> 0")
        try database.run("UPDATE delivery SET due = 0 WHERE behind IS NOT NULL AND due <> 0")
        try database.run("UPDATE delivery SET behind = NULL WHERE behind IS NOT NULL")
        try database.run("UPDATE settling SET quietRun = 0, quietSince = 0, noticed = 0, due = 0")
        try forgetAbsences()
        try takeUp(mappings, run: nil)
    }

    /// - Parameter run: the one under way, whose instants go on to mean something; `nil` at its start.
    func takeUp(_ mappings: [Mapping], run: UInt64?) throws {
        try takeUpPauses(of: mappings, run: run)
        for mapping in mappings {
            let number = try mappingNumber(mapping.id)
            try takeUpRules(of: mapping, number)
        }
    }

    /// Where a mapping takes other files than before, those that it ignored are looked at again. Their rows stay, so
    /// that a file that was there before the mapping is still known as one.
    private func takeUpRules(of mapping: Mapping, _ number: Int64) throws {
        let rules = mapping.admissionRules
        guard try database.row("SELECT rules FROM mapping WHERE id = ?", [number])?.optionalText(0) != rules else {
            return
        }
        try database.run("UPDATE mapping SET rules = ? WHERE id = ?", [rules, number])
        try database.run(
            """
            UPDATE file SET device = NULL, inode = NULL, size = NULL, modified = NULL, changed = NULL
            WHERE delivery IN (
                SELECT id FROM delivery WHERE mapping = ? AND public = 'ignored' AND kind = 'ignored')
            """, [number])
    }

    func closeExisting(of mapping: MappingID, exceptBelow places: [RelativePath]) throws {
        let number = try mappingNumber(mapping)
        let isFirst = try database.existingVerdict(number) == .open
        try database.run("UPDATE mapping SET existing = 'closed' WHERE id = ? AND existing <> 'closed'", [number])
        let unseen = Set(places)
        if isFirst {
            for path in unseen {
                try database.run(
                    "INSERT INTO unseen (mapping, path) VALUES (?, ?) ON CONFLICT DO NOTHING", [number, path.column])
            }
        }
        // A place that was seen once and cannot be looked into later holds nothing that was there before.
        for path in try database.unseen(number) where !unseen.contains(path) {
            try database.run("DELETE FROM unseen WHERE mapping = ? AND path = ?", [number, path.column])
        }
    }
}

extension Mapping {
    /// Everything that decides which files the mapping takes, as one text.
    fileprivate var admissionRules: String {
        let patterns = [include, exclude].map { $0.map(\.text).joined(separator: "\u{0}") }
        let limits = "\(recursive) \(minimumSize) \(maximumSize ?? -1) \(emptyFiles.rawValue) \(existing.rawValue)"
        return (patterns + [limits]).joined(separator: "\u{1}")
    }
}
