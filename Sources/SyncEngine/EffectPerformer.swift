import SyncCore

/// Carries out the orders of one delivery. What went wrong is a fact like any other, so nothing is thrown.
actor EffectPerformer {
    let mapping: Mapping?
    private let api: String
    /// `registration_doubt`.
    private let doubt: Duration
    let ports: EnginePorts
    let directory: TableDirectory
    private let follower: ImportFollower
    private let roots: KnownRoots
    private let observer: EngineObserver
    /// Kept open from chunk to chunk: its running hash is the proof of what was sent.
    private var source: (any OpenSource)?
    /// Why the effect under way ended, where the failure alone does not say it.
    var finding: Finding?

    /// What was found out about a source beside its observation.
    enum Finding {
        /// Its bytes were on their way.
        case wasSent
        /// Its bytes are not those that were read before.
        case otherContent
        /// There is more to read than its size says.
        case goesOn
    }

    init(
        mapping: Mapping?, settings: AgentSettings, ports: EnginePorts, directory: TableDirectory,
        follower: ImportFollower,
        roots: KnownRoots, observer: @escaping EngineObserver
    ) {
        api = settings.api
        doubt = settings.registrationDoubt
        self.mapping = mapping
        self.ports = ports
        self.directory = directory
        self.follower = follower
        self.roots = roots
        self.observer = observer
    }

    func close() async {
        await source?.close()
        source = nil
    }

    /// - Returns: the fact that came of it; `nil` where this delivery's turn is over.
    func perform(_ effect: DeliveryEffect, of delivery: Delivery) async -> DeliveryEvent? {
        finding = nil
        do throws(Failure) {
            switch effect {
            case .examine(let admission):
                return try await examine(delivery, admission)
            case .compare(let admission):
                return try await compare(delivery, admission)
            case .openSession(let choice):
                return .sessionOpened(try await openSession(for: delivery, choice))
            case .sendChunk(let session, let range, let proven):
                return try await send(delivery, session, range, proving: proven)
            case .queryStatus(let session):
                return try await queryStatus(delivery, session)
            case .conclude(let progress):
                return try await conclude(delivery, progress)
            case .lookUp(let name, .beforePost):
                return try await directory.lookUpBeforePost(
                    UploadSearch(name, of: delivery), in: delivery.table, asksServer: delivery.mayBeOnTable)
            case .lookUp(let name, .inDoubt(let attempt, let connectionEnded)):
                // What is found now may be another agent's, and ours come later.
                await directory.noteRegistration(on: delivery.table)
                return try await directory.lookUpOnServer(
                    UploadSearch(name, of: delivery), in: delivery.table, releasedAfter: attempt.newestReleased,
                    windowEnds: connectionEnded.advanced(by: doubt))
            case .post(let source, let name, _):
                // Before it leaves: it may be carried out though its answer is lost.
                await directory.noteRegistration(on: delivery.table)
                return .registered(try await post(delivery, source, name))
            case .followImport:
                await follower.notice(delivery.table)
                return nil
            case .withdraw(let registration):
                return try await withdraw(registration, of: delivery)
            case .resettle:
                try await ports.queue.resettle(delivery, note: "the file changed", at: ports.clock.now())
                return nil
            }
        } catch {
            if error.kind == .sourceChanged, let fact = await changed(delivery, error) { return fact }
            return .effectFailed(await judged(error, of: delivery))
        }
    }

    // MARK: What became of the source

    /// A source that is not what it was: its content, its ctime alone, or not even that.
    /// - Returns: `nil` where it has changed, or nothing more can be said.
    private func changed(_ delivery: Delivery, _ failure: Failure) async -> DeliveryEvent? {
        guard let mapping, let source, delivery.state.stage?.readsSource == true,
            let seen = try? await source.observe()
        else { return nil }
        guard seen.isTouch(of: delivery.observation) else { return nil }
        if finding != .wasSent, seen != delivery.observation { return await touched(delivery, in: mapping) }
        switch finding {
        case .otherContent: return nil
        case .goesOn: return .sourceMisreported(failure.summary)
        case .wasSent, nil: return .sourceMisreported("\(failure.summary); its size says \(delivery.size)")
        }
    }

    /// Where no lease is to be had, the quiet time decides whether the file has settled again.
    private func touched(_ delivery: Delivery, in mapping: Mapping) async -> DeliveryEvent? {
        // Its running hash is of what was read before.
        await close()
        do throws(Failure) {
            guard let look = try await ports.sources.look(at: delivery.path, in: mapping.folder),
                look.observation.isTouch(of: delivery.observation)
            else { return nil }
            if look.writers == .nobody { return .sourceTouched(look.observation, hasSettled: true) }
            let noticed = try await ports.queue.noteSeen(
                [SeenFile(path: delivery.path, observation: look.observation, links: look.links)], in: mapping.id,
                lookAgainAfter: mapping.settle.quiet, at: ports.clock.now())
            return .sourceTouched(look.observation, hasSettled: noticed.known > 0)
        } catch {
            return .effectFailed(await judged(error, of: delivery))
        }
    }

    /// A file that is not found is gone only where it was: in the directory that was its folder when it was admitted, on
    /// the device that it lay on. An unmounted disk says nothing about its files, and neither does another directory.
    private func judged(_ failure: Failure, of delivery: Delivery) async -> Failure {
        guard failure.kind == .sourceGone, failure.scope == .delivery, let mapping else { return failure }
        // Both are looked at after the file was missed, so that no mount that came meanwhile passes for the one then.
        let device = await ports.sources.device(above: delivery.path, in: mapping.folder)
        let root = await ports.sources.root(of: mapping.folder)
        guard let device, let root, device == delivery.observation.device, roots.isKnown(root, of: mapping.folder)
        else {
            return Failure(
                .sourceGone, scope: .destination, "\(delivery.path): the file system that it lay on is not mounted",
                hint: "mount it again; the file is sent then")
        }
        do throws(Failure) {
            guard let place = try await ports.queue.folderIdentity(of: delivery.id), place != root.identity else {
                return failure
            }
        } catch {
            return error
        }
        return Failure(
            .sourceGone, scope: .destination,
            "\(delivery.path): \(mapping.folder) leads to another directory than the one that it lay in",
            hint: "put the directory back and the file is sent; or forget the file")
    }

    // MARK: The source

    /// The open file, as it was when it settled; anything else is a change.
    func opened(_ delivery: Delivery) async throws(Failure) -> any OpenSource {
        guard let mapping else {
            throw Failure(
                .unreadable, "its mapping \(delivery.mapping) is not in the mapping file any more",
                hint: "put the mapping back, or forget the file")
        }
        let open: any OpenSource
        if let source {
            open = source
        } else {
            open = try await ports.sources.open(delivery.path, in: mapping.folder)
            source = open
        }
        try await expectUnchanged(open, delivery)
        return open
    }

    func expectUnchanged(_ source: any OpenSource, _ delivery: Delivery) async throws(Failure) {
        guard try await source.observe() == delivery.observation else {
            throw Failure(.sourceChanged, "\(delivery.path) changed while it was read")
        }
    }

    /// After a chunk: what was sent of a file whose ctime alone has moved is proven before the next one.
    private func expectAsSent(_ source: any OpenSource, _ delivery: Delivery) async throws(Failure) {
        guard try await source.observe().isTouch(of: delivery.observation) else {
            throw Failure(.sourceChanged, "\(delivery.path) changed while it was sent")
        }
    }

    /// The size is what can be read, and not what stat says.
    func expectEnd(of source: any OpenSource, _ delivery: Delivery) async throws(Failure) {
        guard try await source.endsHere() else {
            finding = .goesOn
            throw Failure(
                .sourceChanged, "\(delivery.path) holds more than the \(delivery.size) bytes that its size says")
        }
    }

    private func examine(_ delivery: Delivery, _ admission: Admission) async throws(Failure) -> DeliveryEvent? {
        let source = try await opened(delivery)
        _ = try await source.rewind(to: delivery.observation.size)
        try await expectEnd(of: source, delivery)
        try await expectUnchanged(source, delivery)
        return try await standing(of: await source.content(), delivery, admission)
    }

    /// What was read once and looks as it did then is not read again.
    private func compare(_ delivery: Delivery, _ admission: Admission) async throws(Failure) -> DeliveryEvent? {
        guard let content = delivery.content else { return try await examine(delivery, admission) }
        _ = try await opened(delivery)
        return try await standing(of: content, delivery, admission)
    }

    private func standing(
        of content: Content, _ delivery: Delivery, _ admission: Admission
    ) async throws(Failure) -> DeliveryEvent? {
        guard let table = await directory.key(of: delivery.table) else {
            throw Failure(.transient, scope: .destination, "the table \(delivery.table) is not known yet")
        }
        let name = delivery.uploadName ?? UploadName.make(base: delivery.nameBase, sha256: content.sha256)
        if admission == .existing { try await directory.lookForExisting(delivery, as: name, in: delivery.table) }
        let standing = try await ports.queue.settleContent(
            content, uploadName: name, table: table, of: delivery, admission: admission, at: ports.clock.now())
        if case .joined = standing { return nil }
        return .examined(content, standing)
    }

    // MARK: The session

    private func openSession(for delivery: Delivery, _ choice: EndpointChoice) async throws(Failure) -> UploadSession {
        let endpoint: Endpoint =
            switch (choice, mapping?.endpoint ?? .auto) {
            case (_, .fixed(let fixed)): fixed
            case (.other, .auto): .tempUploads
            case (.preferred, .auto): try await preferredEndpoint()
            }
        return try await writing(to: delivery.table) { () async throws(Failure) in
            try await ports.remote(for: delivery.table).openSession(
                SessionRequest(
                    table: delivery.table, endpoint: endpoint, size: delivery.size,
                    name: delivery.uploadName ?? "redivis-sync-\(delivery.id)", now: ports.clock.now().wall))
        }
    }

    private func preferredEndpoint() async throws(Failure) -> Endpoint {
        switch try await ports.queue.endpointFact(of: api) {
        case .documentedRefused: .tempUploads
        case .documentedWorks, nil: .resumableUpload
        }
    }

    private func send(
        _ delivery: Delivery, _ session: UploadSession, _ range: Range<Int64>, proving proof: PrefixDigest?
    ) async throws(Failure) -> DeliveryEvent {
        let source = try await opened(delivery)
        try await position(source, at: range.lowerBound, proving: proof, delivery)
        finding = .wasSent
        let answer = try await ports.remote(for: delivery.table).send(
            watched(await source.read(to: range.upperBound), from: range.lowerBound, of: delivery), range: range,
            total: delivery.size, to: session)
        finding = nil
        try await expectAsSent(source, delivery)
        let offset: Int64? =
            switch answer.reply {
            case .stored(let offset): offset
            case .finished: range.upperBound
            }
        return .chunkAnswered(
            answer.reply, sent: range, prefix: await prefixDigest(of: source, at: offset),
            serverTime: answer.serverTime)
    }

    /// The same slices, each reported as it leaves.
    private func watched(_ slices: SourceSlices, from start: Int64, of delivery: Delivery) -> SourceSlices {
        let observer = observer
        return SourceSlices {
            var iterator = slices.makeAsyncIterator()
            var offset = start
            return SourceSlices.AsyncIterator {
                guard let slice = try await iterator.next() else { return nil }
                offset += Int64(slice.count)
                observer(.sending(delivery.id, delivery.path, offset: offset, total: delivery.size))
                return slice
            }
        }
    }

    /// Brings the running hash to `offset`. Where that means reading again what was sent before, the bytes must hash
    /// to what was recorded, or what would be sent next belongs to another content.
    private func position(
        _ source: any OpenSource, at offset: Int64, proving proof: PrefixDigest?, _ delivery: Delivery
    ) async throws(Failure) {
        guard await source.hashedOffset != offset else { return }
        if let proof, proof.offset <= offset {
            guard try await source.rewind(to: proof.offset) == proof else {
                finding = .otherContent
                throw Failure(.sourceChanged, "\(delivery.path) is not what was sent before")
            }
        }
        if await source.hashedOffset != offset { _ = try await source.rewind(to: offset) }
    }

    private func prefixDigest(of source: (any OpenSource)?, at offset: Int64?) async -> PrefixDigest? {
        guard let source, let offset else { return nil }
        return await source.prefixDigest(at: offset)
    }

    private func queryStatus(_ delivery: Delivery, _ session: UploadSession) async throws(Failure) -> DeliveryEvent {
        let answer = try await ports.remote(for: delivery.table).status(of: session, total: delivery.size)
        let offset: Int64? =
            switch answer.reply {
            case .stored(let offset): offset
            case .finished: delivery.size
            }
        return .statusAnswered(
            answer.reply, prefix: await prefixDigest(of: source, at: offset), serverTime: answer.serverTime)
    }

    private func conclude(_ delivery: Delivery, _ progress: TransferProgress) async throws(Failure) -> DeliveryEvent {
        let source = try await opened(delivery)
        try await position(source, at: delivery.size, proving: progress.prefix, delivery)
        try await expectEnd(of: source, delivery)
        try await expectUnchanged(source, delivery)
        let content = await source.content()
        let isProven =
            !progress.hasUnprovenBytes
            && (content.size == 0 || progress.prefix == PrefixDigest(offset: content.size, sha256: content.sha256))
        return .concluded(content, isProven: isProven)
    }
}
