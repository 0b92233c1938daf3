import SyncCore

/// The shell around the decision, as the engine has it: decide, save, carry out. It can die at every step, and what
/// it then remembers is what was saved.
final class SimulatedAgent {
    /// The program ended at this instant.
    struct Died: Error {}

    let chance: Chance
    let server: ModelServer
    var file: ModelFile
    let doubt: Int64 = 120_000
    let inlineLimit: Int64

    // What outlives a crash.
    private(set) var rows: [DeliveryID: Delivery] = [:]
    private var endpointFact: EndpointFact?
    private var nextID: Int64 = 1
    /// How far our clock is from the true time, in milliseconds.
    private var clockError: Int64 = 0

    // What does not.
    private var run: UInt64 = 1
    private var runBegan: Int64 = 0
    private var gateEnds: Int64?
    private var index: [RemoteUpload] = []
    private var newestReleased: VersionTag?
    private var misses: [DeliveryID: Int] = [:]
    /// The open source's running hash, where one is open.
    private var hashedOffset: Int64?

    private(set) var effects = 0
    private(set) var violations: [String] = []

    init(chance: Chance, server: ModelServer, file: ModelFile) {
        self.chance = chance
        self.server = server
        self.file = file
        inlineLimit = [0, Sample.granule, Sample.size].randomElement(using: &chance.random) ?? 0
        admit(.fresh)
        list()
    }

    // MARK: Time

    var now: Moment {
        Moment(
            wall: Timestamp(milliseconds: server.wall.milliseconds + clockError),
            monotonic: MonotonicInstant(run: run, nanoseconds: (server.now - runBegan) * 1_000_000))
    }

    func step(clockBy milliseconds: Int64) { clockError += milliseconds }

    private func context() -> DecisionContext {
        let policy = DeliveryPolicy(
            chunkSize: Sample.granule, inlineLimit: inlineLimit, registrationDoubt: .milliseconds(doubt),
            endpointFact: endpointFact)
        return DecisionContext(
            now: now, jitter: Double(chance.number(0...999)) / 1000, table: Sample.key, policy: policy)
    }

    // MARK: The queue

    func admit(_ admission: Admission) {
        let id = DeliveryID(nextID)
        nextID += 1
        rows[id] = Delivery(
            id: id, mapping: Sample.mapping, table: Sample.table, tableKey: nil, path: Sample.path,
            observation: file.observation, content: nil, nameBase: Array("2025/june.csv".utf8), uploadName: nil,
            state: .working(.pending(admission)))
        chance.note("admit \(id) version \(file.version) as \(admission.rawValue)")
    }

    /// A scan: a file that no row has observed comes in, once no older row is still reading it.
    func scan() {
        guard file.exists, !rows.values.contains(where: { $0.observation == file.observation }) else { return }
        for row in rows.values {
            switch row.state {
            case .held:
                rows[row.id]?.state = .abandoned(.superseded)
            // A touch alone makes no new version: that shows when it is examined.
            case .parked where row.content == file.bytes.content: break
            case .parked:
                rows[row.id] = row.decide(on: .sourceChanged, in: context()).delivery
                if rows[row.id]?.state.stage != nil { rows[row.id] = nil }
            case .working(let stage), .waiting(let stage, _):
                switch stage {
                case .pending, .opening, .reading, .transferring, .probing, .concluding: return
                case .lookingUp, .posting, .importing, .withdrawing: break
                }
            case .delivered, .abandoned: break
            }
        }
        admit(.examine)
    }

    /// - Returns: `nil` where the row is not this runner's any more.
    private func save(_ decision: Decision, over current: Delivery) throws -> Delivery? {
        check(decision, over: current)
        guard decision.delivery != current else { return current }
        if chance.strikes(.stateUnavailable, oneIn: 60) { return nil }
        guard rows[current.id]?.revision == current.revision else { return nil }
        var saved = decision.delivery
        if let name = saved.uploadName, let other = twin(of: saved, named: name) {
            if case .abandoned(let reason) = other.state, reason != .forgotten {
                rows[other.id] = nil
            } else {
                join(saved, to: other.id)
                return nil
            }
        }
        saved.revision += 1
        rows[saved.id] = saved
        remember(saved)
        endpointFact = decision.endpointFact ?? endpointFact
        chance.note("\(server.now) \(saved.id) \(decision.words): \(decision.note)")
        if chance.strikes(.diedAfterSave, oneIn: 25) { throw Died() }
        return saved
    }

    /// What was registered belongs to the index of the table's uploads from now on.
    private func remember(_ row: Delivery) {
        guard case .importing(let registration) = row.state.stage,
            !index.contains(where: { $0.uri == registration.uri })
        else { return }
        index.append(
            RemoteUpload(
                uri: registration.uri, name: registration.name, status: .inProgress, size: nil, md5: nil))
    }

    /// The path is the other delivery's from now on: what was seen of it counts as seen.
    private func join(_ row: Delivery, to other: DeliveryID) {
        rows[row.id] = nil
        rows[other]?.observation = row.observation
        rows[other]?.revision += 1
        chance.note("\(row.id) is joined to \(other)")
    }

    private func twin(of row: Delivery, named name: String) -> Delivery? {
        rows.values.first { $0.id != row.id && $0.uploadName == name && $0.content == row.content }
    }

    /// What no decision may ever do.
    private func check(_ decision: Decision, over current: Delivery) {
        let session: UploadSession? =
            switch decision.effect {
            case .sendChunk(let session, _, _), .queryStatus(let session): session
            case .post(.session(let object), _, _): object.session
            case .post(.inline, _, _), .examine, .compare, .openSession, .conclude, .lookUp, .followImport, .withdraw,
                .resettle, nil:
                nil
            }
        if let session, session.isExpired(at: now.wall, serverTime: nil) {
            violations.append("an expired session is used: \(decision.words)")
        }
        if case .delivered = current.state, decision.delivery != current {
            violations.append("a delivered row moved: \(decision.words)")
        }
        if case .sendChunk(let session, _, _) = decision.effect, session.transport == .resumable,
            current.state.stage?.mayBeRegistered == true
        {
            violations.append("bytes are sent while a registration is in doubt")
        }
    }

    // MARK: Running

    /// A new run of the program, after the old one ended in whatever way.
    func restart() {
        chance.note("---- run \(run + 1)")
        run += 1
        runBegan = server.now - chance.number(0...100_000)
        misses = [:]
        hashedOffset = nil
        // A gate that no listing has opened stays closed, and is timed anew.
        if gateEnds != nil { gateEnds = server.now + doubt }
        list()
    }

    /// The state directory is gone: what the table has is all that is known.
    func loseDatabase() {
        rows = [:]
        endpointFact = nil
        restart()
        gateEnds = server.now + doubt
        if file.exists { admit(.existing) }
    }

    private func list() {
        index = server.listing(releasedAfter: nil)
        newestReleased = server.released.last
    }

    /// Rows that are due now, oldest first.
    var due: [Delivery] {
        rows.values.filter { row in
            switch row.state {
            case .working(.importing): false
            case .working: true
            case .waiting(_, let delay): now.monotonic.reached(delay.until) ?? true
            case .delivered, .held, .parked, .abandoned: false
            }
        }.sorted { $0.id < $1.id }
    }

    /// When the next wait is over, in milliseconds from now.
    var nextDue: Int64? {
        rows.values.compactMap { row -> Int64? in
            guard case .waiting(_, let delay) = row.state else { return nil }
            return max(delay.until.since(now.monotonic)?.saturatingMilliseconds ?? 0, 0) + 1
        }.min()
    }

    var isIdle: Bool { rows.values.allSatisfy { $0.state.stage == nil } }

    func take(_ id: DeliveryID, first: DeliveryEvent = .resumed) throws {
        hashedOffset = nil
        guard var saved = rows[id] else { return }
        var current = saved
        var unsaved: [Decision] = []
        var event: DeliveryEvent? = first
        while let fact = event {
            let decision = current.decide(on: fact, in: context())
            if decision.canWait(over: saved) {
                unsaved.append(decision)
                current = decision.delivery
            } else {
                guard let kept = try save(decision.following(unsaved), over: saved) else { return }
                (saved, current, unsaved) = (kept, kept, [])
            }
            guard let effect = decision.effect else { return }
            effects += 1
            server.advance(by: chance.number(1...1500))
            event = perform(effect, of: current)
            if chance.strikes(.diedAfterEffect, oneIn: 25) { throw Died() }
            server.advance(by: chance.number(0...50))
        }
    }

    /// One walk through the table's uploads, for every row whose import is under way.
    func follow() throws {
        let importing = rows.values.sorted { $0.id < $1.id }
        for row in importing {
            guard case .importing(let registration) = row.state.stage else { continue }
            effects += 1
            // By its address first: an older upload of this name, whose import failed, may still be there.
            let listed = server.listing(releasedAfter: registration.newestReleased)
            let found =
                listed.first { $0.uri == registration.uri } ?? listed.first { $0.name == registration.name }
            guard let found else {
                misses[row.id, default: 0] += 1
                if misses[row.id, default: 0] >= 5 { try report(.importVanished, of: row) }
                continue
            }
            misses[row.id] = nil
            if found.status != .inProgress { try report(.importReported(found), of: row) }
        }
    }

    private func report(_ event: DeliveryEvent, of row: Delivery) throws {
        if event == .importVanished, case .importing(let registration) = row.state.stage {
            index.removeAll { $0.uri == registration.uri }
        }
        let decision = row.decide(on: event, in: context())
        guard decision.delivery != row, let saved = try save(decision, over: row) else { return }
        if decision.effect != nil, saved.state.stage?.publicState != .importing { try take(saved.id) }
    }

    /// What a person does, between runs of a row.
    func apply(_ hand: HandDecision, to row: Delivery) throws {
        _ = try save(row.decide(on: .byHand(hand), in: context()), over: row)
    }

    // MARK: Carrying out

    private func perform(_ effect: DeliveryEffect, of row: Delivery) -> DeliveryEvent? {
        do throws(Failure) {
            switch effect {
            case .examine(let admission), .compare(let admission): return try examine(row, admission)
            case .openSession(let choice): return .sessionOpened(try open(choice, row))
            case .sendChunk(let session, let range, let proof): return try send(row, session, range, proof)
            case .queryStatus(let session):
                let reply = try server.status(of: session.uploadID)
                return .statusAnswered(reply, prefix: prefix(at: offset(reply, row.size)), serverTime: server.wall)
            case .conclude(let progress): return try conclude(row, progress)
            case .lookUp(let name, let lookUp): return try look(for: name, lookUp)
            case .post(.session(let object), let name, _):
                return .registered(try server.register(name, .session(object.session.uploadID), doubt: doubt))
            case .post(.inline, let name, _):
                try expectUnchanged(row)
                guard file.bytes.content == row.content else { throw Failure(.sourceChanged, "it is another content") }
                return .registered(try server.register(name, .inline(file.bytes), doubt: doubt))
            case .followImport: return nil
            case .withdraw(let registration):
                try server.withdraw(uri: registration.uri)
                index.removeAll { $0.uri == registration.uri }
                return .registrationWithdrawn
            case .resettle:
                if row.state.stage != nil { rows[row.id] = nil }
                scan()
                return nil
            }
        } catch {
            chance.note("  failed: \(error)")
            return .effectFailed(error)
        }
    }

    private func expectUnchanged(_ row: Delivery) throws(Failure) {
        if !file.exists { throw Failure(.sourceGone, "it is gone") }
        if chance.strikes(.unreadable, oneIn: 60) { throw Failure(.unreadable, "EIO") }
        guard file.observation == row.observation else { throw Failure(.sourceChanged, "it changed") }
    }

    private func examine(_ row: Delivery, _ admission: Admission) throws(Failure) -> DeliveryEvent? {
        try expectUnchanged(row)
        let content = file.bytes.content
        let name = UploadName.make(base: row.nameBase, sha256: content.sha256)
        for other in rows.values.sorted(by: { $0.id < $1.id }) where other.id != row.id {
            if other.uploadName == name {
                if case .abandoned(let reason) = other.state, reason != .forgotten {
                    rows[other.id] = nil
                } else {
                    join(row, to: other.id)
                    return nil
                }
            }
        }
        if let older = rows.values.first(where: { $0.state.stage?.mayBeRegistered == true && $0.id != row.id }) {
            return .examined(content, .behind(older.id))
        }
        if let older = rows.values.first(where: { $0.state.publicState == .delivered && $0.id != row.id }) {
            return .examined(content, .successor(older.id))
        }
        if admission == .existing, let upload = index.first(where: { $0.name == name && !$0.hasFailed }) {
            return .examined(content, .adopts(upload))
        }
        return .examined(content, .alone)
    }

    private func open(_ choice: EndpointChoice, _ row: Delivery) throws(Failure) -> UploadSession {
        let endpoint: Endpoint =
            choice == .other || endpointFact == .documentedRefused ? .tempUploads : .resumableUpload
        let opened = try server.open(endpoint, total: row.size)
        return UploadSession(
            endpoint: endpoint, transport: opened.transport, uploadID: opened.id, url: Secret(opened.id),
            openedAt: now.wall, openedAtServer: server.wall)
    }

    private func send(
        _ row: Delivery, _ session: UploadSession, _ range: Range<Int64>, _ proof: PrefixDigest?
    ) throws(Failure) -> DeliveryEvent {
        try expectUnchanged(row)
        if hashedOffset != range.lowerBound, let proof, proof.offset <= range.lowerBound,
            proof != digest(of: proof.offset)
        {
            throw Failure(.sourceChanged, "it is not what was sent before")
        }
        var pieces = [Piece(version: file.version, range: range)]
        if range.count > 1, chance.strikes(.changeMeanwhile, oneIn: 40) {
            let middle = chance.number(range.lowerBound + 1...range.upperBound - 1)
            pieces = [Piece(version: file.version, range: range.lowerBound..<middle)]
            file.version += 1
            file.stamp += 1
            pieces.append(Piece(version: file.version, range: middle..<range.upperBound))
        }
        hashedOffset = nil
        let reply = try server.put(pieces, range: range, to: session.uploadID)
        try expectUnchanged(row)
        hashedOffset = range.upperBound
        let told: Int64? =
            switch reply {
            case .stored(let offset): offset
            case .finished: range.upperBound
            }
        let isKnown = told.map { $0 == range.upperBound || $0.isMultiple(of: Sample.granule) } ?? false
        return .chunkAnswered(reply, sent: range, prefix: isKnown ? prefix(at: told) : nil, serverTime: server.wall)
    }

    private func offset(_ reply: TransferReply, _ size: Int64) -> Int64? {
        switch reply {
        case .stored(let offset): offset
        case .finished: size
        }
    }

    private func digest(of offset: Int64) -> PrefixDigest {
        PrefixDigest(offset: offset, sha256: ModelBytes.whole(file.version, offset).sha256)
    }

    /// The running hash at an offset that the last read passed; nothing where no source is open.
    private func prefix(at offset: Int64?) -> PrefixDigest? {
        guard let hashedOffset, let offset, offset <= hashedOffset else { return nil }
        return offset == hashedOffset || offset.isMultiple(of: Sample.granule) ? digest(of: offset) : nil
    }

    private func conclude(_ row: Delivery, _ progress: TransferProgress) throws(Failure) -> DeliveryEvent {
        try expectUnchanged(row)
        if hashedOffset != row.size, let proof = progress.prefix, proof.offset <= row.size,
            proof != digest(of: proof.offset)
        {
            throw Failure(.sourceChanged, "it is not what was sent before")
        }
        let content = file.bytes.content
        let isProven =
            !progress.hasUnprovenBytes
            && (content.size == 0 || progress.prefix == PrefixDigest(offset: content.size, sha256: content.sha256))
        return .concluded(content, isProven: isProven)
    }

    private func look(for name: String, _ lookUp: LookUp) throws(Failure) -> DeliveryEvent {
        let begun = now.monotonic
        switch lookUp {
        case .beforePost:
            if let ends = gateEnds {
                guard server.now >= ends else {
                    return .postingGated(until: begun.advanced(by: .milliseconds(ends - server.now)))
                }
                list()
                gateEnds = nil
            }
            if let found = index.first(where: { $0.name == name && !$0.hasFailed }) {
                return .registrationFound(found, newestReleased: newestReleased)
            }
            return .registrationAbsent(LookUpReport(begun: begun, newestReleased: newestReleased))
        case .inDoubt(let attempt, _):
            if chance.strikes(.lookUpFailed, oneIn: 10) { throw Failure(.transient, "503") }
            let named = server.listing(releasedAfter: attempt.newestReleased).filter {
                UploadName.isSame($0.name, name)
            }
            let found = named.first { !$0.hasFailed } ?? named.first
            server.advance(by: chance.number(0...2000))
            if let found { return .registrationFound(found, newestReleased: attempt.newestReleased) }
            return .registrationAbsent(LookUpReport(begun: begun, newestReleased: server.released.last))
        }
    }
}

extension RemoteUpload {
    fileprivate var hasFailed: Bool {
        switch status {
        case .failed: true
        case .inProgress, .completed: false
        }
    }
}
