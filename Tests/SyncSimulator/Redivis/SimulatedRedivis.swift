import SyncCore
import SyncTestSupport

/// Redivis and its storage host: sessions keep cells, registrations become imports, versions are opened and released.
/// Requests are carried out in the order in which they arrive; how they travel is `RedivisConnection`.
package final class SimulatedRedivis: @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.

    package enum Event {
        case registered(SimulatedUpload)
        case removed(SimulatedUpload, by: Int)
        case received(Session, cells: Int, owner: Int)
    }

    package final class Session {
        package let number: Int
        let table: TableKey
        let endpoint: Endpoint
        let transport: UploadSession.Transport
        let size: Int64
        package fileprivate(set) var owner = SeededScheduler.world
        let openedAt: Int64
        package var cells: [UInt8] = []
        var isFinished = false
        var isDead = false
        var isUsed = false

        init(
            number: Int, table: TableKey, endpoint: Endpoint, transport: UploadSession.Transport, size: Int64,
            openedAt: Int64
        ) {
            self.number = number
            self.table = table
            self.endpoint = endpoint
            self.transport = transport
            self.size = size
            self.openedAt = openedAt
        }

        package var uploadID: String { "session-\(number)" }
        var url: String { "https://storage.test/\(SimulatedRedivis.secret)\(number)" }
    }

    /// Stands in every session's URL, so that it can be looked for where it must not be.
    package static let secret = "s3cr3t"

    package var reading: RedivisReading
    package var faults: [RequestFault] = []
    package var observer: ((Event) -> Void)?
    package private(set) var hasDraft = true
    package private(set) var released: [VersionTag] = []
    package private(set) var uploads: [SimulatedUpload] = []
    private var sessions: [String: Session] = [:]
    private var spellings: [TableReference: TableKey] = [:]
    private var numbers = 0
    private var chance: SeededRandom
    let scheduler: SeededScheduler

    package init(_ scheduler: SeededScheduler, reading: RedivisReading, chance: Chance) {
        self.scheduler = scheduler
        self.reading = reading
        self.chance = chance.stream("redivis")
    }

    var now: Int64 { scheduler.elapsed }

    package func addTable(_ key: TableKey, spelled references: [TableReference]) {
        for reference in references { spellings[reference] = key }
    }

    package func key(of reference: TableReference) -> TableKey? { spellings[reference] }

    package func uploads(of table: TableKey) -> [SimulatedUpload] { uploads.filter { $0.table == table } }

    func nextNumber() -> Int {
        numbers += 1
        return numbers
    }

    // MARK: What other people do

    package func release() {
        guard hasDraft else { return }
        let tag = VersionTag(major: 1, minor: released.count)
        for upload in uploads where upload.place == .draft { upload.place = .released(tag) }
        released.append(tag)
        hasDraft = false
    }

    package func openDraft() { hasDraft = true }

    /// With all that is in it.
    package func discardDraft() {
        guard hasDraft else { return }
        for upload in uploads where upload.place == .draft { remove(upload, by: SeededScheduler.world) }
        hasDraft = false
    }

    @discardableResult
    package func addForeign(_ cells: [UInt8], named name: String, to table: TableKey) -> SimulatedUpload {
        hasDraft = true
        return add(cells, named: name, to: table, owner: SeededScheduler.world, canFail: false)
    }

    /// As if that process had registered it, whatever it did.
    package func addUpload(_ cells: [UInt8], named name: String, to table: TableKey, owner: Int) {
        _ = add(cells, named: name, to: table, owner: owner, canFail: true)
    }

    package func remove(_ upload: SimulatedUpload, by owner: Int) {
        upload.place = .removed
        upload.removed = (now, owner)
        observer?(.removed(upload, by: owner))
    }

    package func killSessions() { for session in sessions.values { session.isDead = true } }

    // MARK: Tables and lists

    func table(_ reference: TableReference) throws(Failure) -> RemoteTable {
        guard let key = spellings[reference] else {
            throw Failure(.forbidden, scope: .destination, "there is no table \(reference) that the token may see")
        }
        return RemoteTable(key: key, hasDraft: hasDraft, released: released, mergeStrategy: "append")
    }

    func openVersion() { hasDraft = true }

    func list(_ reference: TableReference, in version: TableVersion, page: String?) throws(Failure) -> UploadPage {
        let key = try table(reference).key
        let place: SimulatedUpload.Place =
            switch version {
            case .draft: .draft
            case .released(let tag): .released(tag)
            }
        let visible = uploads.filter { upload in
            upload.table == key && upload.place == place && upload.visibleAt <= now
        }
        let start = min(page.flatMap { Int($0) } ?? 0, visible.count)
        let end = min(start + reading.pageSize, visible.count)
        var listed: [RemoteUpload] = []
        for upload in visible[start..<end] where !chance.percent(reading.listOmits) {
            listed.append(upload.report(at: now, tellsMD5: reading.tellsMD5))
        }
        return UploadPage(uploads: listed, nextPage: end < visible.count ? String(end) : nil)
    }

    /// By the uri that was told; also by name, which leads to the oldest of that name.
    func upload(uri: String) -> RemoteUpload? {
        find(uri)?.report(at: now, tellsMD5: reading.tellsMD5)
    }

    /// The oldest of that name, in one version.
    func upload(
        named name: String, of reference: TableReference, in version: TableVersion
    ) throws(Failure) -> RemoteUpload? {
        let key = try table(reference).key
        let place: SimulatedUpload.Place =
            switch version {
            case .draft: .draft
            case .released(let tag): .released(tag)
            }
        return uploads.first { $0.table == key && $0.place == place && UploadName.isSame($0.name, name) }?
            .report(at: now, tellsMD5: reading.tellsMD5)
    }

    private func find(_ uri: String) -> SimulatedUpload? {
        uploads.first { $0.uri == uri && $0.place != .removed }
            ?? uploads.first { $0.place != .removed && Self.uri(of: $0.name, table: $0.table) == uri }
    }

    static func uri(of name: String, table: TableKey) -> String { "/tables/\(table.value)/uploads/\(name)" }

    func withdraw(_ uri: String, by owner: Int) throws(Failure) {
        guard !reading.deletesAreRefused else { throw Failure(.forbidden, scope: .destination, "answered 403") }
        guard let upload = find(uri) else { return }
        guard upload.place == .draft else { throw Failure(.rejected, "the version is released (400)") }
        remove(upload, by: owner)
    }

    // MARK: Sessions

    func openSession(_ request: SessionRequest) throws(Failure) -> UploadSession {
        let key = try table(request.table).key
        guard hasDraft else {
            throw Failure(.forbidden, scope: .destination, "\(request.table) has no open version")
        }
        let isWhole = request.endpoint == .tempUploads && request.size < Int64(reading.wholeBelow) * Cells.size
        let session = Session(
            number: nextNumber(), table: key, endpoint: request.endpoint, transport: isWhole ? .whole : .resumable,
            size: request.size, openedAt: now)
        sessions[session.uploadID] = session
        return UploadSession(
            endpoint: request.endpoint, transport: session.transport, uploadID: session.uploadID,
            url: Secret(session.url), openedAt: request.now, openedAtServer: nil)
    }

    /// Those that could go on.
    package var openSessions: [Session] {
        sessions.values.filter { !$0.isDead && !$0.isFinished }.sorted { $0.number < $1.number }
    }

    private func live(_ session: UploadSession) throws(Failure) -> Session {
        guard let found = sessions[session.uploadID], !found.isDead,
            now - found.openedAt < UploadSession.lifetime.saturatingNanoseconds
        else { throw Failure(.sessionLost, "the upload session is gone (404)") }
        return found
    }

    /// - Parameter isCut: the body ended before the chunk was whole.
    func receive(
        _ cells: [UInt8], range: Range<Int64>, total: Int64, session: UploadSession, isCut: Bool, owner: Int
    ) throws(Failure) -> TransferReply {
        let found = try live(session)
        found.owner = owner
        defer { observer?(.received(found, cells: cells.count, owner: owner)) }
        guard total == found.size else { throw Failure(.rejected, "the total is not what was announced (400)") }
        if found.isFinished { return finished(found) }
        if found.transport == .whole {
            guard !isCut, Cells.size(cells) == found.size else { throw Failure(.transient, "the connection broke") }
            (found.cells, found.isFinished) = (cells, true)
            return finished(found)
        }
        let first = Int(range.lowerBound / Cells.size)
        guard first <= found.cells.count else {
            throw Failure(.transient, "the range begins beyond what is stored (503)")
        }
        found.cells += cells.dropFirst(found.cells.count - first)
        guard Cells.size(found.cells) == found.size, !isCut else { return stored(found) }
        found.isFinished = true
        return finished(found)
    }

    /// Loses what was stored last.
    func forgetCells(of session: UploadSession, _ random: inout SeededRandom) {
        guard let found = sessions[session.uploadID], !found.isFinished, !found.cells.isEmpty else { return }
        found.cells.removeLast(random.number(1...found.cells.count))
    }

    func status(of session: UploadSession, total: Int64) throws(Failure) -> TransferReply {
        let found = try live(session)
        if found.transport == .whole { return .stored(nil) }
        if Cells.size(found.cells) == found.size, total == found.size { found.isFinished = true }
        return found.isFinished ? finished(found) : stored(found)
    }

    private func finished(_ session: Session) -> TransferReply {
        .finished(size: session.size, md5: Cells.md5(session.cells))
    }

    private func stored(_ session: Session) -> TransferReply {
        .stored(session.cells.isEmpty ? nil : Cells.size(session.cells))
    }

    // MARK: Registrations

    func register(_ request: RegistrationRequest, by owner: Int) throws(Failure) -> RemoteUpload {
        let key = try table(request.table).key
        guard hasDraft else {
            throw Failure(.forbidden, scope: .destination, "the version was released meanwhile (400)")
        }
        let cells = try content(of: request)
        let isTaken = uploads.contains {
            $0.table == key && $0.place == .draft && UploadName.isSame($0.name, request.name)
        }
        var name = request.name
        if isTaken {
            switch reading.takenName {
            case .second: break
            case .renamed: name += SimulatedUpload.mark
            case .refused: throw Failure(.conflict, "an upload of this name exists (409)")
            }
        }
        return add(cells, named: name, to: key, owner: owner, canFail: true).report(at: now, tellsMD5: reading.tellsMD5)
    }

    private func content(of request: RegistrationRequest) throws(Failure) -> [UInt8] {
        switch request.content {
        case .inline(let cells): return cells
        case .session(let session):
            guard let found = sessions[session.uploadID], found.isFinished, !found.isDead else {
                throw Failure(.rejected, "there is no finished upload of this id (400)")
            }
            guard reading.acceptsUsedIDs || !found.isUsed else {
                throw Failure(.conflict, "the upload id has already been used (400)")
            }
            found.isUsed = true
            return found.cells
        }
    }

    private func add(
        _ cells: [UInt8], named name: String, to table: TableKey, owner: Int, canFail: Bool
    ) -> SimulatedUpload {
        let number = nextNumber()
        // By content, so that the same file fails again.
        var ofContent = SeededRandom(seed: cells.reduce(17) { $0 &* 31 &+ UInt64($1) })
        let lag = reading.listLag > 0 ? Int64.random(in: 0...reading.listLag, using: &chance) : 0
        let upload = SimulatedUpload(
            number: number, table: table, name: name, cells: cells, owner: owner, registeredAt: now,
            visibleAt: now + (canFail ? lag : 0),
            importEnds: canFail ? now + Int64.random(in: reading.importTime, using: &chance) : now,
            importFails: canFail && ofContent.percent(reading.importFails),
            hasWrongMD5: canFail && chance.percent(reading.wrongMD5),
            uri: reading.urisByName ? Self.uri(of: name, table: table) : "/tables/\(table.value)/uploads/\(number)")
        uploads.append(upload)
        observer?(.registered(upload))
        return upload
    }
}
