import SyncCore
import Synchronization

/// Redivis and its storage host in memory: sessions keep bytes, registrations become imports, versions are opened and
/// released. Faithful to api.md where that knows something, and switchable where it does not.
///
/// Any table exists with an open draft, under its reference as key, unless `tablesOnDemand` is off.
public final class FakeRemote: UploadRemote {
    /// What the real server's behaviour is unknown in.
    public struct Switches: Hashable, Sendable {
        public enum TakenName: Hashable, Sendable { case renames, conflicts, accepts }
        public enum UsedID: Hashable, Sendable { case accepts, rejects }

        public var tablesOnDemand = true
        public var takenName = TakenName.renames
        public var usedID = UsedID.accepts
        /// `resumable_upload` answers 404.
        public var lacksResumableUpload = false
        /// The id of a finished `resumable_upload` is refused.
        public var refusesResumableIDs = false
        /// Its import ends, and no size is ever told.
        public var resumableImportsTellNothing = false
        /// `temp_uploads` hands out one-PUT urls below this size, in bytes.
        public var wholeBelow: Int64 = 1
        /// Uploads on one page.
        public var pageSize = 1000
        public var imports = ImportPlan()
        /// Every call fails as if nothing could be reached.
        public var isOffline = false
        public var serverTime: Timestamp?

        public init() {}
    }

    struct State {
        var switches = Switches()
        var tables: [TableKey: FakeTable] = [:]
        var aliases: [TableReference: TableKey] = [:]
        var sessions: [String: FakeSession] = [:]
        var usedIDs: Set<String> = []
        var scripts: [RemoteOperation: [FakeFault]] = [:]
        var importPlans: [String: ImportPlan] = [:]
        var late: [RegistrationRequest] = []
        var calls: [RemoteCall] = []
        var serial = 0
    }

    /// A test and several runners use the fake at once.
    let state: Mutex<State>

    public init(_ switches: Switches = Switches()) {
        state = Mutex(State(switches: switches))
    }

    // MARK: Before a test

    /// A table, by every spelling that is to lead to it.
    public func addTable(
        _ key: TableKey, spelled references: [TableReference], hasDraft: Bool = true, releases: Int = 0,
        mergeStrategy: String? = "append"
    ) {
        state.withLock { state in
            var table = FakeTable(key: key, mergeStrategy: mergeStrategy, draft: hasDraft ? [] : nil)
            table.released = (0..<releases).map { (VersionTag(major: 1, minor: $0), []) }
            state.tables[key] = table
            for reference in references { state.aliases[reference] = key }
        }
    }

    /// The next calls of `operation` meet these, in their order.
    public func script(_ operation: RemoteOperation, _ faults: FakeFault...) {
        state.withLock { $0.scripts[operation, default: []] += faults }
    }

    public func change(_ body: @Sendable (inout Switches) -> Void) {
        state.withLock { body(&$0.switches) }
    }

    /// What becomes of the import of that name, whenever it is registered.
    public func plan(_ plan: ImportPlan, forUploadNamed name: String) {
        state.withLock { $0.importPlans[name] = plan }
    }

    /// An upload that somebody else made.
    public func plant(_ bytes: [UInt8], named name: String, on reference: TableReference, plan: ImportPlan? = nil) {
        state.withLock { state in
            let uploadID = state.nextSerial("planted")
            state.add(bytes, named: name, uploadID: uploadID, format: UploadFormat(), plan: plan, to: reference)
        }
    }

    // MARK: Meanwhile

    /// The draft becomes a released version, as if somebody had pressed the button.
    public func release(_ reference: TableReference) {
        state.withLock { state in
            guard let key = state.key(of: reference) else { return }
            state.tables[key]?.release()
        }
    }

    /// What a token without access sees: nothing.
    public func setVisible(_ isVisible: Bool, _ reference: TableReference) {
        state.withLock { state in
            guard let key = state.key(of: reference) else { return }
            state.tables[key]?.isVisible = isVisible
        }
    }

    /// All sessions are dead from now on, as after 24 hours.
    public func killSessions() {
        state.withLock { state in
            for id in state.sessions.keys { state.sessions[id]?.isDead = true }
        }
    }

    /// Carries out what `carriedOutLate` put off; returns how many were.
    @discardableResult
    public func carryOutLate() -> Int {
        state.withLock { state in
            let late = state.late
            state.late = []
            for request in late { _ = try? state.register(request) }
            return late.count
        }
    }

    // MARK: After a test

    public var calls: [RemoteCall] { state.withLock(\.calls) }

    public func calls(of operation: RemoteOperation) -> [RemoteCall] { calls.filter { $0.operation == operation } }

    /// Every upload of every version, oldest first.
    public func registrations(on reference: TableReference) -> [FakeUpload] {
        state.withLock { state in
            guard let key = state.key(of: reference) else { return [] }
            return state.tables[key]?.all ?? []
        }
    }

    /// Contents that are on the table more than once, by the names they have there.
    public func duplicates(on reference: TableReference) -> [[String]] {
        let byContent = Dictionary(grouping: registrations(on: reference)) { Digest.sha256(of: $0.bytes) }
        let names = byContent.values.filter { $0.count > 1 }.map { uploads in uploads.map(\.name).sorted() }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    public func storedBytes(of session: UploadSession) -> [UInt8] {
        state.withLock { $0.sessions[session.uploadID]?.bytes ?? [] }
    }

    /// Sessions that could still take bytes.
    public var openSessions: Int {
        state.withLock { $0.sessions.values.count { !$0.isDead && !$0.isFinished } }
    }
}
