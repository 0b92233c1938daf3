import GRDB
import SyncCore

extension Transaction {
    /// - Parameter stored: the decision's state, written out before the queue's one writer is waited for.
    func save(_ decision: Decision, as stored: StoredState, api: String, at now: Moment) throws -> SaveOutcome {
        let delivery = decision.delivery
        guard let before = try saved(delivery.id), before.revision == delivery.revision else { return .stale }
        hasWoken = false
        if let content = delivery.content {
            if let known = before.sha256, known != content.sha256.bytes { throw Self.contentStays(delivery) }
            if before.sha256 == nil || decision.beginsPosting {
                let question = try question(decision, content, at: now.wall)
                let found = Versions.reconcile(try facts(of: question))
                guard found.standing == .alone || !decision.leadsToPosting else {
                    return try refused(found, question)
                }
                try apply(found.moves, question)
            }
        }
        try update(delivery, as: stored, before, at: now.wall)
        try noteWait(decision, of: delivery.id.value)
        try finish(decision, before, api, at: now.wall)
        return hasWoken ? .savedAndWoke : .saved
    }

    /// Nothing is posted whose content is not new: the row ends here, or has to be decided about once more.
    private func refused(_ found: Reconciliation, _ question: ContentQuestion) throws -> SaveOutcome {
        guard case .joined(let other) = found.standing else { return .stands(found.standing) }
        try apply(found.moves, question)
        return .joined(other)
    }

    // MARK: Reading what is there

    private struct SavedRow {
        let revision: Int64
        let kind: String
        let sha256: [UInt8]?
        let file: Int64
        let mapping: Int64
        let hasTable: Bool
        let observation: FileObservation
    }

    /// Not the whole row: most saves need no more than this.
    private func saved(_ id: DeliveryID) throws -> SavedRow? {
        try database.row(
            """
            SELECT revision, kind, sha256, file, mapping, remoteTable, device, inode, size, modified, changed
            FROM delivery WHERE id = ?
            """, [id.value]
        ).map {
            SavedRow(
                revision: try $0.integer(0), kind: try $0.text(1), sha256: try $0.optionalBytes(2),
                file: try $0.integer(3), mapping: try $0.integer(4), hasTable: try $0.optionalInteger(5) != nil,
                observation: try $0.observation(6))
        }
    }

    private func question(_ decision: Decision, _ content: Content, at now: Timestamp) throws -> ContentQuestion {
        let delivery = decision.delivery
        guard let name = delivery.uploadName, let key = delivery.tableKey,
            let row = try database.deliveryRow(delivery.id.value)
        else {
            throw Failure(
                .stateUnavailable, scope: .delivery,
                "delivery \(delivery.id) (\(delivery.path)): its content is to be saved without upload name or table",
                hint: "report this as a defect; nothing was written")
        }
        return ContentQuestion(
            row: row, content: content, uploadName: name, table: try tableNumber(key), tableKey: key, now: now)
    }

    private static func contentStays(_ delivery: Delivery) -> Failure {
        Failure(
            .stateUnavailable, scope: .delivery,
            "delivery \(delivery.id) (\(delivery.path)): another content was to be written over the one it has",
            hint: "report this as a defect; nothing was written")
    }

    // MARK: Writing

    private func update(
        _ delivery: Delivery, as stored: StoredState, _ before: SavedRow, at now: Timestamp
    ) throws {
        let stored = try asKept(stored, mapping: before.mapping)
        // Seldom, and by themselves: an update that names an indexed column writes to its index, changed or not.
        if delivery.observation != before.observation {
            try database.run(
                "UPDATE delivery SET device = ?, inode = ?, size = ?, modified = ?, changed = ? WHERE id = ?",
                delivery.observation.columns + [delivery.id.value])
            try database.run(
                """
                UPDATE file SET device = ?, inode = ?, size = ?, modified = ?, changed = ? WHERE id = ? AND delivery = ?
                """, delivery.observation.columns + [before.file, delivery.id.value])
        }
        if !before.hasTable, let table = delivery.tableKey {
            try database.run(
                "UPDATE delivery SET remoteTable = ? WHERE id = ?", [try tableNumber(table), delivery.id.value])
        }
        try write(stored, over: delivery.id.value, at: now)
    }

    private func finish(
        _ decision: Decision, _ before: SavedRow, _ api: String, at now: Timestamp
    ) throws {
        let delivery = decision.delivery
        if delivery.mayRepeatItself {
            try noteAgain(decision.note, delivery: delivery.id.value, file: before.file, at: now)
        } else {
            try note(decision.note, delivery: delivery.id.value, file: before.file, at: now)
        }
        if case .delivered(let receipt) = delivery.state, before.kind != "delivered" {
            try appendReceipt(receipt, of: delivery)
        }
        if case .importing(let registration) = delivery.state.stage, let key = delivery.tableKey {
            try noteRegistered(registration, of: key)
        }
        try noteSecondLook(delivery, at: now)
        if let fact = decision.endpointFact {
            try database.run(
                "INSERT INTO apiFact VALUES (?, ?) ON CONFLICT DO UPDATE SET endpoint = excluded.endpoint",
                [api, fact.rawValue])
        }
    }
}

extension Delivery {
    /// Whether what is said of it now may be what was said before, and will be again.
    fileprivate var mayRepeatItself: Bool {
        if case .waiting = state { true } else { tally.failures > 0 }
    }
}
