import GRDB
import SyncCore

extension Transaction {
    func recordLooks(_ looks: [SettleOutcome], at now: Moment) throws {
        for look in looks {
            switch look {
            case .lookAgain(let file, let due):
                try settle(file, try mappingNumber(file.mapping), due: due)
            case .drop(let file):
                let mapping = try mappingNumber(file.mapping)
                if try !isOvertaken(file, mapping) { try drop(file.path, mapping) }
            case .admit(let admitted):
                let mapping = try mappingNumber(admitted.file.mapping)
                if try !isOvertaken(admitted.file, mapping) { try dropSettling(mapping, admitted.file.path) }
                try admit(admitted, mapping, at: now.wall)
            }
        }
    }

    /// Whether another file has been seen at the path since this one was looked at, as by an event: that one is only
    /// told once, and settles on.
    private func isOvertaken(_ file: SettlingFile, _ mapping: Int64) throws -> Bool {
        try database.row(
            SettlingRow.select + " WHERE s.mapping = ? AND s.path = ?", [mapping, file.path.column]
        ).map { try SettlingRow($0).file.observation != file.observation } ?? false
    }

    /// A path that is gone again before anything was admitted leaves nothing behind.
    private func drop(_ path: RelativePath, _ mapping: Int64) throws {
        try dropSettling(mapping, path)
        guard let file = try database.fileRow(mapping, path), file.delivery == nil else { return }
        guard try !database.exists("SELECT 1 FROM delivery WHERE file = ? LIMIT 1", [file.id]) else { return }
        try database.run("DELETE FROM journal WHERE file = ?1 AND delivery IS NULL", [file.id])
        guard try !database.exists("SELECT 1 FROM journal WHERE file = ? LIMIT 1", [file.id]) else { return }
        try database.run("DELETE FROM file WHERE id = ?", [file.id])
    }
}
