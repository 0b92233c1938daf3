import GRDB
import SyncCore

/// Rows that wait for another one (`Decision.awaits`): that one's end, or its content, has them taken up again.
extension Transaction {
    func noteWait(_ decision: Decision, of id: Int64) throws {
        guard let other = decision.awaits else { return }
        // What has nothing to do any more tells nobody of its end: then the time alone ends the wait.
        guard try database.exists("SELECT 1 FROM delivery WHERE id = ? AND work IS NOT NULL", [other.value]) else {
            return
        }
        try database.run("UPDATE delivery SET behind = ? WHERE id = ?", [other.value, id])
    }

    /// Whether somebody was taken up is told to the caller of the queue (`SaveOutcome.savedAndWoke`).
    func endWaits(for id: Int64) throws {
        guard try database.exists("SELECT 1 FROM delivery WHERE behind = ? LIMIT 1", [id]) else { return }
        try database.run("UPDATE delivery SET due = 0 WHERE behind = ? AND due IS NOT NULL", [id])
        try database.run("UPDATE delivery SET behind = NULL WHERE behind = ?", [id])
        hasWoken = true
    }
}
