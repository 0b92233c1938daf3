/// What is known when the content of a row has become known: gathered by the queue, by indexed queries whose cost does
/// not grow with the number of versions of a path or an inode.
public struct ContentFacts: Hashable, Sendable {
    /// The row whose content is known now, as it is stored.
    public let subject: Delivery
    public let content: Content
    /// What Redivis calls the table that the subject goes to.
    public let table: TableKey
    /// The subject's own, or the one that follows from its content.
    public let uploadName: String
    /// How many names the subject's file has, as last seen.
    public var links: Int64 = 1
    /// Versions with this content at the subject's path, of its inode, or under its upload name.
    public var same: [SameVersion] = []
    /// Other versions of the subject's path that live, are held or are parked.
    public var open: [OlderVersion] = []
    /// The newest other version of the subject's path that is delivered to this table.
    public var delivered: OlderVersion?
    /// A row with a lower number that reads the very same inode, its content yet unknown.
    public var unreadName: DeliveryID?
    /// The table's upload under the subject's name, where one is known that has not failed.
    public var upload: RemoteUpload?
    /// Asked for only where the subject is judged by `existing: auto`.
    public var existing: ExistingFacts?

    public init(subject: Delivery, content: Content, table: TableKey, uploadName: String) {
        self.subject = subject
        self.content = content
        self.table = table
        self.uploadName = uploadName
    }
}

/// A version that has the content in question.
public struct SameVersion: Hashable, Sendable {
    public let delivery: Delivery
    /// What was last seen at the version's own path; `nil` where that is not known.
    public let seenAtItsPath: FileObservation?

    public init(_ delivery: Delivery, seenAtItsPath: FileObservation?) {
        self.delivery = delivery
        self.seenAtItsPath = seenAtItsPath
    }
}

/// Another version of the subject's path.
public struct OlderVersion: Hashable, Sendable {
    public let delivery: Delivery
    /// A row at another path with this version's inode and size whose content is not known yet: the version may have
    /// moved there.
    public let mayBe: DeliveryID?
    /// Whether such a file settles at another path.
    public let settlesElsewhere: Bool

    public init(_ delivery: Delivery, mayBe: DeliveryID? = nil, settlesElsewhere: Bool = false) {
        self.delivery = delivery
        self.mayBe = mayBe
        self.settlesElsewhere = settlesElsewhere
    }
}

/// The uploads that a table had before the mapping's first delivery, as far as they matter to one content.
public struct ExistingFacts: Hashable, Sendable {
    /// An untagged upload of this size and MD5 that belongs to no other file yet.
    public let adoptable: RemoteUpload?
    /// The name of a tagged upload of this size and MD5.
    public let equalTagged: String?
    /// Whether the table has uploads that are not ours at all.
    public let hasUntagged: Bool

    public init(adoptable: RemoteUpload?, equalTagged: String?, hasUntagged: Bool) {
        self.adoptable = adoptable
        self.equalTagged = equalTagged
        self.hasUntagged = hasUntagged
    }
}
