/// Which bytes go next.
public enum ChunkPlan {
    /// "Every chunk but the last must be a multiple of 256 KiB" (Google's clients; the example of the documentation
    /// page is 2 × 256 KiB).
    public static let granule: Int64 = 256 << 10

    /// The same, no larger than what gets through.
    public static func next(confirmed: Int64, total: Int64, chunkSize: Int64, fit: ChunkFit?) -> Range<Int64> {
        next(confirmed: confirmed, total: total, chunkSize: fit?.size(within: chunkSize) ?? chunkSize)
    }

    /// The range that follows `confirmed`: at most `chunkSize` bytes, ending on a multiple of the granule or at the
    /// end of the file. Empty where all bytes are confirmed.
    public static func next(confirmed: Int64, total: Int64, chunkSize: Int64) -> Range<Int64> {
        let start = min(max(confirmed, 0), max(total, 0))
        let (wished, overflow) = start.addingReportingOverflow(max(chunkSize, granule))
        guard !overflow, wished < total else { return start..<max(total, start) }
        // `start` may lie off the grid where the server kept an odd number of bytes: its chunk ends on the grid.
        return start..<(wished - wished % granule)
    }
}
