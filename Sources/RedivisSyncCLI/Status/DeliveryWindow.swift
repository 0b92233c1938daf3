import SQLiteQueue
import SyncCore

/// What was delivered within the last day: read once, and added to from then on, so that a status that is redrawn
/// every second asks only for what is new.
struct DeliveryWindow: Sendable {
    static let length: Duration = .seconds(86_400)
    /// The most that is read at once; of more, the newest are reckoned with.
    static let mostRead = 100_000

    private var deliveries: [MappingID: [RecentDelivery]] = [:]
    private(set) var lastSequence: Int64?
    /// Whether there were more deliveries than are reckoned with.
    private(set) var isCut = false

    mutating func add(_ recent: RecentDeliveries, at now: Timestamp) {
        let begin = now.milliseconds - Self.length.saturatingMilliseconds
        for (mapping, known) in deliveries {
            deliveries[mapping] = known.filter { $0.deliveredAt.milliseconds >= begin }
        }
        for delivery in recent.deliveries { deliveries[delivery.mapping, default: []].append(delivery) }
        lastSequence = recent.lastSequence
        isCut = isCut || recent.isCut
    }

    /// What was delivered for a mapping within `length` before `now`.
    func figures(of mapping: MappingID, within length: Duration, before now: Timestamp) -> Figures {
        let begin = now.milliseconds - length.saturatingMilliseconds
        return Figures((deliveries[mapping] ?? []).filter { $0.deliveredAt.milliseconds >= begin })
    }

    struct Figures: Hashable, Sendable {
        var files = 0
        /// Saturates.
        var bytes: Int64 = 0
        /// From settled to delivered; half of the files took no longer. `nil` where there were none.
        var median: Duration?
        /// 95 of 100 files took no longer.
        var p95: Duration?

        init(_ deliveries: [RecentDelivery]) {
            files = deliveries.count
            bytes = deliveries.reduce(0) { sum, delivery in
                let (total, overflow) = sum.addingReportingOverflow(delivery.size)
                return overflow ? .max : total
            }
            let took = deliveries.map(\.took).sorted()
            median = Self.percentile(50, of: took)
            p95 = Self.percentile(95, of: took)
        }

        /// The least value that so many of a hundred do not exceed (nearest rank).
        static func percentile(_ percent: Int, of sorted: [Duration]) -> Duration? {
            guard !sorted.isEmpty else { return nil }
            let rank = (sorted.count * percent + 99) / 100
            return sorted[min(max(rank, 1), sorted.count) - 1]
        }
    }
}
