import GRDB
import SyncCore

extension Transaction {
    func recordLooks(_ looks: [SettleOutcome], began: MonotonicInstant, at now: Moment) throws {
        for look in looks {
            switch look {
            case .lookAgain(let file, let due):
                let mapping = try mappingNumber(file.mapping)
                if try !isOvertaken(file.path, mapping, began) {
                    try settle(file.noticed(at: began), mapping, due: due)
                }
            case .drop(let file):
                let mapping = try mappingNumber(file.mapping)
                if try !isOvertaken(file.path, mapping, began) { try drop(file.path, mapping) }
            case .admit(let admitted):
                let mapping = try mappingNumber(admitted.file.mapping)
                let path = admitted.file.path
                if try !isOvertaken(path, mapping, began) { try dropSettling(mapping, path) }
                try admit(admitted, mapping, at: now.wall)
            }
        }
    }

    /// Whether something was noticed at the path since the look at it began, as by an event: that is told only once,
    /// and settles on.
    private func isOvertaken(_ path: RelativePath, _ mapping: Int64, _ began: MonotonicInstant) throws -> Bool {
        try settlingFile(mapping, path).map { !$0.isOlder(thanLookBegunAt: began) } ?? false
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
