import SQLiteQueue
import SyncCore

/// How fast files were delivered while any were on their way.
struct DeliveryPace: Hashable, Sendable {
    let bytesPerSecond: Double
    let filesPerSecond: Double

    /// Fewer say nothing.
    static let fewest = 3

    /// From deliveries, each of which was on its way from settled to delivered: the time during which at least one was.
    init?(_ deliveries: [RecentDelivery]) {
        guard deliveries.count >= Self.fewest else { return nil }
        let spans = deliveries.map { delivery in
            let end = delivery.deliveredAt.milliseconds
            return (begin: end - delivery.took.saturatingMilliseconds, end: end)
        }.sorted { $0.begin < $1.begin }
        var busy: Int64 = 0
        var reached = Int64.min
        for span in spans where span.end > reached {
            busy += span.end - max(span.begin, reached)
            reached = span.end
        }
        guard busy > 0 else { return nil }
        let seconds = Double(busy) / 1000
        bytesPerSecond = deliveries.reduce(0.0) { $0 + Double($1.size) } / seconds
        filesPerSecond = Double(deliveries.count) / seconds
    }

    /// Whichever takes longer, the bytes or the number of files; `nil` where that is beyond a year.
    func duration(of count: FileCount) -> Duration? {
        let byFiles = Double(count.files) / filesPerSecond
        let byBytes = bytesPerSecond > 0 ? Double(count.bytes) / bytesPerSecond : 0
        let seconds = max(byFiles, byBytes).rounded(.up)
        return seconds < 31_536_000 ? .seconds(Int64(seconds)) : nil
    }
}
