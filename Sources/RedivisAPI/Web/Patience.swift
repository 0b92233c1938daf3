/// How long is waited for what. Nothing here limits how long a body may take that goes on moving.
public struct Patience: Hashable, Sendable {
    /// For a connection, its name look-up and TLS handshake included.
    public var connect: Duration = .seconds(30)
    /// In a transfer, without one byte moving.
    public var stall: Duration = .seconds(60)
    /// For an answer of the API, without one byte moving. Longer, since giving up on a registration costs a doubt;
    /// the vendor's client waits 125 s.
    public var answer: Duration = .seconds(120)
    /// For an answer to be whole once it has begun: one byte a minute is no answer.
    public var wholeAnswer: Duration = .seconds(300)

    public init() {}
}
