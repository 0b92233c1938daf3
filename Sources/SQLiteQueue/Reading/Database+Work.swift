import GRDB
import SyncCore

/// Deliveries that were asked for, and the rows that could not be read.
struct FoundDeliveries {
    var deliveries: [Delivery] = []
    var unreadable: [(Int64, Failure)] = []
}

extension Database {
    func mappingNumber(_ mapping: MappingID) throws -> Int64? {
        try row("SELECT id FROM mapping WHERE name = ?", [mapping.value])?.integer(0)
    }

    func destinationNumber(_ table: TableReference) throws -> Int64? {
        try row("SELECT id FROM destination WHERE reference = ?", [try StateCoding.text(of: table)])?.integer(0)
    }

    /// Each destination and each kind of work is one range of the index: what is due is found without passing over
    /// what is not.
    func due(
        at now: MonotonicInstant, tables: Set<TableReference>, excluding excluded: Set<Int64>, limit: Int
    ) throws -> FoundDeliveries {
        guard limit > 0 else { return FoundDeliveries() }
        var fresh: Set<Int64> = []
        var failing: Set<Int64> = []
        for table in tables {
            guard let destination = try destinationNumber(table) else { continue }
            let most = limit + excluded.count
            // A million may be ready. All of them are due at 0, so that the index gives them by id.
            var found = try rows(
                "SELECT id FROM delivery WHERE work = ? AND destination = ? AND due = 0 ORDER BY id LIMIT ?",
                [StoredState.Work.ready.rawValue, destination, most])
            func due(_ work: StoredState.Work) throws -> [Row] {
                try rows(
                    """
                    SELECT id FROM delivery WHERE work = ? AND destination = ? AND due <= ? ORDER BY id LIMIT ?
                    """, [work.rawValue, destination, now.nanoseconds, most])
            }
            found += try due(.waiting)
            for row in found { fresh.insert(try row.integer(0)) }
            for row in try due(.failing) { failing.insert(try row.integer(0)) }
        }
        return try load(
            Self.order(fresh.subtracting(excluded).sorted(), failing.subtracting(excluded).sorted(), limit: limit),
            limit: limit)
    }

    /// Oldest first, but what failed before comes after what did not: nothing waits behind rows that fail again and
    /// again. A quarter of the places is kept for them, so that they come to their turn however much is new.
    static func order(_ fresh: [Int64], _ failing: [Int64], limit: Int) -> [Int64] {
        let kept = min(failing.count, limit / 4)
        let first = fresh.prefix(limit - kept)
        return first + failing + fresh.dropFirst(first.count)
    }

    func settlingDue(at now: MonotonicInstant, limit: Int) throws -> [SettlingFile] {
        try rows(
            SettlingRow.select + " WHERE s.due <= ? ORDER BY s.due, s.id LIMIT ?", [now.nanoseconds, limit]
        ).map { try SettlingRow($0).file }
    }

    func importing(in table: TableReference, after: DeliveryID?, limit: Int) throws -> FoundDeliveries {
        guard let destination = try destinationNumber(table) else { return FoundDeliveries() }
        // All of them are due at 0, so that the index gives them by id.
        let rows = try rows(
            "SELECT id FROM delivery WHERE work = ? AND destination = ? AND due = 0 AND id > ? ORDER BY id LIMIT ?",
            [StoredState.Work.importing.rawValue, destination, after?.value ?? 0, limit])
        return try load(try rows.map { try $0.integer(0) }, limit: limit)
    }

    private func load(_ ids: [Int64], limit: Int) throws -> FoundDeliveries {
        var found = FoundDeliveries()
        for id in ids where found.deliveries.count < limit {
            do {
                if let row = try deliveryRow(id) { found.deliveries.append(row.delivery) }
            } catch let failure as Failure {
                found.unreadable.append((id, failure))
            }
        }
        return found
    }

    func tablesInUse() throws -> Set<TableReference> {
        var tables: Set<TableReference> = []
        for row in try rows("SELECT id, reference FROM destination") {
            let destination = try row.integer(0)
            let isUsed = try StoredState.Work.allCases.contains { work in
                try exists(
                    "SELECT 1 FROM delivery WHERE work = ? AND destination = ? LIMIT 1", [work.rawValue, destination])
            }
            // What a pause holds back will be work again.
            let isHeldBack = try exists(
                """
                SELECT 1 FROM rowCount WHERE destination = ? AND work = 0
                    AND state IN ('queued', 'uploading', 'waiting') AND count > 0 LIMIT 1
                """, [destination])
            if isUsed || isHeldBack { tables.insert(try StateCoding.table(row.text(1))) }
        }
        return tables
    }

    func workload(run: UInt64, tables: Set<TableReference>) throws -> Workload {
        let ready = Set(try tables.compactMap { try destinationNumber($0) })
        var load = Workload()
        let counts = try rows(
            "SELECT state, work, destination, sum(count) FROM rowCount GROUP BY state, work, destination")
        for row in counts {
            let count = Int(clamping: try row.integer(3))
            let work = StoredState.Work(rawValue: try row.integer(1))
            if work != nil, try !ready.contains(row.integer(2)) {
                load.blocked += count
                continue
            }
            switch work {
            case .ready, .waiting: load.live += count
            case .failing: load.failing += count
            case .importing: load.importing += count
            case nil:
                switch PublicState(rawValue: try row.text(0)) {
                case .settling?: load.settling += count
                case .queued?, .uploading?, .waiting?: load.paused += count
                case .registering?, .importing?, .delivered?, .held?, .parked?, .gone?, .superseded?, .ignored?, nil:
                    break
                }
            }
        }
        load.nextDue = try nextDue(after: MonotonicInstant(run: run, nanoseconds: .min), tables: tables)
        return load
    }

    func nextDue(after instant: MonotonicInstant, tables: Set<TableReference>) throws -> MonotonicInstant? {
        var next: Int64?
        for table in tables {
            guard let destination = try destinationNumber(table) else { continue }
            for work in [StoredState.Work.waiting, .failing] {
                let due = try row(
                    "SELECT min(due) FROM delivery WHERE work = ? AND destination = ? AND due > ?",
                    [work.rawValue, destination, instant.nanoseconds])?.optionalInteger(0)
                if let due { next = min(next ?? due, due) }
            }
        }
        return next.map { MonotonicInstant(run: instant.run, nanoseconds: $0) }
    }
}
