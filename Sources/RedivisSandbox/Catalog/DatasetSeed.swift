/// A dataset that is there from the start, for strict tables: `owner.name[=draft|released|released+draft]`.
struct DatasetSeed {
    var reference: DatasetReference
    var isReleased: Bool
    var hasDraft: Bool

    struct ParseError: Error, CustomStringConvertible {
        var description: String
    }

    init(_ text: String) throws(ParseError) {
        let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let reference = halves.first.flatMap({ DatasetReference($0) }), reference.version == .unnamed else {
            throw ParseError(description: "dataset \(text): write owner.dataset or owner.dataset:id, without a version")
        }
        self.reference = reference
        switch halves.count == 2 ? halves[1] : "draft" {
        case "draft": (isReleased, hasDraft) = (false, true)
        case "released": (isReleased, hasDraft) = (true, false)
        case "released+draft": (isReleased, hasDraft) = (true, true)
        default:
            throw ParseError(description: "dataset \(text): after = write draft, released or released+draft")
        }
    }
}

extension Catalog {
    /// Creates the dataset unless one of that name is there already, as after a restart.
    static func plant(_ seed: DatasetSeed, in datasets: inout [Dataset], now: Int64) throws {
        let folded = NameFolding.fold(seed.reference.name)
        let owner = seed.reference.owner.lowercased()
        guard !datasets.contains(where: { $0.owner.lowercased() == owner && $0.folded == folded }) else { return }
        let dataset = makeDataset(
            owner: seed.reference.owner, name: seed.reference.name, id: seed.reference.id, in: &datasets, now: now)
        if seed.isReleased {
            let version = Version(index: 0, created: now)
            version.tag = VersionTag(major: 1, minor: 0)
            version.released = now
            dataset.versions.append(version)
        }
        if seed.hasDraft { dataset.versions.append(Version(index: dataset.versions.count, created: now)) }
    }

    /// Creates a dataset while the sandbox runs.
    func plant(_ text: String) throws {
        try Self.plant(try DatasetSeed(text), in: &datasets, now: transfers.clock.now())
        try saveCatalog()
    }

    /// Creates a table in a dataset's draft while the sandbox runs.
    func plantTable(_ text: String) throws {
        guard let reference = TableReference(text) else { throw APIFailure.invalid("not a table reference: \(text)") }
        let dataset = try dataset(reference.dataset)
        guard let draft = dataset.draft else { throw APIFailure.notFound("\(dataset.name):next") }
        guard !draft.tables.contains(where: { $0.folded == NameFolding.fold(reference.name) }) else { return }
        draft.tables.append(makeTable(named: reference.name, id: reference.id, in: dataset))
        draft.isChanged = true
        try saveCatalog()
    }
}
