import SyncCore

/// A stretch of the bytes of one version of a file: bytes are not held, only where they come from.
struct Piece: Hashable {
    let version: Int
    let range: Range<Int64>
}

/// Bytes as stretches. Two are equal only where each byte comes from the same version and place.
struct ModelBytes: Hashable {
    private(set) var pieces: [Piece] = []

    static func whole(_ version: Int, _ size: Int64) -> ModelBytes {
        var bytes = ModelBytes()
        bytes.append(Piece(version: version, range: 0..<size))
        return bytes
    }

    var count: Int64 { pieces.last?.range.upperBound ?? 0 }

    mutating func append(_ piece: Piece) {
        guard !piece.range.isEmpty else { return }
        if let last = pieces.last, last.version == piece.version, last.range.upperBound == piece.range.lowerBound {
            pieces.removeLast()
            pieces.append(Piece(version: piece.version, range: last.range.lowerBound..<piece.range.upperBound))
        } else {
            pieces.append(piece)
        }
    }

    mutating func truncate(to count: Int64) {
        pieces = pieces.compactMap { piece in
            guard piece.range.lowerBound < count else { return nil }
            return Piece(version: piece.version, range: piece.range.lowerBound..<min(piece.range.upperBound, count))
        }
    }

    private func digest(_ salt: UInt64, words: Int) -> Digest {
        var bytes: [UInt8] = []
        for word in 0..<words {
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ salt ^ (UInt64(word) << 32)
            for piece in pieces {
                let parts = [Int64(piece.version), piece.range.lowerBound, piece.range.upperBound]
                for part in parts {
                    hash = (hash ^ UInt64(bitPattern: part)) &* 0x100_0000_01B3
                    hash ^= hash >> 29
                }
            }
            for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: hash >> UInt64(shift * 8))) }
        }
        return Digest(bytes: bytes)
    }

    var sha256: Digest { digest(1, words: 4) }
    var md5: Digest { digest(2, words: 2) }
    var content: Content { Content(size: count, sha256: sha256, md5: md5) }
}

/// The one file of a simulated folder.
struct ModelFile {
    /// Names a content; 0 where there is no file.
    var version: Int
    var size: Int64
    /// What stat says; moves with every touch.
    var stamp: Int64
    var exists = true

    var bytes: ModelBytes { .whole(version, size) }
    var observation: FileObservation {
        FileObservation(device: 1, inode: UInt64(version), size: size, modified: stamp, changed: stamp)
    }
}
