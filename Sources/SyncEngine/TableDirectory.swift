import SyncCore

/// What is known of the tables: what Redivis calls them, whether a version is open, and which uploads they have.
///
/// The local index of a table's uploads is what makes "a look-up before every post" cheap. It is brought up to date
/// once at each start: the open draft, and every version released since the newest that the database knows; with a
/// new database all versions.
public actor TableDirectory {
    private let ports: EnginePorts
    private let doubt: Duration
    private let observer: EngineObserver
    private var tables: [TableReference: Entry] = [:]
    /// Listings under way that open a gate; callers of one table share them, since two would mix their pages.
    private var gateOpenings: [TableReference: Task<Failure?, Never>] = [:]

    private struct Entry {
        var table: RemoteTable
        var gate: Gate
    }

    /// A database without a past must let requests of that past be carried out or dropped.
    private enum Gate {
        case open
        case closed(until: MonotonicInstant)

        var stored: PostingGate {
            switch self {
            case .open: .open
            case .closed: .closed
            }
        }
    }

    public init(ports: EnginePorts, registrationDoubt: Duration, observer: @escaping EngineObserver) {
        self.ports = ports
        self.doubt = registrationDoubt
        self.observer = observer
    }

    /// Tables whose deliveries can be worked on.
    public var ready: Set<TableReference> { Set(tables.keys) }

    public func table(_ reference: TableReference) -> RemoteTable? { tables[reference]?.table }

    // MARK: Preparing

    /// Asks what the table is and brings the index of its uploads up to date.
    public func prepare(_ reference: TableReference) async throws(Failure) {
        let began = ports.clock.now().monotonic
        let found = try await ports.remote.table(reference)
        let index = try await ports.queue.remoteIndex(of: found.key)
        let table = try await list(reference, releasedAfter: index.isComplete ? index.newestReleased : nil)
        let remembers = index.isComplete && index.gate == .open
        let mayHavePast = try await ports.queue.remoteIndex(of: table.key).hasTaggedUploads
        let gate: Gate = remembers || !mayHavePast ? .open : .closed(until: began.advanced(by: doubt))
        try await ports.queue.closeListing(
            of: table.key, newestReleased: table.released.last, gate: gate.stored)
        tables[reference] = Entry(table: table, gate: gate)
        observer(.tableReady(reference, table))
    }

    /// Writes the uploads of the draft and of every version released after `newest` to the index.
    private func list(
        _ reference: TableReference, releasedAfter newest: VersionTag?
    ) async throws(Failure) -> RemoteTable {
        try await walk(reference, releasedAfter: newest) { [ports] table, version, uploads, isFirst, isLast throws(Failure) in
            try await ports.queue.recordListing(
                uploads, of: table.key, in: version, isFirst: isFirst, isLast: isLast)
        }
    }

    /// Walks the draft and every version released after `newest`. A release in the middle moves uploads from the one
    /// to the other, where neither listing would meet them: then the walk begins again.
    private func walk(
        _ reference: TableReference, releasedAfter newest: VersionTag?,
        visit: (RemoteTable, TableVersion, [RemoteUpload], _ isFirst: Bool, _ isLast: Bool) async throws(Failure) -> Void
    ) async throws(Failure) -> RemoteTable {
        var table = try await ports.remote.table(reference)
        while true {
            for version in table.versions(releasedAfter: newest) {
                var page: String?
                var isFirst = true
                repeat {
                    let answer = try await ports.remote.uploads(of: reference, in: version, page: page)
                    page = answer.nextPage
                    try await visit(table, version, answer.uploads, isFirst, page == nil)
                    isFirst = false
                } while page != nil
            }
            let after = try await ports.remote.table(reference)
            if after.hasDraft == table.hasDraft, after.released == table.released { return after }
            table = after
        }
    }

    // MARK: Versions

    /// Sees to it that an unreleased version is open, opening one where the mapping allows it.
    public func ensureDraft(of reference: TableReference, mayOpen: Bool) async throws(Failure) {
        guard let entry = tables[reference] else { return }
        guard !entry.table.hasDraft else { return }
        guard mayOpen else {
            throw Failure(
                .forbidden, scope: .destination, "the dataset of \(reference) has no unreleased version",
                hint: "open one on Redivis, or set create_version: true")
        }
        try await ports.remote.openVersion(of: reference)
        // Two statements: an await on the right of an optional chain would suspend inside the dictionary's accessor,
        // which corrupts the task's memory (Swift 6.3).
        let opened = try await ports.remote.table(reference)
        tables[reference]?.table = opened
    }

    /// The table refused a write: what is known of it may be old.
    /// - Returns: whether the draft had been released meanwhile, so that the write may be tried again.
    public func refresh(_ reference: TableReference) async -> Bool {
        guard let before = tables[reference]?.table, let now = try? await ports.remote.table(reference) else {
            return false
        }
        tables[reference]?.table = now
        return before.hasDraft && !now.hasDraft || before.released != now.released
    }

    // MARK: Looking up

    /// The look-up before a first post: the index is enough, once it remembers the table's past.
    public func lookUpBeforePost(_ name: String, in reference: TableReference) async throws(Failure) -> DeliveryEvent {
        guard let entry = tables[reference] else {
            throw Failure(.transient, scope: .destination, "the table \(reference) is not known yet")
        }
        switch entry.gate {
        case .open: break
        case .closed(let until):
            let now = ports.clock.now().monotonic
            guard now.reached(until) ?? true else { return .postingGated(until: until) }
            try await openGate(reference)
        }
        let begun = ports.clock.now().monotonic
        if let upload = try await ports.queue.knownUpload(named: name, of: entry.table.key) {
            return .registrationFound(upload, newestReleased: entry.table.released.last)
        }
        return .registrationAbsent(LookUpReport(begun: begun, newestReleased: entry.table.released.last))
    }

    /// One listing that begins after the window.
    private func openGate(_ reference: TableReference) async throws(Failure) {
        let opening =
            gateOpenings[reference]
            ?? Task {
                do throws(Failure) {
                    let known = tables[reference]?.table.released.last
                    let table = try await list(reference, releasedAfter: known)
                    try await ports.queue.closeListing(
                        of: table.key, newestReleased: table.released.last, gate: .open)
                    tables[reference] = Entry(table: table, gate: .open)
                    return nil
                } catch {
                    return error
                }
            }
        gateOpenings[reference] = opening
        let failure = await opening.value
        gateOpenings[reference] = nil
        if let failure { throw failure }
    }

    /// The look-up in doubt: the server itself is asked, in the draft and in every version released since.
    public func lookUpOnServer(
        _ name: String, in reference: TableReference, releasedAfter newest: VersionTag?
    ) async throws(Failure) -> DeliveryEvent {
        let begun = ports.clock.now().monotonic
        var best: (upload: RemoteUpload, rank: Int)?
        let table = try await walk(reference, releasedAfter: newest) { _, _, uploads, _, _ throws(Failure) in
            for upload in uploads {
                guard let rank = upload.rank(asOurs: name), rank < best?.rank ?? .max else { continue }
                best = (upload, rank)
            }
        }
        tables[reference]?.table = table
        if let found = best?.upload { return .registrationFound(found, newestReleased: newest) }
        return .registrationAbsent(LookUpReport(begun: begun, newestReleased: table.released.last))
    }
}

extension RemoteUpload {
    /// How surely this is the upload that we registered as `name`, the surest first; `nil` where it is not. A server
    /// that renames what meets a taken name keeps the tag, and the tag is of our path and content alone.
    fileprivate func rank(asOurs name: String) -> Int? {
        let hasFailed = if case .failed = status { true } else { false }
        if UploadName.isSame(self.name, name) { return hasFailed ? 2 : 0 }
        guard let tag = UploadName.tag(in: name), self.name.contains(tag) else { return nil }
        return hasFailed ? 3 : 1
    }
}

extension RemoteTable {
    /// The draft, where one is open, and the versions released after `newest` (all where it is `nil`).
    func versions(releasedAfter newest: VersionTag?) -> [TableVersion] {
        let since = released.filter { tag in newest.map { tag > $0 } ?? true }
        return (hasDraft ? [.draft] : []) + since.map { .released($0) }
    }
}
