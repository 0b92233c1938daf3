import GRDB
import SyncCore

extension Transaction {
    /// The path of the question's row becomes a path of `version`; the row itself ends.
    func join(_ question: ContentQuestion, to version: DeliveryRow) throws -> Standing {
        let row = question.row
        try setFile(row.file, delivery: version.id, observation: row.delivery.observation)
        try endJoined(row, into: version, at: question.now)
        // The path has this content now; others of it that were not posted can no longer be read.
        try supersedeOthers(of: row.file, but: version.id, question)
        try takeUp(version, at: row, question)
        return .joined(version.delivery.id)
    }

    private func endJoined(_ row: DeliveryRow, into version: DeliveryRow, at now: Timestamp) throws {
        let note = "\(row.delivery.path) holds this content too"
        guard row.delivery.content == nil else {
            // A row that has its content keeps its name in the history.
            return try setState(
                .abandoned(.superseded), of: row, note: "delivery \(version.id) is the same content", at: now)
        }
        try database.run("UPDATE journal SET delivery = ? WHERE delivery = ?", [version.id, row.id])
        try self.note(note, delivery: version.id, file: row.file, at: now)
        try database.run("DELETE FROM delivery WHERE id = ?", [row.id])
    }

    private func supersedeOthers(of file: Int64, but version: Int64, _ question: ContentQuestion) throws {
        for other in try database.deliveryRows(ofFile: file) where other.id != version && other.id != question.row.id {
            switch other.delivery.state {
            case .working(let stage), .waiting(let stage, _):
                guard !stage.mayBeRegistered else { continue }
            case .parked(.withdrawalRefused), .delivered, .abandoned:
                continue
            case .held, .parked:
                break
            }
            try setState(
                .abandoned(.superseded), of: other, note: "the file holds an earlier content again", at: question.now)
        }
    }

    private func takeUp(_ version: DeliveryRow, at row: DeliveryRow, _ question: ContentQuestion) throws {
        switch version.delivery.state {
        case .delivered:
            if try hasMoved(version, to: row) { try move(version, to: row, takesObservation: false) }
        case .working(let stage), .waiting(let stage, _):
            // A post under way goes on undisturbed; everything before it reads the file where it was just read.
            guard !stage.mayBeRegistered else { return }
            try move(version, to: row, takesObservation: true)
            // A delay may be of an earlier run, whose instants mean nothing now.
            try setState(
                .working(stage), of: version, in: row.mapping, note: "goes on at \(row.delivery.path)",
                at: question.now)
        case .held, .parked:
            try move(version, to: row, takesObservation: true)
            try setState(
                version.delivery.state, of: version, in: row.mapping, note: "found at \(row.delivery.path)",
                at: question.now)
        case .abandoned(.gone), .abandoned(.superseded):
            try move(version, to: row, takesObservation: true)
            let isSuccessor = try hasRegistered(row.file, table: question.table, but: version.id)
            // Judged as if newly found: where an older content may be on the table, by one more examination.
            let admission: Admission = isSuccessor ? .examine : .examined
            try setState(
                .working(.pending(admission)), of: version, in: row.mapping, resettingTally: true,
                note: "its content is back at \(row.delivery.path)", at: question.now)
        case .abandoned(.ignored), .abandoned(.forgotten):
            break
        }
    }

    /// Whether the version's own path no longer names the inode: then this is a move, else a hard link.
    private func hasMoved(_ version: DeliveryRow, to row: DeliveryRow) throws -> Bool {
        guard version.file != row.file, version.delivery.observation.isSameFile(as: row.delivery.observation) else {
            return false
        }
        let here = try database.fileRow(row.file)
        let there = try database.fileRow(version.file)
        let isTaken = there?.observation.map { !$0.isSameFile(as: row.delivery.observation) } ?? true
        return isTaken || here?.links == 1
    }

    private func move(_ version: DeliveryRow, to row: DeliveryRow, takesObservation: Bool) throws {
        let observation = takesObservation ? row.delivery.observation : version.delivery.observation
        try database.run(
            """
            UPDATE delivery SET mapping = ?, file = ?, device = ?, inode = ?, size = ?, modified = ?, changed = ?
            WHERE id = ?
            """, [row.mapping, row.file] + observation.columns + [version.id])
    }

    private func hasRegistered(_ file: Int64, table: Int64, but version: Int64) throws -> Bool {
        try database.deliveryRows(ofFile: file).contains { other in
            other.id != version && other.remoteTable == table
                && (other.kind == "delivered" || other.delivery.state.stage?.mayBeRegistered == true)
        }
    }
}
