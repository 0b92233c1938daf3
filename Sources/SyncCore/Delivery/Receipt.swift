/// The permanent record of a delivery.
public struct Receipt: Hashable, Codable, Sendable {
    public let table: TableKey
    public let uploadName: String
    public let uri: String
    public let content: Content
    /// Whether Redivis told the MD5 and it agreed. Size always agrees.
    public let md5Confirmed: Bool
    /// Whether the upload was found on the table and not sent from this state database.
    public let isAdopted: Bool
    public let deliveredAt: Timestamp

    public init(
        table: TableKey, uploadName: String, uri: String, content: Content, md5Confirmed: Bool, isAdopted: Bool,
        deliveredAt: Timestamp
    ) {
        self.table = table
        self.uploadName = uploadName
        self.uri = uri
        self.content = content
        self.md5Confirmed = md5Confirmed
        self.isAdopted = isAdopted
        self.deliveredAt = deliveredAt
    }
}
