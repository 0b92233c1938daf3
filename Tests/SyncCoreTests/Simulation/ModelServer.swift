import SyncCore

/// Redivis and its storage host as a small machine with a memory: what it has is what the end of a trace is judged by.
final class ModelServer {
    struct Session {
        let endpoint: Endpoint
        let transport: UploadSession.Transport
        let total: Int64
        /// True time, in milliseconds.
        let openedAt: Int64
        var kept = ModelBytes()
        var isFinished = false
        var isDead = false
    }

    /// What a registration names or brings.
    enum Body {
        case session(String)
        case inline(ModelBytes)
    }

    struct Upload {
        let uri: String
        let name: String
        let bytes: ModelBytes
        /// `nil`: inside the request.
        let endpoint: Endpoint?
        /// `nil`: in the draft.
        var version: VersionTag?
        let completesAt: Int64
        var failsWith: String?
        var reportsOtherMD5 = false
        /// Until when neither size nor digest is told.
        var toldFrom: Int64
    }

    let chance: Chance
    var traits: Traits
    /// True time, in milliseconds.
    private(set) var now: Int64 = 0
    private(set) var sessions: [String: Session] = [:]
    private(set) var uploads: [Upload] = []
    private(set) var released: [VersionTag] = [VersionTag(major: 1, minor: 0)]
    /// What the server saw that no honest client does.
    private(set) var violations: [String] = []
    private var late: [(at: Int64, name: String, body: Body)] = []
    private var used: Set<String> = []
    private var counter = 0

    init(chance: Chance, traits: Traits) {
        self.chance = chance
        self.traits = traits
    }

    var wall: Timestamp { Timestamp(milliseconds: Sample.startWall + now) }

    /// Lets time pass; requests whose answer was lost are carried out on the way.
    func advance(by milliseconds: Int64) {
        now += milliseconds
        for request in late.sorted(by: { $0.at < $1.at }) where request.at <= now {
            chance.note("  . a lost registration of \(request.name) is carried out")
            add(request.name, request.body)
        }
        late.removeAll { $0.at <= now }
    }

    // MARK: Sessions

    func open(_ endpoint: Endpoint, total: Int64) throws(Failure) -> (id: String, transport: UploadSession.Transport) {
        if chance.strikes(.openingFailed, oneIn: 8) { throw Failure(.transient, "503") }
        if chance.strikes(.openingUnauthorized, oneIn: 20) { throw Failure(.unauthorized, scope: .agent, "401") }
        if endpoint == .resumableUpload, traits.documented == .missing { throw Failure(.endpointMissing, "404") }
        counter += 1
        let transport = endpoint == .resumableUpload ? .resumable : traits.otherTransport
        sessions["s\(counter)"] = Session(endpoint: endpoint, transport: transport, total: total, openedAt: now)
        return ("s\(counter)", transport)
    }

    private static let storageFaults: [Fault] = [
        .answerLost, .throttled, .partlyKept, .nothingKept, .rangeMissing, .acknowledgedTooMuch, .wentBackwards,
        .finishedEarly, .wrongStoredSize, .otherStoredBytes, .sessionDied, .sessionRefused, .chunkRejected,
    ]

    /// `PUT` of bytes.
    func put(_ pieces: [Piece], range: Range<Int64>, to id: String) throws(Failure) -> TransferReply {
        var session = try live(id)
        defer { sessions[id] = session }
        let fault = chance.fault(among: Self.storageFaults, oneIn: 3)
        switch fault {
        case .throttled: throw Failure(.throttled, "429", retryAfter: .seconds(chance.number(-5...30)))
        case .sessionDied:
            session.isDead = true
            throw Failure(.sessionLost, "410")
        case .sessionRefused: throw Failure(.sessionRefused, "403")
        case .chunkRejected: throw Failure(.rejected, "400")
        default: break
        }
        if session.isFinished { return finished(session) }
        if session.transport == .whole {
            session.kept = ModelBytes()
        } else if range.lowerBound > session.kept.count {
            violations.append("a gap: \(range) after \(session.kept.count) bytes")
            throw Failure(.transient, "503: a gap")
        }
        keep(pieces, range, fault, in: &session)
        if session.kept.count == session.total || fault == .finishedEarly {
            session.isFinished = true
        }
        if fault == .answerLost { throw Failure(.transient, "the connection was lost") }
        if session.isFinished {
            return fault == .wrongStoredSize ? .finished(size: session.total + 1, md5: nil) : finished(session)
        }
        if session.transport == .whole { throw Failure(.transient, "the connection was lost") }
        if fault == .rangeMissing { return .stored(nil) }
        if fault == .acknowledgedTooMuch { return .stored(range.upperBound + 1) }
        return traits.answers200ToChunks && range.upperBound < session.total
            ? .finished(size: nil, md5: nil) : told(session)
    }

    private func keep(_ pieces: [Piece], _ range: Range<Int64>, _ fault: Fault?, in session: inout Session) {
        let end: Int64 =
            switch fault {
            case .partlyKept, .finishedEarly: chance.number(range.lowerBound...range.upperBound)
            case .nothingKept: range.lowerBound
            default: range.upperBound
            }
        for piece in pieces {
            let start = max(piece.range.lowerBound, session.kept.count)
            let stop = min(piece.range.upperBound, end)
            guard start < stop else { continue }
            let version = fault == .otherStoredBytes ? -1 : piece.version
            session.kept.append(Piece(version: version, range: start..<stop))
        }
        if fault == .wentBackwards { session.kept.truncate(to: session.kept.count / 2) }
    }

    /// `bytes */total`
    func status(of id: String) throws(Failure) -> TransferReply {
        var session = try live(id)
        defer { sessions[id] = session }
        switch chance.fault(among: [.answerLost, .throttled, .sessionDied, .sessionRefused, .chunkRejected], oneIn: 6) {
        case .answerLost: throw Failure(.transient, "the connection was lost")
        case .throttled: throw Failure(.throttled, "429", retryAfter: .seconds(3))
        case .sessionDied:
            session.isDead = true
            throw Failure(.sessionLost, "410")
        case .sessionRefused: throw Failure(.sessionRefused, "403")
        case .chunkRejected: throw Failure(.rejected, "412")
        default: break
        }
        if !session.isFinished, session.kept.count == session.total { session.isFinished = true }
        return session.isFinished ? finished(session) : told(session)
    }

    private func live(_ id: String) throws(Failure) -> Session {
        guard let session = sessions[id], !session.isDead, now - session.openedAt < Self.day else {
            throw Failure(.sessionLost, "404")
        }
        return session
    }

    private func told(_ session: Session) -> TransferReply {
        .stored(session.kept.count == 0 ? nil : session.kept.count)
    }

    private func finished(_ session: Session) -> TransferReply {
        .finished(
            size: traits.tellsStoredSize ? session.kept.count : nil, md5: traits.tellsStoredMD5 ? session.kept.md5 : nil
        )
    }

    static let day: Int64 = 24 * 3_600_000

    // MARK: Registrations

    private static let postFaults: [Fault] = [
        .postUnsent, .postDropped, .postAnswerLost, .postCarriedOutLate, .postThrottled, .postUnauthorized,
        .postRejected, .postConflict, .postRenamed,
    ]

    /// - Parameter doubt: how long a request whose connection has ended may still be carried out.
    func register(_ name: String, _ body: Body, doubt: Int64) throws(Failure) -> RemoteUpload {
        let fault = chance.fault(among: Self.postFaults, oneIn: 2)
        switch fault {
        case .postUnsent: throw Failure(.transient, "no connection")
        case .postDropped: throw Failure(.ambiguous, "no answer")
        case .postThrottled: throw Failure(.throttled, "429")
        case .postUnauthorized: throw Failure(.unauthorized, scope: .agent, "401")
        case .postRejected: throw Failure(.rejected, "422")
        case .postConflict: throw Failure(.conflict, "409")
        case .postCarriedOutLate:
            late.append((at: now + chance.number(0...doubt), name: name, body: body))
            throw Failure(.ambiguous, "no answer")
        default: break
        }
        if case .session(let id) = body { try expectUsable(id) }
        let upload = add(fault == .postRenamed ? "renamed \(name)" : name, body)
        if fault == .postAnswerLost { throw Failure(.ambiguous, "no answer") }
        return remote(upload)
    }

    private func expectUsable(_ id: String) throws(Failure) {
        guard let session = sessions[id], session.isFinished, now - session.openedAt < Self.day else {
            throw Failure(.rejected, "400: no such upload")
        }
        if traits.documented == .idRefused, session.endpoint == .resumableUpload {
            throw Failure(.rejected, "400: resumableUploadId is not known")
        }
        if traits.refusesUsedIDs, used.contains(id) { throw Failure(.rejected, "400: the id was used") }
    }

    @discardableResult
    private func add(_ name: String, _ body: Body) -> Upload {
        let (bytes, endpoint): (ModelBytes, Endpoint?)
        switch body {
        case .session(let id):
            used.insert(id)
            (bytes, endpoint) = (sessions[id]?.kept ?? ModelBytes(), sessions[id]?.endpoint ?? .tempUploads)
        case .inline(let sent): (bytes, endpoint) = (sent, nil)
        }
        counter += 1
        var upload = Upload(
            uri: "/uploads/\(counter)", name: name, bytes: bytes, endpoint: endpoint,
            completesAt: now + chance.number(0...20_000), toldFrom: 0)
        if chance.strikes(.importFailed, oneIn: 10) { upload.failsWith = "no variables found" }
        if chance.strikes(.otherImported, oneIn: 10) { upload.reportsOtherMD5 = true }
        if chance.strikes(.sizeToldLate, oneIn: 10) { upload.toldFrom = upload.completesAt + chance.number(0...20_000) }
        // A failed import has no rows, so it doubles none.
        if uploads.contains(where: { $0.name == name && $0.failsWith == nil }) {
            violations.append("\(name) is registered twice")
        }
        uploads.append(upload)
        return upload
    }

    func remote(_ upload: Upload) -> RemoteUpload {
        let isOver = now >= upload.completesAt
        let status: RemoteUpload.Status =
            !isOver ? .inProgress : upload.failsWith.map { .failed($0) } ?? .completed
        let isTold =
            isOver && now >= upload.toldFrom
            && !(traits.documented == .sizeNeverTold && upload.endpoint == .resumableUpload)
        let md5 = upload.reportsOtherMD5 ? Sample.digest(0xEE, count: 16) : upload.bytes.md5
        return RemoteUpload(
            uri: upload.uri, name: upload.name, status: status, size: isTold ? upload.bytes.count : nil,
            md5: isTold && traits.tellsImportedMD5 ? md5 : nil)
    }

    /// The uploads of the draft and of every version released after `newest`.
    func listing(releasedAfter newest: VersionTag?) -> [RemoteUpload] {
        uploads.filter { upload in
            guard let version = upload.version, let newest else { return true }
            return version > newest
        }.map(remote)
    }

    func withdraw(uri: String) throws(Failure) {
        guard let index = uploads.firstIndex(where: { $0.uri == uri }) else { return }
        if uploads[index].version != nil { throw Failure(.rejected, "400: the version is released") }
        if chance.strikes(.withdrawalRefused, oneIn: 8) { throw Failure(.rejected, "400") }
        let isLost = chance.strikes(.withdrawalLost, oneIn: 4)
        uploads.remove(at: index)
        if isLost { throw Failure(.ambiguous, "no answer") }
    }

    // MARK: What others do

    func release() {
        let next = VersionTag(major: (released.last?.major ?? 0) + 1, minor: 0)
        released.append(next)
        for index in uploads.indices where uploads[index].version == nil { uploads[index].version = next }
    }

    func removeSomething() {
        guard let upload = uploads.randomElement(using: &chance.random) else { return }
        uploads.removeAll { $0.uri == upload.uri }
    }
}
