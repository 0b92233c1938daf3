/// When a table is walked through once more because something was registered there.
///
/// Two agents that register one file at once do not see each other's upload: what was registered is listed once more
/// when `registration_doubt` has passed, however many uploads that is for, and at most so often that listing takes a
/// twentieth of the time.
public struct SweepSchedule: Hashable, Sendable {
    /// The first and the last registration that no walk has followed late enough.
    private var waiting: (first: MonotonicInstant, last: MonotonicInstant)?
    private var restUntil: MonotonicInstant?

    static let restPerDuration = 20

    public init() {}

    public mutating func noteRegistration(at now: MonotonicInstant) {
        waiting = (waiting?.first ?? now, now)
    }

    /// - Returns: when the next walk is due; `nil` where nothing waits for one.
    public func due(doubt: Duration) -> MonotonicInstant? {
        guard let waiting else { return nil }
        let wanted = waiting.first.advanced(by: doubt)
        guard let restUntil, restUntil.reached(wanted) == true else { return wanted }
        return restUntil
    }

    /// A walk through the whole of the draft is over.
    public mutating func noteWalk(began: MonotonicInstant, ended: MonotonicInstant, doubt: Duration) {
        restUntil = ended.advanced(by: (ended.since(began) ?? .zero) * Self.restPerDuration)
        guard let (first, last) = waiting, began.reached(first.advanced(by: doubt)) == true else { return }
        guard began.reached(last.advanced(by: doubt)) != true else { return waiting = nil }
        // Those that came less than the doubt before the walk wait for the next one.
        waiting = (began, last.reached(began) == true ? last : began)
    }

    public static func == (left: SweepSchedule, right: SweepSchedule) -> Bool {
        left.waiting?.first == right.waiting?.first && left.waiting?.last == right.waiting?.last
            && left.restUntil == right.restUntil
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(waiting?.first)
        hasher.combine(waiting?.last)
        hasher.combine(restUntil)
    }
}
