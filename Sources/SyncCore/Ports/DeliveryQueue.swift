import SystemPackage

/// The queue, the journal and the receipts. Each method is one whole transaction, durable when it returns; all
/// throw a `Failure` of kind `stateUnavailable`.
public protocol DeliveryQueue: Sendable {
    // MARK: Start

    /// Takes up a run: what waited on the monotonic clock of an earlier run is due now, and what was settling begins
    /// anew.
    func beginRun(_ mappings: [Mapping]) async throws(Failure)

    /// Takes up an edited mapping file: what was ignored by rules that have changed is looked at again. What goes to
    /// another table by now is left to `rerouteUnsent`.
    func takeUp(_ mappings: [Mapping], at now: Moment) async throws(Failure)

    /// Has every row that nothing was sent of yet go to the table that its mapping has now, in many small
    /// transactions: nobody else waits for all of them. What its content has to pass there is decided by `reroute`.
    func rerouteUnsent(_ mappings: [Mapping], at now: Moment) async throws(Failure)

    /// Has one row that nothing was sent of yet go to `table`. Where Redivis has another table under that reference
    /// than the row was judged against, its content is examined again (`Versions.rerouted`).
    ///
    /// - Parameter key: what Redivis calls `table`; `nil`: it has not been asked yet.
    func reroute(
        _ delivery: Delivery, to table: TableReference, key: TableKey?, at now: Moment
    ) async throws(Failure)

    /// Whether `existing` was already decided for a mapping.
    func existingVerdict(of mapping: MappingID) async throws(Failure) -> ExistingVerdict

    /// After the first scan of a mapping: what comes from now on was not there before, except below `unseen`, where
    /// that scan could not look; what comes to light there was, until a scan has seen it. Of a verdict that was closed
    /// before, only less can be left unseen.
    func closeExisting(of mapping: MappingID, exceptBelow unseen: [RelativePath]) async throws(Failure)

    /// Which directory the folder of a mapping was when it was last there; `nil` where it never was, or where the
    /// mapping had another folder then.
    func folderIdentity(of mapping: MappingID, at folder: FilePath) async throws(Failure) -> FolderIdentity?

    /// Notes which directory the folder of a mapping is now. While it is not there, no transfer of the mapping begins:
    /// what has a session, and everything that needs no file, goes on.
    ///
    /// - Parameter identity: `nil`: it is not there.
    func noteFolder(
        _ identity: FolderIdentity?, of mapping: MappingID, at folder: FilePath, now: Moment
    ) async throws(Failure)

    /// Notes that what lay on a device cannot be reached below a mapping's folder now, or can again. Meanwhile no transfer
    /// of such a file begins.
    ///
    /// - Parameter device: `st_dev` when the files settled.
    func noteDevice(
        _ device: UInt64, isAway: Bool, of mapping: MappingID, now: Moment
    ) async throws(Failure)

    /// Which directory the folder of a delivery's mapping was when its file was admitted; `nil` where nobody knows.
    func folderIdentity(of delivery: DeliveryID) async throws(Failure) -> FolderIdentity?

    /// The numbers of file systems by name (`FileSystemNumbers`).
    func fileSystems() async throws(Failure) -> [String: UInt64]

    /// Keeps the number of a file system for good.
    func noteFileSystem(_ name: String, number: UInt64) async throws(Failure)

    // MARK: Intake

    /// Notes what a scan or an event saw. A file whose observation is known needs nothing; others begin to settle, and
    /// those that already settle with the same observation go on. What was noticed after the look began stays as it is
    /// (`SettlingFile.change`).
    ///
    /// - Parameters:
    ///   - began: an instant before the first `stat` of these files.
    ///   - hastens: whether those that settle are looked at again at once; something was heard of them.
    func noteSeen(
        _ files: [SeenFile], in mapping: MappingID, lookAgainAfter quiet: Duration, began: MonotonicInstant,
        at now: Moment, hastens: Bool
    ) async throws(Failure) -> SeenSummary

    /// Notes that files have left these paths: deleted, or moved away. What was written to them before may be seen under
    /// other names only, since the kernel tells of the name that was used, and those are looked at again.
    ///
    /// - Returns: whether anything settles because of it.
    func noteLeft(_ paths: [RelativePath], in mapping: MappingID) async throws(Failure) -> Bool

    /// Files whose next look is due, at most `limit`.
    func settlingDue(at now: MonotonicInstant, limit: Int) async throws(Failure) -> [SettlingFile]

    /// When the next look is due; `nil` where nothing settles.
    func nextLook() async throws(Failure) -> MonotonicInstant?

    /// Writes the verdicts of a batch of looks: settled files are admitted, others look again, gone ones are dropped.
    /// What was noticed at a path after the looks began settles on.
    ///
    /// - Parameter began: an instant before the first of these looks.
    func recordLooks(_ looks: [SettleOutcome], began: MonotonicInstant, at now: Moment) async throws(Failure)

    // MARK: Deliveries

    /// Deliveries that are due, oldest first, at most `limit`, of tables that are ready and not among `excluded`.
    func due(
        at now: MonotonicInstant, tables: Set<TableReference>, excluding excluded: Set<DeliveryID>, limit: Int
    ) async throws(Failure) -> [Delivery]

    /// Deliveries in `importing` of one table, whether due or not, in batches by id.
    func importing(in table: TableReference, after: DeliveryID?, limit: Int) async throws(Failure) -> [Delivery]

    func delivery(_ id: DeliveryID) async throws(Failure) -> Delivery?

    /// Tables that live deliveries belong to.
    func tablesInUse() async throws(Failure) -> Set<TableReference>

    /// Saves a decision: row and journal line, and the receipt where it is delivered. Commits of concurrent callers
    /// are grouped.
    func save(_ decision: Decision, at now: Moment) async throws(Failure) -> SaveOutcome

    /// Finds, and writes where needed, how a content stands (see `Standing`).
    func settleContent(
        _ content: Content, uploadName: String, table: TableKey, of delivery: Delivery, admission: Admission,
        at now: Moment
    ) async throws(Failure) -> Standing

    /// Gives up a fresh row whose file has changed, gone or turned out to be known: the path settles anew.
    func resettle(_ delivery: Delivery, note: String, at now: Moment) async throws(Failure)

    /// What is left to do, by kind, as far as `tables` are concerned; what belongs to others is `blocked`.
    func workload(at now: MonotonicInstant, tables: Set<TableReference>) async throws(Failure) -> Workload

    /// When the next delivery that waits gets due: the first such instant after `instant`; `nil` where there is none.
    func nextDue(
        after instant: MonotonicInstant, tables: Set<TableReference>
    ) async throws(Failure) -> MonotonicInstant?

    // MARK: Second looks

    /// Deliveries of a table that were posted twice and whose next look is due, at most `limit`.
    func secondLooks(in table: TableReference, at now: Timestamp, limit: Int) async throws(Failure) -> [SecondLook]

    /// Several uploads of these names, or of their tags, were met on the table: has those of our deliveries looked at
    /// that have one of these names and an upload of their own. What is known to stand there twice is looked at daily.
    func suspect(
        _ names: [String], of table: TableKey, newestReleased: VersionTag?, until: Timestamp, at now: Timestamp
    ) async throws(Failure) -> [SecondLook]

    /// When the next one is due, by the wall clock; `nil` where none is.
    func nextSecondLook(in tables: Set<TableReference>) async throws(Failure) -> Timestamp?

    /// What a look has found.
    ///
    /// - Parameter next: when to look again; `nil`: never.
    func record(_ twins: [Twin], of look: SecondLook, next: Timestamp?, at now: Moment) async throws(Failure)

    // MARK: The table's uploads, as last listed

    func remoteIndex(of table: TableKey) async throws(Failure) -> RemoteIndexState

    /// Begins a listing of one version: what it does not confirm is removed when it ends.
    func recordListing(
        _ uploads: [RemoteUpload], of table: TableKey, in version: TableVersion, isFirst: Bool, isLast: Bool
    ) async throws(Failure)

    /// Adds an upload that no list showed, and that an address led to. It counts as one that was there before.
    func recordMet(_ upload: RemoteUpload, of table: TableKey, in version: TableVersion) async throws(Failure)

    /// All of a table's versions were listed: remembers how far, and whether posts must wait (`RemoteIndexState.gate`).
    func closeListing(
        of table: TableKey, newestReleased: VersionTag?, gate: PostingGate
    ) async throws(Failure)

    /// The upload of exactly this name, where one is known that has not failed.
    func knownUpload(named name: String, of table: TableKey) async throws(Failure) -> RemoteUpload?

    /// Whether one of these names is the upload name of none of the table's deliveries.
    func hasOthers(among names: [String], of table: TableKey) async throws(Failure) -> Bool

    func forgetUpload(uri: String, of table: TableKey) async throws(Failure)

    // MARK: Facts about the API

    func endpointFact(of api: String) async throws(Failure) -> EndpointFact?
}

extension DeliveryQueue {
    /// What was seen just now, by a scan if nothing else is said.
    public func noteSeen(
        _ files: [SeenFile], in mapping: MappingID, lookAgainAfter quiet: Duration, at now: Moment,
        hastens: Bool = false
    ) async throws(Failure) -> SeenSummary {
        try await noteSeen(
            files, in: mapping, lookAgainAfter: quiet, began: now.monotonic, at: now, hastens: hastens)
    }

    /// The verdicts of looks that were made just now.
    public func recordLooks(_ looks: [SettleOutcome], at now: Moment) async throws(Failure) {
        try await recordLooks(looks, began: now.monotonic, at: now)
    }

    /// After a scan that saw everything.
    public func closeExisting(of mapping: MappingID) async throws(Failure) {
        try await closeExisting(of: mapping, exceptBelow: [])
    }
}

public enum ExistingVerdict: String, Codable, Sendable {
    /// The first scan is not over: files it meets were there before.
    case open
    /// Everything that comes now is new.
    case closed
}

public struct SeenSummary: Hashable, Sendable {
    /// Nothing to do.
    public var known = 0
    public var settling = 0

    public init(known: Int = 0, settling: Int = 0) {
        self.known = known
        self.settling = settling
    }
}

/// What came of one look at a settling file.
public enum SettleOutcome: Hashable, Sendable {
    case admit(AdmittedFile)
    case lookAgain(SettlingFile, at: MonotonicInstant)
    /// It is gone, or no mapping's any more. What was seen at its path since then settles on.
    case drop(SettlingFile)
}

public struct AdmittedFile: Hashable, Sendable {
    public let file: SettlingFile
    public let look: FileLook
    public let table: TableReference
    public let nameBase: [UInt8]
    public let disposition: Disposition

    /// What the mapping's rules say of it, before its content is known.
    public enum Disposition: Hashable, Sendable {
        case deliver
        /// It was there before, and `existing: auto` judges it by its content.
        case judge
        case hold(HoldReason)
        case ignore(String)
    }

    public init(
        file: SettlingFile, look: FileLook, table: TableReference, nameBase: [UInt8], disposition: Disposition
    ) {
        self.file = file
        self.look = look
        self.table = table
        self.nameBase = nameBase
        self.disposition = disposition
    }
}

public enum SaveOutcome: Hashable, Sendable {
    case saved
    /// The same, and there is work for others now: a row that waited is to be taken up again, or a path settles anew.
    case savedAndWoke
    /// Another delivery has this content already; this row has ended, its path is that delivery's.
    case joined(DeliveryID)
    /// A content was to be posted as new and is not: nothing was written, and it is to be decided by this.
    case stands(Standing)
    /// Somebody else has moved the row since it was read; nothing was written.
    case stale

    /// Whether the decision is what is stored now.
    public var isSaved: Bool {
        switch self {
        case .saved, .savedAndWoke: true
        case .joined, .stands, .stale: false
        }
    }
}

public struct Workload: Hashable, Sendable {
    public var settling = 0
    /// To be done now or later, by anything but patience with a failure.
    public var live = 0
    /// Waiting out a failure.
    public var failing = 0
    public var importing = 0
    /// Of tables that cannot be worked on now.
    public var blocked = 0
    /// Without a session, and their mapping is paused.
    public var paused = 0
    /// When the first of those that wait is or was due.
    public var nextDue: MonotonicInstant?

    public init() {}
}

/// How far the local index of a table's uploads reaches.
public struct RemoteIndexState: Hashable, Sendable {
    /// Whether every version was listed once.
    public let isComplete: Bool
    public let newestReleased: VersionTag?
    public let gate: PostingGate
    /// Whether uploads with our tag are known, or may be there though no listing shows them yet.
    public let hasTaggedUploads: Bool
    /// Whether uploads that are nobody's here are known.
    public let hasUntaggedUploads: Bool

    public init(
        isComplete: Bool, newestReleased: VersionTag?, gate: PostingGate, hasTaggedUploads: Bool,
        hasUntaggedUploads: Bool
    ) {
        self.isComplete = isComplete
        self.newestReleased = newestReleased
        self.gate = gate
        self.hasTaggedUploads = hasTaggedUploads
        self.hasUntaggedUploads = hasUntaggedUploads
    }
}

/// Whether registrations may be posted to a table. A state database that does not remember its past must first let
/// requests of that past be carried out or dropped.
public enum PostingGate: String, Codable, Sendable { case open, closed }
