import SyncCore

/// Follows the imports of every table by one listing a table, never one request a file.
actor ImportFollower {
    private let ports: EnginePorts
    private let observer: EngineObserver
    private var tables: Set<TableReference> = []
    private var misses: [DeliveryID: Int] = [:]
    private let bell = WorkBell()
    /// Whether the last walk found nobody to ask.
    private(set) var isOutOfReach = false

    static let shortestPause: Duration = .milliseconds(300)
    static let longestPause: Duration = .seconds(10)
    /// How many imports of a table are looked for in one walk through its uploads.
    static let batch = 2_000
    /// In how many walks in a row an upload may be missing: a listing may lag behind.
    static let missesLimit = 5

    init(ports: EnginePorts, observer: @escaping EngineObserver) {
        self.ports = ports
        self.observer = observer
    }

    /// There is an import to follow on this table.
    func notice(_ table: TableReference) async {
        tables.insert(table)
        await bell.ring()
    }

    /// Runs until it is cancelled. Pauses grow while nothing moves.
    func run(reporting apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void) async {
        var pause = Self.shortestPause
        while !Task.isCancelled {
            guard !tables.isEmpty else {
                await bell.wait(atMost: .seconds(3600), on: ports.clock)
                pause = Self.shortestPause
                continue
            }
            try? await ports.clock.sleep(for: pause)
            var hasMoved = false
            for table in tables {
                do throws(Failure) {
                    hasMoved = try await follow(table, apply) || hasMoved
                    isOutOfReach = false
                } catch {
                    isOutOfReach = true
                    observer(.tableProblem(table, error))
                }
            }
            pause = hasMoved ? Self.shortestPause : min(pause * 1.5, Self.longestPause)
        }
    }

    /// One walk through the table's uploads.
    /// - Returns: whether an import has ended.
    private func follow(
        _ table: TableReference, _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async throws(Failure) -> Bool {
        var hasMoved = false
        var last: DeliveryID?
        while true {
            let batch = try await ports.queue.importing(in: table, after: last, limit: Self.batch)
            guard let end = batch.last else { break }
            last = end.id
            hasMoved = try await follow(batch, in: table, apply) || hasMoved
        }
        if last == nil { tables.remove(table) }
        return hasMoved
    }

    private func follow(
        _ batch: [Delivery], in table: TableReference,
        _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async throws(Failure) -> Bool {
        var sought: [String: Delivery] = [:]
        for delivery in batch {
            if let name = delivery.registeredName { sought[name] = delivery }
        }
        var hasMoved = false
        let remote = try await ports.remote.table(table)
        for version in remote.versions(releasedAfter: batch.oldestPredecessor) {
            var page: String?
            repeat {
                guard !sought.isEmpty else { return hasMoved }
                let answer = try await ports.remote.uploads(of: table, in: version, page: page)
                var ended: [(RemoteUpload, Delivery)] = []
                for upload in answer.uploads {
                    guard let delivery = sought.removeValue(forKey: upload.name) else { continue }
                    misses[delivery.id] = nil
                    if upload.status != .inProgress { ended.append((upload, delivery)) }
                }
                await report(ended, apply)
                hasMoved = hasMoved || !ended.isEmpty
                page = answer.nextPage
            } while page != nil
        }
        for delivery in sought.values {
            misses[delivery.id, default: 0] += 1
            guard misses[delivery.id, default: 0] >= Self.missesLimit else { continue }
            misses[delivery.id] = nil
            await apply(.importVanished, delivery)
        }
        return hasMoved
    }

    /// Side by side, so that their commits are grouped.
    private func report(
        _ ended: [(RemoteUpload, Delivery)], _ apply: @escaping @Sendable (DeliveryEvent, Delivery) async -> Void
    ) async {
        await withTaskGroup(of: Void.self) { group in
            for (index, (upload, delivery)) in ended.enumerated() {
                if index >= Self.reportsAtOnce { await group.next() }
                group.addTask { await apply(.importReported(upload), delivery) }
            }
        }
    }

    static let reportsAtOnce = 32
}

extension Delivery {
    fileprivate var registration: Registration? {
        guard case .importing(let registration) = state.stage else { return nil }
        return registration
    }

    fileprivate var registeredName: String? { registration?.name }
}

extension [Delivery] {
    /// The newest release that every one of them was registered after; `nil` where one may be older than all.
    fileprivate var oldestPredecessor: VersionTag? {
        let predecessors = compactMap { $0.registration?.newestReleased }
        return predecessors.count == count ? predecessors.min() : nil
    }
}
