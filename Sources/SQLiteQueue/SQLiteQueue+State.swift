import Logging
import SyncCore
import Synchronization

// What the queue has to do with the file that it is kept in, and with the file systems that its rows are of.

extension SQLiteQueue {
    /// Draws the mark anew by which the database is known as itself: at a start, now and then, and at the end of a run.
    public func renewMark() async {
        // What has taken the directory's place is not ours to write to.
        guard let directory, directory.loss() == nil, let mark = DatabaseMark.draw(in: directory.path) else { return }
        // Where this fails, the next run takes the database for a restored one, and waits for a moment.
        try? await write { try mark.keep(in: $0.database) }
    }

    func begin(as origin: DatabaseOrigin) async throws(Failure) {
        if origin == .restored {
            logger.notice(
                "the database is not the one that was written last: registrations wait until their tables are listed")
            try await write { try $0.begin(as: origin) }
        }
        let past = try await read { try Transaction($0).unknownPast() }
        unknownPast.withLock { $0 = past }
    }

    /// How often a directory that is in use is looked for.
    private static let lookInterval: Duration = .seconds(3)

    /// Waits until the state directory, its lock file or its database is not in its place any more: nothing that is
    /// written from then on can be relied on.
    /// - Returns: what is lost; `nil` where the task is cancelled.
    public func loss() async -> Failure? {
        var marked = ContinuousClock.now
        while !Task.isCancelled {
            if let loss = directory?.loss() { return Failure(stateProblem: loss) }
            if marked.duration(to: .now) > DatabaseMark.interval {
                await renewMark()
                marked = .now
            }
            try? await Task.sleep(for: Self.lookInterval)
        }
        return nil
    }

    // MARK: File systems that are away

    private static let restingAtOnce = 1000

    /// In batches, so that no other write waits for a million rows.
    public func noteDevice(
        _ device: UInt64, isAway: Bool, of mapping: MappingID, now: Moment
    ) async throws(Failure) {
        note(now.monotonic)
        guard isAway else { return try await write { try $0.wakeFiles(of: mapping, run: now.monotonic.run) } }
        for state in Transaction.beforeTransfers {
            var last: Int64? = 0
            while let after = last, !Task.isCancelled {
                last = try await write {
                    try $0.restFiles(on: device, of: mapping, in: state, after: after, limit: Self.restingAtOnce)
                }
            }
        }
    }
}
