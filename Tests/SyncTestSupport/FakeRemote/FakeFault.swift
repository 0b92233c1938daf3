import SyncCore

/// The doors of the port, for scripts and for the list of calls.
public enum RemoteOperation: String, CaseIterable, Hashable, Sendable {
    case table, openVersion, uploads, upload, openSession, send, status, register, withdraw
}

/// What goes wrong with one call.
public enum FakeFault: Hashable, Sendable {
    /// Nothing goes wrong: a place holder, to reach the n-th call.
    case none
    /// Nothing is done; the call throws this.
    case fails(Failure)
    /// It is carried out, and then its answer is lost: the call throws this.
    case losesAnswer(Failure)
    /// Only `register`: the call throws this now, and is carried out when the test says `carryOutLate()`.
    case carriedOutLate(Failure)
    /// Only `send`: the server keeps this many of the chunk's bytes, and says so.
    case keeps(Int)
    /// Only `send`: the server keeps this many of the chunk's bytes, and the answer is lost.
    case keepsAndLosesAnswer(Int, Failure)
    /// Only `send` and `status`: nothing is done, and this is answered.
    case answers(TransferReply)
    /// Does nothing until the task is cancelled, then throws this.
    case hangs(Failure)
}

/// One call that was made, in its order.
public struct RemoteCall: Hashable, Sendable {
    public let operation: RemoteOperation
    /// The table, the session's id, or the uri.
    public let subject: String
    /// For `send`.
    public let range: Range<Int64>?
}
