/// One upload of ours that is looked for among the uploads of a table.
public struct UploadSearch: Sendable {
    public let name: String
    private let delivery: Delivery?

    /// - Parameter delivery: whose upload it is; `nil`: only the name is known.
    public init(_ name: String, of delivery: Delivery? = nil) {
        self.name = name
        self.delivery = delivery
    }

    /// How surely this is the upload that was registered as `name`, the surest first; `nil` where it is not.
    ///
    /// A server that renames what meets a taken name keeps the tag, and the tag is of path and content alone. A name
    /// that is only equal after folding, or has only the tag, and an import that ended with another content, is somebody
    /// else's.
    public func rank(_ upload: RemoteUpload) -> Int? {
        if upload.name == name { return upload.hasFailed ? 2 : 0 }
        let isSame = UploadName.isSame(upload.name, name)
        let hasTag = UploadName.tag(in: name).map(upload.name.contains) ?? false
        guard isSame || hasTag, !isAnotherContent(upload) else { return nil }
        return (upload.hasFailed ? 2 : 0) + (isSame ? 0 : 1)
    }

    private func isAnotherContent(_ upload: RemoteUpload) -> Bool {
        upload.status == .completed && delivery.map { !$0.fits(upload) } ?? false
    }
}
