import LocalFiles
import SQLiteQueue
import SyncCore
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import SyncEngine

extension Review {
    @Suite struct ReviewTroubleTests {
        /// A disk that is full from some point on: what is there can be read, and nothing can be saved.
        private func run(
            _ fixture: ReviewFixture, failing failure: Failure, at kind: @escaping @Sendable (DeliveryState) -> Bool
        ) async throws -> OnceResult {
            let queue = FailingQueue(inner: try await fixture.openQueue(), failure: failure, fails: kind)
            return try await fixture.run([try fixture.mapping()], queue: queue)
        }

        @Test func aFullDiskDoesNotHaveSessionsOpenedAsFastAsTheNetworkGoes() async throws {
            let fixture = try ReviewFixture()
            for number in 0..<20 { try fixture.write("a/\(number).csv", [UInt8(number)]) }
            let full = Failure(.stateUnavailable, scope: .agent, "database or disk is full")
            let result = try await run(fixture, failing: full) { state in
                if case .working(.transferring) = state { true } else { false }
            }
            #expect(result.workload.live == 20)
            // Some three minutes, at no more than eight rows in five seconds.
            #expect(fixture.remote.calls(of: .openSession).count <= 8 * 60)
        }

        @Test func aRowThatCannotBeSavedDoesNotStopTheOthersNorTheEnd() async throws {
            let fixture = try ReviewFixture()
            for number in 0..<20 { try fixture.write("a/\(number).csv", [UInt8(number)]) }
            let broken = Failure(.stateUnavailable, scope: .delivery, "another content was to be written")
            let queue = FailingQueue(inner: try await fixture.openQueue(), failure: broken) { (delivery: Delivery) in
                delivery.path.description == "7.csv"
            }
            let result = try await fixture.run([try fixture.mapping()], queue: queue)
            #expect(fixture.names().count == 19)
            #expect(result.workload.live == 1)
        }
    }
}

/// A real queue whose saves fail for some deliveries.
struct FailingQueue: DeliveryQueue {
    let inner: SQLiteQueue
    let failure: Failure
    let fails: @Sendable (Delivery) -> Bool

    init(inner: SQLiteQueue, failure: Failure, fails: @escaping @Sendable (Delivery) -> Bool) {
        self.inner = inner
        self.failure = failure
        self.fails = fails
    }

    init(inner: SQLiteQueue, failure: Failure, fails: @escaping @Sendable (DeliveryState) -> Bool) {
        self.init(inner: inner, failure: failure) { (delivery: Delivery) in fails(delivery.state) }
    }

    func save(_ decision: Decision, at now: Moment) async throws(Failure) -> SaveOutcome {
        if fails(decision.delivery) { throw failure }
        return try await inner.save(decision, at: now)
    }

    func beginRun(_ mappings: [Mapping]) async throws(Failure) { try await inner.beginRun(mappings) }
    func takeUp(_ mappings: [Mapping], at now: Moment) async throws(Failure) {
        try await inner.takeUp(mappings, at: now)
    }
    func folderIdentity(of mapping: MappingID, at folder: FilePath) async throws(Failure) -> FolderIdentity? {
        try await inner.folderIdentity(of: mapping, at: folder)
    }
    func folderIdentity(of delivery: DeliveryID) async throws(Failure) -> FolderIdentity? {
        try await inner.folderIdentity(of: delivery)
    }
    func fileSystems() async throws(Failure) -> [String: UInt64] { try await inner.fileSystems() }
    func noteFileSystem(_ name: String, number: UInt64) async throws(Failure) {
        try await inner.noteFileSystem(name, number: number)
    }
    func noteFolder(
        _ identity: FolderIdentity?, of mapping: MappingID, at folder: FilePath, now: Moment
    ) async throws(Failure) {
        try await inner.noteFolder(identity, of: mapping, at: folder, now: now)
    }
    func noteDevice(_ device: UInt64, isAway: Bool, of mapping: MappingID, now: Moment) async throws(Failure) {
        try await inner.noteDevice(device, isAway: isAway, of: mapping, now: now)
    }
    func existingVerdict(of mapping: MappingID) async throws(Failure) -> ExistingVerdict {
        try await inner.existingVerdict(of: mapping)
    }
    func closeExisting(of mapping: MappingID, exceptBelow unseen: [RelativePath]) async throws(Failure) {
        try await inner.closeExisting(of: mapping, exceptBelow: unseen)
    }
    func noteSeen(
        _ files: [SeenFile], in mapping: MappingID, lookAgainAfter quiet: Duration, began: MonotonicInstant,
        at now: Moment, hastens: Bool
    ) async throws(Failure) -> SeenSummary {
        try await inner.noteSeen(
            files, in: mapping, lookAgainAfter: quiet, began: began, at: now, hastens: hastens)
    }
    func noteLeft(_ paths: [RelativePath], in mapping: MappingID) async throws(Failure) -> Bool {
        try await inner.noteLeft(paths, in: mapping)
    }
    func settlingDue(at now: MonotonicInstant, limit: Int) async throws(Failure) -> [SettlingFile] {
        try await inner.settlingDue(at: now, limit: limit)
    }
    func nextLook() async throws(Failure) -> MonotonicInstant? { try await inner.nextLook() }
    func recordLooks(
        _ looks: [SettleOutcome], began: MonotonicInstant, at now: Moment
    ) async throws(Failure) {
        try await inner.recordLooks(looks, began: began, at: now)
    }
    func due(
        at now: MonotonicInstant, tables: Set<TableReference>, excluding excluded: Set<DeliveryID>, limit: Int
    ) async throws(Failure) -> [Delivery] {
        try await inner.due(at: now, tables: tables, excluding: excluded, limit: limit)
    }
    func importing(
        in table: TableReference, after: DeliveryID?, limit: Int
    ) async throws(Failure) -> [Delivery] {
        try await inner.importing(in: table, after: after, limit: limit)
    }
    func delivery(_ id: DeliveryID) async throws(Failure) -> Delivery? { try await inner.delivery(id) }
    func secondLooks(
        in table: TableReference, at now: Timestamp, limit: Int
    ) async throws(Failure) -> [SecondLook] {
        try await inner.secondLooks(in: table, at: now, limit: limit)
    }
    func suspect(
        _ names: [String], of table: TableKey, newestReleased: VersionTag?, until: Timestamp, at now: Timestamp
    ) async throws(Failure) -> [SecondLook] {
        try await inner.suspect(names, of: table, newestReleased: newestReleased, until: until, at: now)
    }
    func hasOthers(among names: [String], of table: TableKey) async throws(Failure) -> Bool {
        try await inner.hasOthers(among: names, of: table)
    }
    func nextSecondLook(in tables: Set<TableReference>) async throws(Failure) -> Timestamp? {
        try await inner.nextSecondLook(in: tables)
    }
    func record(
        _ twins: [Twin], of look: SecondLook, next: Timestamp?, at now: Moment
    ) async throws(Failure) {
        try await inner.record(twins, of: look, next: next, at: now)
    }
    func tablesInUse() async throws(Failure) -> Set<TableReference> { try await inner.tablesInUse() }
    func settleContent(
        _ content: Content, uploadName: String, table: TableKey, of delivery: Delivery, admission: Admission,
        at now: Moment
    ) async throws(Failure) -> Standing {
        try await inner.settleContent(
            content, uploadName: uploadName, table: table, of: delivery, admission: admission, at: now)
    }
    func rerouteUnsent(_ mappings: [Mapping], at now: Moment) async throws(Failure) {
        try await inner.rerouteUnsent(mappings, at: now)
    }
    func reroute(
        _ delivery: Delivery, to table: TableReference, key: TableKey?, at now: Moment
    ) async throws(Failure) {
        try await inner.reroute(delivery, to: table, key: key, at: now)
    }
    func resettle(_ delivery: Delivery, note: String, at now: Moment) async throws(Failure) {
        try await inner.resettle(delivery, note: note, at: now)
    }
    func workload(at now: MonotonicInstant, tables: Set<TableReference>) async throws(Failure) -> Workload {
        try await inner.workload(at: now, tables: tables)
    }

    func nextDue(
        after instant: MonotonicInstant, tables: Set<TableReference>
    ) async throws(Failure) -> MonotonicInstant? {
        try await inner.nextDue(after: instant, tables: tables)
    }
    func remoteIndex(of table: TableKey) async throws(Failure) -> RemoteIndexState {
        try await inner.remoteIndex(of: table)
    }
    func recordListing(
        _ uploads: [RemoteUpload], of table: TableKey, in version: TableVersion, isFirst: Bool, isLast: Bool
    ) async throws(Failure) {
        try await inner.recordListing(uploads, of: table, in: version, isFirst: isFirst, isLast: isLast)
    }
    func recordMet(_ upload: RemoteUpload, of table: TableKey, in version: TableVersion) async throws(Failure) {
        try await inner.recordMet(upload, of: table, in: version)
    }
    func closeListing(
        of table: TableKey, newestReleased: VersionTag?, gate: PostingGate
    ) async throws(Failure) {
        try await inner.closeListing(of: table, newestReleased: newestReleased, gate: gate)
    }
    func knownUpload(named name: String, of table: TableKey) async throws(Failure) -> RemoteUpload? {
        try await inner.knownUpload(named: name, of: table)
    }
    func forgetUpload(uri: String, of table: TableKey) async throws(Failure) {
        try await inner.forgetUpload(uri: uri, of: table)
    }
    func endpointFact(of api: String) async throws(Failure) -> EndpointFact? { try await inner.endpointFact(of: api) }
}
