/// The name tags that one walk through a table has shown so far: finds those that it shows twice.
///
/// 16 bytes an upload, so that a walk through a large table can hold them all.
public struct ListedTags: Hashable, Sendable {
    /// By the tag's 48 bits, a hash of the first address that bore it.
    private var addresses: [UInt64: Int] = [:]

    public init() {}

    /// - Returns: the tags (each with its `-`) that this page shows at another address than it, or a page before it, did.
    public mutating func meet(_ page: [RemoteUpload], in version: TableVersion) -> Set<String> {
        var twice: Set<String> = []
        for upload in page {
            for tag in UploadName.tags(in: upload.name) {
                guard let key = Self.bits(tag) else { continue }
                let address = Self.address(upload, version)
                if let known = addresses[key] {
                    if known != address { twice.insert(tag) }
                } else {
                    addresses[key] = address
                }
            }
        }
        return twice
    }

    private static func address(_ upload: RemoteUpload, _ version: TableVersion) -> Int {
        var hasher = Hasher()
        hasher.combine(upload.uri)
        hasher.combine(version)
        return hasher.finalize()
    }

    /// The number that a tag's hex digits say.
    static func bits(_ tag: String) -> UInt64? { UInt64(tag.dropFirst(), radix: 16) }
}
