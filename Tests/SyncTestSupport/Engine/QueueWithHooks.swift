import SyncCore
import Synchronization
import SystemPackage

/// The doors of the queue, for hooks.
public enum QueueOperation: String, CaseIterable, Hashable, Sendable {
    case beginRun, takeUp, rerouteUnsent, reroute, folderIdentity, noteFolder, noteDevice, existingVerdict
    case closeExisting, noteSeen, noteLeft, settlingDue, nextLook, recordLooks, due, importing
    case delivery, tablesInUse, save, settleContent, resettle, workload, remoteIndex, recordListing, recordMet,
        closeListing
    case knownUpload, forgetUpload, endpointFact, secondLooks, nextSecondLook, recordTwins, suspect, hasOthers

    /// Whether it changes the database.
    public var writes: Bool {
        switch self {
        case .beginRun, .takeUp, .rerouteUnsent, .reroute, .noteFolder, .noteDevice, .closeExisting, .noteSeen,
            .noteLeft,
            .recordLooks, .save, .settleContent, .resettle, .recordListing, .recordMet, .closeListing, .forgetUpload,
            .recordTwins,
            .suspect:
            true
        case .existingVerdict, .folderIdentity, .settlingDue, .nextLook, .due, .importing, .delivery, .tablesInUse,
            .workload,
            .remoteIndex, .knownUpload, .endpointFact, .secondLooks, .nextSecondLook, .hasOthers:
            false
        }
    }
}

/// One call of the queue: which door, and for which delivery where it is about one.
public struct QueueCall: Hashable, Sendable {
    public let operation: QueueOperation
    public let delivery: Delivery?
}

/// A queue with a test's hand on every call.
public final class QueueWithHooks: DeliveryQueue {
    private let base: any DeliveryQueue
    private let activity: Activity
    private let before: CallHook<QueueCall>
    private let after: CallHook<QueueCall>
    private let calls = Mutex(0)

    public init(
        _ base: any DeliveryQueue, _ activity: Activity, before: CallHook<QueueCall> = .none,
        after: CallHook<QueueCall> = .none
    ) {
        self.base = base
        self.activity = activity
        self.before = before
        self.after = after
    }

    private func around<Value: Sendable>(
        _ operation: QueueOperation, _ delivery: Delivery? = nil, _ body: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let call = QueueCall(operation: operation, delivery: delivery)
        let number = calls.withLock { calls in
            defer { calls += 1 }
            return calls
        }
        activity.note()
        try await before.body(call, number)
        let value = try await busy(body)
        try await after.body(call, number)
        activity.note()
        return value
    }

    /// The hooks may sleep on the clock; the disk does not.
    private func busy<Value: Sendable>(_ body: () async throws(Failure) -> Value) async throws(Failure) -> Value {
        activity.begin()
        defer { activity.end() }
        return try await body()
    }

    public func rerouteUnsent(_ mappings: [Mapping], at now: Moment) async throws(Failure) {
        try await around(.rerouteUnsent) { () throws(Failure) in try await base.rerouteUnsent(mappings, at: now) }
    }

    public func reroute(
        _ delivery: Delivery, to table: TableReference, key: TableKey?, at now: Moment
    ) async throws(Failure) {
        try await around(.reroute, delivery) { () throws(Failure) in
            try await base.reroute(delivery, to: table, key: key, at: now)
        }
    }

    public func beginRun(_ mappings: [Mapping]) async throws(Failure) {
        try await around(.beginRun) { () throws(Failure) in try await base.beginRun(mappings) }
    }

    public func takeUp(_ mappings: [Mapping], at now: Moment) async throws(Failure) {
        try await around(.takeUp) { () throws(Failure) in try await base.takeUp(mappings, at: now) }
    }

    public func folderIdentity(of mapping: MappingID, at folder: FilePath) async throws(Failure) -> FolderIdentity? {
        try await around(.folderIdentity) { () throws(Failure) in try await base.folderIdentity(of: mapping, at: folder)
        }
    }

    public func folderIdentity(of delivery: DeliveryID) async throws(Failure) -> FolderIdentity? {
        try await around(.folderIdentity) { () throws(Failure) in try await base.folderIdentity(of: delivery) }
    }

    public func fileSystems() async throws(Failure) -> [String: UInt64] { try await base.fileSystems() }

    public func noteFileSystem(_ name: String, number: UInt64) async throws(Failure) {
        try await around(.noteFolder) { () throws(Failure) in try await base.noteFileSystem(name, number: number) }
    }

    public func noteFolder(
        _ identity: FolderIdentity?, of mapping: MappingID, at folder: FilePath, now: Moment
    ) async throws(Failure) {
        try await around(.noteFolder) { () throws(Failure) in
            try await base.noteFolder(identity, of: mapping, at: folder, now: now)
        }
    }

    public func noteDevice(
        _ device: UInt64, isAway: Bool, of mapping: MappingID, now: Moment
    ) async throws(Failure) {
        try await around(.noteDevice) { () throws(Failure) in
            try await base.noteDevice(device, isAway: isAway, of: mapping, now: now)
        }
    }

    public func existingVerdict(of mapping: MappingID) async throws(Failure) -> ExistingVerdict {
        try await around(.existingVerdict) { () throws(Failure) in try await base.existingVerdict(of: mapping) }
    }

    public func closeExisting(of mapping: MappingID, exceptBelow unseen: [RelativePath]) async throws(Failure) {
        try await around(.closeExisting) { () throws(Failure) in
            try await base.closeExisting(of: mapping, exceptBelow: unseen)
        }
    }

    public func noteSeen(
        _ files: [SeenFile], in mapping: MappingID, lookAgainAfter quiet: Duration, began: MonotonicInstant,
        at now: Moment, hastens: Bool
    ) async throws(Failure) -> SeenSummary {
        try await around(.noteSeen) { () throws(Failure) in
            try await base.noteSeen(
                files, in: mapping, lookAgainAfter: quiet, began: began, at: now, hastens: hastens)
        }
    }

    public func noteLeft(_ paths: [RelativePath], in mapping: MappingID) async throws(Failure) -> Bool {
        try await around(.noteLeft) { () throws(Failure) in try await base.noteLeft(paths, in: mapping) }
    }

    public func settlingDue(at now: MonotonicInstant, limit: Int) async throws(Failure) -> [SettlingFile] {
        try await around(.settlingDue) { () throws(Failure) in try await base.settlingDue(at: now, limit: limit) }
    }

    public func nextLook() async throws(Failure) -> MonotonicInstant? {
        try await around(.nextLook) { () throws(Failure) in try await base.nextLook() }
    }

    public func recordLooks(
        _ looks: [SettleOutcome], began: MonotonicInstant, at now: Moment
    ) async throws(Failure) {
        try await around(.recordLooks) { () throws(Failure) in
            try await base.recordLooks(looks, began: began, at: now)
        }
    }

    public func due(
        at now: MonotonicInstant, tables: Set<TableReference>, excluding excluded: Set<DeliveryID>, limit: Int
    ) async throws(Failure) -> [Delivery] {
        try await around(.due) { () throws(Failure) in
            try await base.due(at: now, tables: tables, excluding: excluded, limit: limit)
        }
    }

    public func importing(
        in table: TableReference, after: DeliveryID?, limit: Int
    ) async throws(Failure) -> [Delivery] {
        try await around(.importing) { () throws(Failure) in
            try await base.importing(in: table, after: after, limit: limit)
        }
    }

    public func delivery(_ id: DeliveryID) async throws(Failure) -> Delivery? {
        try await around(.delivery) { () throws(Failure) in try await base.delivery(id) }
    }

    public func tablesInUse() async throws(Failure) -> Set<TableReference> {
        try await around(.tablesInUse) { () throws(Failure) in try await base.tablesInUse() }
    }

    public func save(_ decision: Decision, at now: Moment) async throws(Failure) -> SaveOutcome {
        try await around(.save, decision.delivery) { () throws(Failure) in try await base.save(decision, at: now) }
    }

    public func settleContent(
        _ content: Content, uploadName: String, table: TableKey, of delivery: Delivery, admission: Admission,
        at now: Moment
    ) async throws(Failure) -> Standing {
        try await around(.settleContent, delivery) { () throws(Failure) in
            try await base.settleContent(
                content, uploadName: uploadName, table: table, of: delivery, admission: admission, at: now)
        }
    }

    public func resettle(_ delivery: Delivery, note: String, at now: Moment) async throws(Failure) {
        try await around(.resettle, delivery) { () throws(Failure) in
            try await base.resettle(delivery, note: note, at: now)
        }
    }

    public func workload(at now: MonotonicInstant, tables: Set<TableReference>) async throws(Failure) -> Workload {
        try await around(.workload) { () throws(Failure) in try await base.workload(at: now, tables: tables) }
    }

    public func nextDue(
        after instant: MonotonicInstant, tables: Set<TableReference>
    ) async throws(Failure) -> MonotonicInstant? {
        try await around(.workload) { () throws(Failure) in try await base.nextDue(after: instant, tables: tables) }
    }

    public func remoteIndex(of table: TableKey) async throws(Failure) -> RemoteIndexState {
        try await around(.remoteIndex) { () throws(Failure) in try await base.remoteIndex(of: table) }
    }

    public func recordListing(
        _ uploads: [RemoteUpload], of table: TableKey, in version: TableVersion, isFirst: Bool, isLast: Bool
    ) async throws(Failure) {
        try await around(.recordListing) { () throws(Failure) in
            try await base.recordListing(uploads, of: table, in: version, isFirst: isFirst, isLast: isLast)
        }
    }

    public func recordMet(
        _ upload: RemoteUpload, of table: TableKey, in version: TableVersion
    ) async throws(Failure) {
        try await around(.recordMet) { () throws(Failure) in
            try await base.recordMet(upload, of: table, in: version)
        }
    }

    public func closeListing(
        of table: TableKey, newestReleased: VersionTag?, gate: PostingGate
    ) async throws(Failure) {
        try await around(.closeListing) { () throws(Failure) in
            try await base.closeListing(of: table, newestReleased: newestReleased, gate: gate)
        }
    }

    public func knownUpload(named name: String, of table: TableKey) async throws(Failure) -> RemoteUpload? {
        try await around(.knownUpload) { () throws(Failure) in try await base.knownUpload(named: name, of: table) }
    }

    public func forgetUpload(uri: String, of table: TableKey) async throws(Failure) {
        try await around(.forgetUpload) { () throws(Failure) in try await base.forgetUpload(uri: uri, of: table) }
    }

    public func secondLooks(
        in table: TableReference, at now: Timestamp, limit: Int
    ) async throws(Failure) -> [SecondLook] {
        try await around(.secondLooks) { () throws(Failure) in
            try await base.secondLooks(in: table, at: now, limit: limit)
        }
    }

    public func suspect(
        _ names: [String], of table: TableKey, newestReleased: VersionTag?, until: Timestamp, at now: Timestamp
    ) async throws(Failure) -> [SecondLook] {
        try await around(.suspect) { () throws(Failure) in
            try await base.suspect(names, of: table, newestReleased: newestReleased, until: until, at: now)
        }
    }

    public func hasOthers(among names: [String], of table: TableKey) async throws(Failure) -> Bool {
        try await around(.hasOthers) { () throws(Failure) in try await base.hasOthers(among: names, of: table) }
    }

    public func nextSecondLook(in tables: Set<TableReference>) async throws(Failure) -> Timestamp? {
        try await around(.nextSecondLook) { () throws(Failure) in try await base.nextSecondLook(in: tables) }
    }

    public func record(
        _ twins: [Twin], of look: SecondLook, next: Timestamp?, at now: Moment
    ) async throws(Failure) {
        try await around(.recordTwins) { () throws(Failure) in
            try await base.record(twins, of: look, next: next, at: now)
        }
    }

    public func endpointFact(of api: String) async throws(Failure) -> EndpointFact? {
        try await around(.endpointFact) { () throws(Failure) in try await base.endpointFact(of: api) }
    }
}
