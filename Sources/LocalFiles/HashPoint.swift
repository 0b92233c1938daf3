import Crypto
import SyncCore

/// The running hashes of a file's first `offset` bytes. A value: a copy is a snapshot.
struct HashPoint: Sendable {
    var offset: Int64 = 0
    var sha256 = SHA256()
    /// Behind `offset` while the MD5 lane has slices to do.
    var md5 = Insecure.MD5()

    var prefix: PrefixDigest { PrefixDigest(offset: offset, sha256: SyncCore.Digest(finishing: sha256)) }

    /// Right only where the MD5 has caught up.
    var content: Content {
        Content(
            size: offset, sha256: SyncCore.Digest(finishing: sha256), md5: SyncCore.Digest(finishing: md5))
    }
}

extension SyncCore.Digest {
    /// What a running hash comes to here; it can go on afterwards.
    init(finishing hash: some HashFunction) {
        self.init(bytes: Array(hash.finalize()))
    }
}

/// SHA-256 of the prefixes that end at multiples of 256 KiB, which a read has passed: a server that kept less than
/// was sent keeps a multiple of 256 KiB (the resumable protocol's granularity), so one of these is the proof of it.
struct DigestTrail: Sendable {
    static let step: Int64 = 256 << 10
    /// 16 GiB of file, 2 MiB of memory; older ones make room.
    static let capacity = 65_536
    private static let digestSize = 32

    static func boundary(after offset: Int64) -> Int64 { (offset / step + 1) * step }

    /// The number (offset / step) of the next boundary.
    private var next: Int64?
    private var count = 0
    private var digests: [UInt8] = []

    /// Boundaries are noted in ascending order without a gap.
    mutating func note(_ digest: [UInt8], boundary offset: Int64) {
        let number = offset / Self.step
        if next != number {
            count = 0
            digests = []
        }
        if count < Self.capacity {
            digests.append(contentsOf: digest)
        } else {
            let place = (count % Self.capacity) * Self.digestSize
            digests.replaceSubrange(place..<(place + Self.digestSize), with: digest)
        }
        count += 1
        next = number + 1
    }

    subscript(offset: Int64) -> PrefixDigest? {
        guard let next, offset > 0, offset.isMultiple(of: Self.step) else { return nil }
        let age = next - offset / Self.step
        guard age >= 1, age <= Int64(min(count, Self.capacity)) else { return nil }
        let place = ((count - Int(age)) % Self.capacity) * Self.digestSize
        guard place >= 0, place + Self.digestSize <= digests.count else { return nil }
        return PrefixDigest(
            offset: offset, sha256: SyncCore.Digest(bytes: Array(digests[place..<(place + Self.digestSize)])))
    }
}
