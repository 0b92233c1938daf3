import GRDB
import SyncCore

extension Transaction {
    /// See `Standing`. Does not add to the row's revision: the decision that follows is saved on top of it.
    func settleContent(
        _ content: Content, uploadName: String, table: TableKey, of delivery: Delivery, admission: Admission,
        at now: Moment
    ) throws -> Standing {
        // A stale copy gets an answer that writes nothing; the save that follows is told.
        guard let row = try database.deliveryRow(delivery.id.value), row.delivery.revision == delivery.revision else {
            return .alone
        }
        let question = ContentQuestion(
            row: row, content: content, uploadName: uploadName, table: try tableNumber(table), tableKey: table,
            now: now.wall)
        var facts = try self.facts(of: question)
        if admission == .existing { facts.existing = try existingFacts(question) }
        let found = Versions.reconcile(facts)
        try apply(found.moves, question)
        return found.standing
    }

    // MARK: Applying

    func apply(_ moves: [VersionMove], _ question: ContentQuestion) throws {
        for move in moves { try apply(move, question) }
    }

    private func apply(_ move: VersionMove, _ question: ContentQuestion) throws {
        let subject = question.row
        switch move {
        case .set(let id, let state, let resetsTally, let note):
            guard let row = try database.deliveryRow(id.value) else { return }
            try setState(state, of: row, resettingTally: resetsTally, note: note, at: question.now)
        case .move(let id, let takesObservation):
            try self.move(id, to: subject, takesObservation: takesObservation)
        case .assignPath(let id):
            try setFile(subject.file, delivery: id.value, observation: subject.delivery.observation)
        case .takePath(let id):
            guard let row = try database.deliveryRow(id.value) else { return }
            try setFile(row.file, delivery: subject.id, observation: row.delivery.observation)
        case .absorb(let id, let note):
            try database.run("UPDATE journal SET delivery = ? WHERE delivery = ?", [id.value, subject.id])
            try self.note(note, delivery: id.value, file: subject.file, at: question.now)
            try deleteDelivery(subject.id)
        case .writeContent:
            try writeContent(question)
        case .adopt(let upload):
            try adopt(upload, question)
        }
    }

    private func move(_ id: DeliveryID, to subject: DeliveryRow, takesObservation: Bool) throws {
        try database.run(
            "UPDATE delivery SET mapping = ?, file = ? WHERE id = ?", [subject.mapping, subject.file, id.value])
        guard takesObservation else { return }
        // It is of the same table, whose spelling may be one by now that nobody makes ready.
        try database.run(
            """
            UPDATE delivery SET destination = ?, device = ?, inode = ?, size = ?, modified = ?, changed = ?
            WHERE id = ?
            """, [subject.destination] + subject.delivery.observation.columns + [id.value])
    }

    private func writeContent(_ question: ContentQuestion) throws {
        try database.run(
            """
            UPDATE delivery SET contentSize = ?, sha256 = ?, md5 = ?, uploadName = ?, remoteTable = ? WHERE id = ?
            """,
            [
                question.content.size, question.content.sha256.column, question.content.md5.column,
                question.row.delivery.uploadName ?? question.uploadName, question.row.remoteTable ?? question.table,
                question.row.id,
            ])
        try endWaits(for: question.row.id)
    }
}
