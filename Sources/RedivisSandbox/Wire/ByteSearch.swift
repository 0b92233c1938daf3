import Glibc

/// Searches over many megabytes, left to the C library: a loop of our own would take seconds in a debug build.
enum ByteSearch {
    static func firstIndex(of needle: [UInt8], in haystack: [UInt8], from start: Int) -> Int? {
        guard start >= 0, start <= haystack.count, !needle.isEmpty else { return nil }
        return haystack.withUnsafeBytes { hay -> Int? in
            guard let base = hay.baseAddress, hay.count >= needle.count else { return nil }
            let end = hay.count - needle.count + 1
            var position = start
            while position < end, let found = memchr(base + position, Int32(needle[0]), end - position) {
                if memcmp(found, needle, needle.count) == 0 { return UnsafeRawPointer(found) - base }
                position = UnsafeRawPointer(found) - base + 1
            }
            return nil
        }
    }

    /// Whether every byte is zero. Compares the bytes with themselves shifted by one, which the C library does many at
    /// a time and ends at the first difference.
    static func isAllZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress, let first = bytes.first else { return true }
        return first == 0 && memcmp(base, base + 1, bytes.count - 1) == 0
    }
}
