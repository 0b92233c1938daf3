/// Uploads that listings do not show, and since when.
///
/// A list that lags behind or leaves an upload out is normal, so a number of misses is no evidence. An upload is absent
/// when all of this holds: it was missing for `registration_doubt`, a walk that began after that did not show it, and a
/// request for its uri and its name, after that walk, was answered with 404.
public struct Absences: Hashable, Sendable {
    private struct Absence: Hashable, Sendable {
        /// The beginning of the first walk that did not show it.
        let since: MonotonicInstant
        var asked: MonotonicInstant?
    }

    private var absences: [DeliveryID: Absence] = [:]

    /// How often an upload that no walk shows is requested by itself: a walk comes several times a second.
    static let requestInterval: Duration = .seconds(5)

    public init() {}

    /// Notes what a walk did not show, and returns what is to be requested by itself now.
    ///
    /// - Parameters:
    ///   - missing: the deliveries whose upload the walk did not show.
    ///   - walkBegan: when the walk began.
    ///   - doubt: `registration_doubt`.
    ///   - limit: the most requests; the others' turn comes after the next walk.
    /// - Returns: what to ask for, longest unasked first, and whether it is absent if that finds nothing.
    public mutating func toAsk(
        _ missing: [Delivery], walkBegan: MonotonicInstant, doubt: Duration, limit: Int
    ) -> [(delivery: Delivery, isOver: Bool)] {
        var due: [(delivery: Delivery, isOver: Bool, last: MonotonicInstant)] = []
        for delivery in missing {
            // Of another run: begins anew.
            let known = absences[delivery.id].flatMap { $0.since.run == walkBegan.run ? $0 : nil }
            let absence = known ?? Absence(since: walkBegan)
            absences[delivery.id] = absence
            let last = absence.asked ?? absence.since
            let isOver = walkBegan.reached(absence.since.advanced(by: doubt)) ?? false
            guard isOver || walkBegan.reached(last.advanced(by: Self.requestInterval)) ?? true else { continue }
            due.append((delivery, isOver, last))
        }
        due.sort { ($1.last.since($0.last) ?? .zero) > .zero }
        let asked = due.prefix(max(limit, 0)).map { (delivery: $0.delivery, isOver: $0.isOver) }
        for one in asked { absences[one.delivery.id]?.asked = walkBegan }
        return asked
    }

    /// It was met, or it is given up.
    public mutating func forget(_ delivery: DeliveryID) { absences[delivery] = nil }
}
