import GRDB
import SyncCore

/// A database that was put in the place of a later one does not know what that one has registered.
struct UnknownPast: Hashable, Codable, Sendable {
    /// When it registered something for the first time.
    var since: Timestamp?

    /// From its first registration on, what a lost database has posted is looked for beside it for so long.
    static let checked: Duration = .seconds(3600)
    /// When the first look is due: what is late by less is found by the first.
    static let firstLook: Duration = .seconds(120)
}

extension Transaction {
    private static let key = "unknownPast"

    /// A database that is not itself has no past: no table is posted to before what an earlier run may have posted is
    /// carried out or dropped, and is listed.
    func begin(as origin: DatabaseOrigin) throws {
        switch origin {
        // Of a new one nothing is known either way: what bears our tags on a table closes its gate (`TableDirectory`).
        case .itself, .new: return
        case .restored:
            try database.run("UPDATE remoteTable SET gate = 'closed'")
            try keep(UnknownPast())
        }
    }

    func unknownPast() throws -> UnknownPast? {
        guard let text = try database.row("SELECT value FROM meta WHERE key = ?", [Self.key])?.text(0) else {
            return nil
        }
        return try? StateCoding.value(UnknownPast.self, text)
    }

    private func keep(_ past: UnknownPast) throws {
        try database.run(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [Self.key, try StateCoding.text(past)])
    }

    /// What is posted for the first time may have been posted by the past that is not known, and be listed late: it is
    /// looked for beside it, as what is posted twice.
    /// - Returns: what is known of the past from now on; `nil` where it matters no more.
    func checkFirstPost(_ delivery: Delivery, _ past: UnknownPast, at now: Timestamp) throws -> UnknownPast? {
        guard case .working(.posting(_, let attempt)) = delivery.state else { return past }
        var past = past
        if past.since == nil {
            past.since = now
            try keep(past)
        }
        guard let since = past.since, now < since.advanced(by: UnknownPast.checked) else {
            try database.run("DELETE FROM meta WHERE key = ?", [Self.key])
            return nil
        }
        try database.run(
            """
            INSERT INTO secondLook (delivery, newestReleased, until, due) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            [
                delivery.id.value, attempt.newestReleased?.description,
                now.advanced(by: UnknownPast.checked).milliseconds,
                now.advanced(by: UnknownPast.firstLook).milliseconds,
            ])
        return past
    }
}
