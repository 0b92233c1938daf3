import SyncCore

// Looking up: what is on a table that is ours.

extension TableDirectory {
    /// The look-up before a first post: the index is enough, once it remembers the table's past.
    ///
    /// - Parameter asksServer: whether ours may stand on the table though the index does not have it: it was sent or
    ///   posted before. Also asked where another agent registers there, or a version is released that no list was read of.
    func lookUpBeforePost(
        _ search: UploadSearch, in reference: TableReference, asksServer: Bool = false
    ) async throws(Failure) -> DeliveryEvent {
        switch tables[reference]?.gate {
        case .open, nil: break
        case .closed(let until):
            let now = ports.clock.now().monotonic
            guard now.reached(until) ?? true else { return .postingGated(until: until) }
            try await openGate(reference)
        }
        let begun = ports.clock.now().monotonic
        try await refresh(reference)
        guard let entry = tables[reference] else {
            throw Failure(.transient, scope: .destination, "the table \(reference) is not known yet")
        }
        if let upload = try await ports.queue.knownUpload(named: search.name, of: entry.table.key) {
            return .registrationFound(upload, newestReleased: entry.table.released.last)
        }
        if asksServer || shared.contains(reference) || entry.isBehind,
            let upload = try await askServer(search, in: reference, entry.table)
        {
            return .registrationFound(upload, newestReleased: entry.table.released.last)
        }
        return .registrationAbsent(LookUpReport(begun: begun, newestReleased: entry.table.released.last))
    }

    /// In the draft, and in what was released since the index was made. In the newest version too: the list that the index
    /// was made of may have left it out (api.md 11, 12). Where somebody else's upload has the address of the name, only a
    /// list can tell whether ours is there too.
    private func askServer(
        _ search: UploadSearch, in reference: TableReference, _ table: RemoteTable
    ) async throws(Failure) -> RemoteUpload? {
        let listed = try await ports.queue.remoteIndex(of: table.key).newestReleased
        let beforeNewest = table.released.dropLast().last
        let since = listed.flatMap { listed in beforeNewest.map { min(listed, $0) } }
        let versions = [.draft] + table.versions(releasedAfter: since).filter { $0 != .draft }
        let answer = try await address(search, in: versions, reference)
        guard answer.found == nil, answer.isOthers else { return answer.found }
        try await sweep(reference)
        return try await ports.queue.knownUpload(named: search.name, of: table.key)
    }

    /// One listing that begins after the window.
    private func openGate(_ reference: TableReference) async throws(Failure) {
        guard let key = tables[reference]?.table.key else { return }
        try await alone(with: key) { () async throws(Failure) in
            guard let entry = tables[reference], case .closed = entry.gate else { return }
            try await bringUpToDate(reference, key, gate: .open)
            // Of every spelling: what an earlier run had posted is known now.
            for (other, entry) in tables where entry.table.key == key { tables[other]?.gate = .open }
        }
    }

    /// Takes one of our uploads off its table, and out of what is remembered of it.
    func withdraw(uri: String, of delivery: Delivery) async throws(Failure) {
        try await ports.remote(for: delivery.table).withdraw(uri: uri)
        if let key = delivery.tableKey { try await ports.queue.forgetUpload(uri: uri, of: key) }
    }

    /// Everything in the draft and in the versions released since that bears one of these tags, by tag.
    func uploads(
        bearing tags: Set<String>, in reference: TableReference, releasedAfter newest: VersionTag?
    ) async throws(Failure) -> (met: [String: [MetUpload]], began: MonotonicInstant) {
        let met = Gathered<[String: [MetUpload]]>([:])
        let report = try await observer(of: reference).read(
            TableObserver.Reader(releasedAfter: newest, gathering: Self.gathering) { page throws(Failure) in
                // Listed from its beginning once more, where a version was released meanwhile.
                if page.place.isFirst {
                    await met.change { $0 = $0.mapValues { $0.filter { $0.version != page.place.version } } }
                }
                for upload in page.uploads {
                    for tag in Set(UploadName.tags(in: upload.name)).intersection(tags) {
                        await met.change { $0[tag, default: []].append(MetUpload(upload, in: page.place.version)) }
                    }
                }
                return false
            })
        if let table = report.table { note(table, of: reference) }
        return (await met.value, report.began)
    }

    /// How long a walk waits for others that want to know something too.
    static let gathering: Duration = .milliseconds(200)
    /// The same for doubts, which were there for `registration_doubt` already: those that began together end together.
    static let gatheringOfDoubts: Duration = .seconds(1)

    /// One upload by the address of its name, in each of these versions.
    ///
    /// - Returns: also whether somebody else's upload was met there.
    private func address(
        _ search: UploadSearch, in versions: [TableVersion], _ reference: TableReference
    ) async throws(Failure) -> (found: RemoteUpload?, isOthers: Bool) {
        var isOthers = false
        for version in versions {
            let answer = try await ports.remote(for: reference).upload(named: search.name, of: reference, in: version)
            guard let answer else { continue }
            if search.rank(answer) != nil { return (answer, isOthers) }
            isOthers = true
        }
        return (nil, isOthers)
    }

    /// One upload by the address of its name: in the draft, and in the newest version that was released.
    func upload(_ search: UploadSearch, in reference: TableReference) async throws(Failure) -> RemoteUpload? {
        let released = tables[reference]?.table.released.suffix(1).map { TableVersion.released($0) } ?? []
        return try await address(search, in: [.draft] + released, reference).found
    }

    /// An upload that a listing did not show: by its uri, and where its name is made of its content, by that.
    func find(
        _ registration: Registration, of delivery: Delivery, in reference: TableReference
    ) async throws(Failure) -> RemoteUpload? {
        if let upload = try await ports.remote(for: reference).upload(uri: registration.uri) { return upload }
        guard delivery.isKnownByName else { return nil }
        let table = try await ports.remote(for: reference).table(reference)
        return try await address(
            UploadSearch(registration.name, of: delivery),
            in: table.versions(releasedAfter: registration.newestReleased), reference
        ).found
    }

    /// The look-up in doubt: the server itself is asked, in the draft and in every version released since.
    ///
    /// - Parameter windowEnds: from then on a walk proves that nothing is there.
    func lookUpOnServer(
        _ search: UploadSearch, in reference: TableReference, releasedAfter newest: VersionTag?,
        windowEnds: MonotonicInstant
    ) async throws(Failure) -> DeliveryEvent {
        let begun = ports.clock.now().monotonic
        let evidence = DoubtEvidence.cheapest(
            mustProve: begun.reached(windowEnds) ?? false, doubts: noteDoubt(search.name, in: reference, at: begun),
            pages: await observer(of: reference).draftPages)
        switch evidence {
        case .address:
            // The newest ones: the walk that ends the doubt meets all of them.
            let released = tables[reference]?.table.versions(releasedAfter: newest).filter { $0 != .draft } ?? []
            if let upload = try await address(search, in: [.draft] + released.suffix(2), reference).found {
                return .registrationFound(upload, newestReleased: newest)
            }
            return .registrationAbsent(
                LookUpReport(begun: begun, newestReleased: tables[reference]?.table.released.last ?? newest))
        case .walk:
            return try await walkInDoubt(search, in: reference, releasedAfter: newest)
        }
    }

    private func walkInDoubt(
        _ search: UploadSearch, in reference: TableReference, releasedAfter newest: VersionTag?
    ) async throws(Failure) -> DeliveryEvent {
        let best = Gathered<RemoteUpload?>(nil)
        let report = try await observer(of: reference).read(
            TableObserver.Reader(releasedAfter: newest, gathering: Self.gatheringOfDoubts) { page throws(Failure) in
                for upload in page.uploads {
                    guard let rank = search.rank(upload) else { continue }
                    await best.change { best in
                        if rank < best.flatMap(search.rank) ?? .max { best = upload }
                    }
                }
                return await best.value.flatMap(search.rank) == 0
            })
        if let table = report.table { note(table, of: reference) }
        if let found = await best.value { return .registrationFound(found, newestReleased: newest) }
        // A list may leave out what is there (api.md 11, 12): absent is what its address does not lead to either.
        let table = try Self.known(report.table)
        if let found = try await address(search, in: table.versions(releasedAfter: newest), reference).found {
            return .registrationFound(found, newestReleased: newest)
        }
        return .registrationAbsent(LookUpReport(begun: report.began, newestReleased: table.released.last))
    }

    /// - Returns: how many are in doubt about this table.
    private func noteDoubt(_ name: String, in reference: TableReference, at now: MonotonicInstant) -> Int {
        let recent = doubts[reference, default: [:]].filter { _, asked in
            now.reached(asked.advanced(by: Self.doubtLasts)) == false
        }
        doubts[reference] = recent.merging([name: now]) { _, new in new }
        return doubts[reference, default: [:]].count
    }

    /// Twice as long as the pause between two look-ups of one doubt.
    static let doubtLasts: Duration = .seconds(10)
}
