/// The name tags that one walk through a table has shown so far: finds those that it shows twice.
///
/// It tells a suspicion, no fact: while others register, an upload may move to the next page and be listed twice. 8 bytes
/// an upload, so that a walk through a large table can hold them all.
public struct ListedTags: Hashable, Sendable {
    /// The 48 bits that a tag's digits say.
    private var met: Set<UInt64> = []

    public init() {}

    /// - Returns: the tags (each with its `-`) that this page shows, and it or a page before it has shown before.
    public mutating func meet(_ page: [RemoteUpload]) -> Set<String> {
        var twice: Set<String> = []
        for upload in page {
            for tag in Set(UploadName.tags(in: upload.name)) {
                guard let bits = UInt64(tag.dropFirst(), radix: 16) else { continue }
                if !met.insert(bits).inserted { twice.insert(tag) }
            }
        }
        return twice
    }
}
