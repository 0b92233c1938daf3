import Crypto

extension Digest {
    /// The SHA-256 of bytes that are in memory.
    public static func sha256(of bytes: [UInt8]) -> Digest {
        Digest(bytes: Array(SHA256.hash(data: bytes)))
    }
}
