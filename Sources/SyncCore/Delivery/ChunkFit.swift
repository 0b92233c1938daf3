/// How large a chunk gets through, as far as this delivery has learned: between it and the storage host there may be a
/// proxy that cuts a request off after a minute, or takes none over 32 MB.
///
/// Two failures in a row at one offset, without one byte of progress, halve the next chunk; so many in a row that got
/// through double it again, four at first and four times as many after each doubling that turned out wrong.
public struct ChunkFit: Hashable, Codable, Sendable {
    /// The most that the next chunk has, in bytes; `nil`: as much as `chunk_size` says.
    public private(set) var limit: Int64?
    /// Chunks that failed in a row, at one offset.
    public private(set) var failures = 0
    /// Chunks of the full limit that got through in a row.
    public private(set) var successes = 0
    /// How many of these it takes to double the limit.
    public private(set) var patience = 4
    /// Whether the limit was doubled since it was last halved.
    public private(set) var hasGrown = false

    static let longestPatience = 1024

    public init() {}

    /// In bytes, at least `ChunkPlan.granule`; stored numbers are not trusted.
    public func size(within chunkSize: Int64) -> Int64 {
        max(min(limit ?? chunkSize, chunkSize), ChunkPlan.granule)
    }

    /// Whether a chunk of `length` bytes can still become smaller.
    public static func canShrink(_ length: Int64) -> Bool { length > ChunkPlan.granule }

    /// A chunk of `length` bytes came to nothing.
    mutating func failed(_ length: Int64) {
        failures = failures.incremented
        successes = 0
        guard failures >= 2, Self.canShrink(length) else { return }
        failures = 0
        if hasGrown { patience = min(max(patience, 1), Self.longestPatience / 4) * 4 }
        hasGrown = false
        let half = length / 2
        let rest = half % ChunkPlan.granule
        limit = max(rest == 0 ? half : half - rest + ChunkPlan.granule, ChunkPlan.granule)
    }

    /// Part of a chunk has arrived.
    mutating func moved() {
        failures = 0
    }

    /// A chunk of `length` bytes has arrived whole.
    mutating func gotThrough(_ length: Int64, chunkSize: Int64) {
        failures = 0
        guard let limit, length >= size(within: chunkSize) else { return }
        successes = successes.incremented
        guard successes >= patience else { return }
        (successes, hasGrown) = (0, true)
        let (double, overflow) = limit.multipliedReportingOverflow(by: 2)
        self.limit = overflow || double >= chunkSize ? nil : max(double, ChunkPlan.granule)
    }
}
