/// Datasets, versions, tables and uploads: what the API knows. One actor, so that every request sees one moment.
actor Catalog {
    let directory: SandboxDirectory
    let transfers: TransferStore
    let jobs: JobQueue
    let strictTables: Bool
    let pageSizeCap: Int
    let importDelays: (queued: Int, running: Int)
    var switches: SandboxSwitches
    var datasets: [Dataset] = []
    var lastUploadNumber: Int64 = 100_000
    /// `http://127.0.0.1:PORT` of both servers, known once they listen.
    var apiOrigin = ""
    var storageOrigin = ""

    init(configuration: SandboxConfiguration, directory: SandboxDirectory, transfers: TransferStore, jobs: JobQueue)
        throws
    {
        self.directory = directory
        self.transfers = transfers
        self.jobs = jobs
        strictTables = configuration.strictTables
        pageSizeCap = min(max(1, configuration.pageSizeCap), 1_000_000)
        importDelays = (configuration.queuedMilliseconds, configuration.runningMilliseconds)
        switches = configuration.switches
        (datasets, lastUploadNumber) = try Self.restore(from: directory)
        for text in configuration.datasets {
            let seed = try DatasetSeed(text)
            try Self.plant(seed, in: &datasets, now: transfers.clock.now())
        }
    }

    func setOrigins(api: String, storage: String) throws {
        apiOrigin = api
        storageOrigin = storage
        try saveCatalog()
        resumeImports()
    }

    func setSwitches(_ switches: SandboxSwitches) { self.switches = switches }

    // MARK: Finding what a reference names

    func dataset(_ reference: DatasetReference) throws(APIFailure) -> Dataset {
        let owner = reference.owner.lowercased()
        let owned = datasets.filter { $0.owner.lowercased() == owner }
        if let id = reference.id, let found = owned.first(where: { $0.id == id || $0.aliases.contains(id) }) {
            return found
        }
        let folded = NameFolding.fold(reference.name)
        if let found = owned.first(where: { $0.folded == folded }) {
            guard let id = reference.id else { return found }
            guard !strictTables else { throw .notFound("\(reference.owner).\(reference.name):\(id)") }
            found.aliases.append(id)
            try persist { try saveCatalog() }
            return found
        }
        guard !strictTables else { throw .notFound("\(reference.owner).\(reference.name)") }
        let made = Self.makeDataset(
            owner: reference.owner, name: reference.name, id: reference.id, in: &datasets, now: transfers.clock.now())
        made.versions = [Version(index: 0, created: made.created)]
        try persist { try saveCatalog() }
        return made
    }

    static func makeDataset(
        owner: String, name: String, id: String?, in datasets: inout [Dataset], now: Int64
    ) -> Dataset {
        let known = datasets
        let id =
            id
            ?? ReferenceID.make("\(owner.lowercased()).\(NameFolding.fold(name))") { candidate in
                known.contains { $0.id == candidate || $0.aliases.contains(candidate) }
            }
        let dataset = Dataset(owner: owner, name: name, id: id, created: now)
        datasets.append(dataset)
        return dataset
    }

    func version(_ reference: VersionReference, of dataset: Dataset) throws(APIFailure) -> Version {
        let found: Version?
        switch reference {
        case .unnamed: found = dataset.current ?? dataset.draft
        case .current: found = dataset.current
        case .next: found = dataset.draft
        case .tag(let major, let minor):
            found = dataset.versions.first { $0.tag == VersionTag(major: major, minor: minor) }
        }
        guard let found else { throw .notFound("\(dataset.name):\(Self.words(reference))") }
        return found
    }

    static func words(_ reference: VersionReference) -> String {
        switch reference {
        case .unnamed, .current: "current"
        case .next: "next"
        case .tag(let major, let minor): "v\(major)_\(minor)"
        }
    }

    /// A table with its place. Where nothing is strict, a draft has every table that is asked for.
    struct Place {
        var dataset: Dataset
        var version: Version
        var table: Table

        var key: String { "\(dataset.id).\(table.id)" }
    }

    func place(_ reference: TableReference) throws(APIFailure) -> Place {
        guard !reference.dataset.isSample else { throw .notFound("the sandbox has no samples") }
        let dataset = try dataset(reference.dataset)
        let version = try version(reference.dataset.version, of: dataset)
        if let id = reference.id,
            let table = version.tables.first(where: { $0.id == id || $0.aliases.contains(id) })
        {
            return Place(dataset: dataset, version: version, table: table)
        }
        let folded = NameFolding.fold(reference.name)
        if let table = version.tables.first(where: { $0.folded == folded }) {
            guard let id = reference.id else { return Place(dataset: dataset, version: version, table: table) }
            guard !strictTables else { throw .notFound("\(reference.name):\(id)") }
            table.aliases.append(id)
            try persist { try saveCatalog() }
            return Place(dataset: dataset, version: version, table: table)
        }
        guard !strictTables, version.tag == nil else {
            throw .notFound("\(dataset.owner).\(dataset.folded):\(dataset.id).\(reference.name)")
        }
        let table = makeTable(named: reference.name, id: reference.id, in: dataset)
        version.tables.append(table)
        try persist { try saveCatalog() }
        return Place(dataset: dataset, version: version, table: table)
    }

    func makeTable(named name: String, id: String?, in dataset: Dataset) -> Table {
        let text = "\(dataset.owner.lowercased()).\(dataset.folded).\(NameFolding.fold(name))"
        let id =
            id
            ?? ReferenceID.make(text) { candidate in
                dataset.versions.contains { version in
                    version.tables.contains { $0.id == candidate || $0.aliases.contains(candidate) }
                }
            }
        return Table(id: id, name: name, created: transfers.clock.now())
    }

    /// Refuses a write to anything but a draft.
    func requireDraft(_ version: Version, of dataset: Dataset) throws(APIFailure) {
        guard let tag = version.tag else { return }
        let message = "Version \(tag.dotted) of \(dataset.name) is released and cannot be changed."
        switch switches.releasedWrite {
        case .badRequest: throw APIFailure(400, "invalid_state", message)
        case .forbidden: throw APIFailure(403, "forbidden", message)
        case .notFound: throw .notFound("\(dataset.name):next")
        }
    }

    /// Turns a failure to write the sandbox's own files into what a server says when its disk fails.
    func persist(_ write: () throws -> Void) throws(APIFailure) {
        do {
            try write()
        } catch {
            throw APIFailure(500, "internal_error", "The sandbox cannot keep its state: \(error)")
        }
    }
}
