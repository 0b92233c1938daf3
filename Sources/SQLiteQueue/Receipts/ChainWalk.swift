import SyncCore

/// A place in the chain of receipts: a line's number, and the hash that the next line names.
public struct ChainLink: Hashable, Sendable {
    public let sequence: Int64
    public let hash: Digest

    public init(sequence: Int64, hash: Digest) {
        self.sequence = sequence
        self.hash = hash
    }

    /// Before the first line.
    public static let origin = ChainLink(sequence: 0, hash: ReceiptChain.origin)
}

/// Why a line is not the next one of the chain.
public enum ChainBreak: Error, Hashable, Sendable {
    case noReceipt
    case notFollowing(expected: Int64, found: Int64)
    case wrongNumber

    public var reason: String {
        switch self {
        case .noReceipt: "it is no receipt"
        case .notFollowing: "it does not follow from the line before"
        case .wrongNumber: "its number does not follow"
        }
    }
}

/// Goes along the chain line by line and keeps nothing of it but its end.
public struct ChainWalk: Sendable {
    /// The last line that followed; before the first step, where the walk began.
    public private(set) var end: ChainLink?
    /// How many lines followed.
    public private(set) var lines = 0

    /// - Parameter start: what the first line must follow from; `nil` where it may be any but a false first one.
    public init(after start: ChainLink? = nil) {
        end = start
    }

    /// - Throws: why `line`, without its newline, is not the next one. The walk then stays where it was.
    @discardableResult
    public mutating func step(_ line: [UInt8]) throws(ChainBreak) -> Int64 {
        guard let head = ReceiptChain.Head(line) else { throw .noReceipt }
        let before = end ?? (head.seq == 1 ? .origin : nil)
        if let before {
            let expected = before.sequence &+ 1
            guard head.previous == before.hash else { throw .notFollowing(expected: expected, found: head.seq) }
            guard head.seq == expected else { throw .wrongNumber }
        }
        end = ChainLink(sequence: head.seq, hash: ReceiptChain.hash(of: line, after: head.previous))
        lines += 1
        return head.seq
    }
}
