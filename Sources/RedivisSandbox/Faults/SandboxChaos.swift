/// How a run of chaos is drawn.
public struct SandboxChaos: Sendable, Equatable {
    /// One seed is one plan for each class of requests.
    public var seed: UInt64
    /// How long after the end of its connection a request may be carried out, and how far a list may lag, each at most
    /// and in milliseconds: together less than a client's `registration_doubt`.
    public var lateMilliseconds = 1500
    /// The longest that a request is left without an answer, in milliseconds.
    public var silentMilliseconds = 3000
    /// Whether a request may be carried out twice so that two uploads of one name stand on the table.
    public var makesTwins = false

    public init(seed: UInt64) { self.seed = seed }

    static let longest = 3_600_000

    /// The settings as lines for a person.
    public var words: String {
        "chaos with seed \(seed): late requests and lists at most \(lateMilliseconds) ms, silence at most "
            + "\(silentMilliseconds) ms, \(makesTwins ? "with" : "without") twins"
    }
}
