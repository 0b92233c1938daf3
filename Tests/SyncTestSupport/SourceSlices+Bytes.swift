import SyncCore

extension SourceSlices {
    /// Bytes that are there already, in slices of `slice`; then `failure`, where one is given.
    public init(_ bytes: [UInt8], slice: Int = 1 << 20, then failure: Failure? = nil) {
        self.init {
            var offset = 0
            return AsyncIterator {
                guard offset < bytes.count else {
                    if let failure { throw failure }
                    return nil
                }
                let end = Swift.min(offset + slice, bytes.count)
                defer { offset = end }
                return Array(bytes[offset..<end])
            }
        }
    }
}
