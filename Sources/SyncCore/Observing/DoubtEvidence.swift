/// What a look-up in doubt asks for. That an upload is there can be learned from a request for the address of its name;
/// that it is not, only by a walk that began after the doubt's window.
public enum DoubtEvidence: Hashable, Sendable {
    case address
    case walk

    /// Requests of a walk beside its pages: which versions there are, before and after.
    static let requestsOfWalk = 6
    /// How many requests for one upload are worth a page: its answer is small, and whoever asks need not wait for others.
    static let addressesPerRequest = 4

    /// - Parameters:
    ///   - mustProve: whether the window is over, so that the look-up may find that nothing is there.
    ///   - doubts: how many are in doubt about this table.
    ///   - pages: how many pages its last walk took; at least 1.
    public static func cheapest(mustProve: Bool, doubts: Int, pages: Int) -> DoubtEvidence {
        mustProve || doubts > addressesPerRequest * (max(pages, 1) + requestsOfWalk) ? .walk : .address
    }
}
