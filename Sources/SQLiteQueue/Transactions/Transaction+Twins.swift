import GRDB
import SyncCore

extension Transaction {
    /// A delivery that is posted again is looked for again: saved with the post itself, so that no crash forgets it.
    func noteSecondLook(_ delivery: Delivery, at now: Timestamp) throws {
        guard let (object, attempt) = delivery.secondPost else { return }
        let until = object.session.openedAt.advanced(by: UploadSession.lifetime)
        try database.run(
            """
            INSERT INTO secondLook (delivery, newestReleased, until, due) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET until = max(until, excluded.until), due = excluded.due, looks = 0
            """,
            [delivery.id.value, attempt.newestReleased?.description, until.milliseconds, now.milliseconds])
    }

    /// Looks that are due at once, of the deliveries that have one of these names and an upload of their own.
    func suspect(
        _ names: [String], of table: TableKey, newestReleased: VersionTag?, until: Timestamp, at now: Timestamp
    ) throws -> [SecondLook] {
        guard let number = try database.tableNumber(table) else { return [] }
        var looks: [SecondLook] = []
        for name in names {
            let rows = try database.rows(
                """
                SELECT id FROM delivery AS d WHERE remoteTable = ? AND uploadName = ?
                    AND kind IN ('importing', 'delivered')
                    AND NOT EXISTS (SELECT 1 FROM twin WHERE delivery = d.id AND standing IS NOT NULL)
                """, [number, name])
            for row in rows {
                let id = try row.integer(0)
                try database.run(
                    """
                    INSERT INTO secondLook (delivery, newestReleased, until, due) VALUES (?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET until = max(until, excluded.until), due = excluded.due
                    """, [id, newestReleased?.description, until.milliseconds, now.milliseconds])
                if let look = try database.secondLook(of: id) { looks.append(look) }
            }
        }
        return looks
    }

    func record(_ twins: [Twin], of look: SecondLook, next: Timestamp?, at now: Timestamp) throws {
        guard let row = try database.deliveryRow(look.delivery.id.value) else { return }
        for twin in twins { try record(twin, of: row, at: now) }
        // What stood and was not met again, a person has removed.
        let standing = twins.filter { $0.fate != .removed }.map(\.upload.uri)
        let known = try database.rows(
            "SELECT uri FROM twin WHERE delivery = ? AND standing IS NOT NULL", [row.id]
        ).map { try $0.text(0) }
        for uri in known where !standing.contains(uri) {
            try database.run("UPDATE twin SET standing = NULL WHERE delivery = ? AND uri = ?", [row.id, uri])
            try note("its second registration is off the table", delivery: row.id, file: row.file, at: now)
        }
        if let next {
            try database.run(
                "UPDATE secondLook SET due = ?, looks = looks + 1 WHERE delivery = ?", [next.milliseconds, row.id])
        } else {
            try database.run("DELETE FROM secondLook WHERE delivery = ?", [row.id])
        }
    }

    private func record(_ twin: Twin, of row: DeliveryRow, at now: Timestamp) throws {
        let (standing, words): (String?, String) =
            switch twin.fate {
            case .removed: (nil, "it had been registered twice: the second upload was taken off the table")
            case .stands(let why): (why, "it is on the table twice (\(twin.upload.name)), and stays so: \(why)")
            }
        let isKnown = try database.exists(
            "SELECT 1 FROM twin WHERE delivery = ? AND uri = ? AND standing IS ?", [row.id, twin.upload.uri, standing])
        try database.run(
            """
            INSERT INTO twin (delivery, uri, name, version, found, standing) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET version = excluded.version, standing = excluded.standing
            """,
            [row.id, twin.upload.uri, twin.upload.name, twin.version.column, now.milliseconds, standing])
        if !isKnown { try note(words, delivery: row.id, file: row.file, at: now) }
    }
}
