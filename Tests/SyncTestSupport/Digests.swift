import Crypto
import SyncCore

// Both modules have a `Digest`.
extension SyncCore.Digest {
    public static func md5(of bytes: [UInt8]) -> SyncCore.Digest {
        SyncCore.Digest(bytes: Array(Insecure.MD5.hash(data: bytes)))
    }
}
