extension Catalog {
    func showDataset(_ call: APICall) throws(APIFailure) -> Answer {
        let reference = try call.datasetReference()
        let dataset = try dataset(reference)
        return .json(200, resource(dataset, try version(reference.version, of: dataset)))
    }

    func listVersions(_ call: APICall) throws(APIFailure) -> Answer {
        let dataset = try dataset(call.datasetReference())
        let live = dataset.versions.filter { !$0.isDeleted }
        return try page(live, key: { Int64($0.index) + 1 }, call: call, kind: "versionList") {
            resource($0, of: dataset, isFull: false)
        }
    }

    private func namedVersion(_ call: APICall) throws(APIFailure) -> (Dataset, Version) {
        let dataset = try dataset(call.datasetReference())
        guard let tag = call.item.flatMap({ VersionReference($0) }) else {
            throw .invalid("\(call.item ?? "") is not a version tag.")
        }
        return (dataset, try version(tag, of: dataset))
    }

    func showVersion(_ call: APICall) throws(APIFailure) -> Answer {
        let (dataset, version) = try namedVersion(call)
        return .json(200, resource(version, of: dataset, isFull: true))
    }

    /// Opens the next version: a draft with the tables of the one before, whose uploads it does not list.
    func openVersion(_ call: APICall) throws(APIFailure) -> Answer {
        guard call.body.isEmpty else { throw .invalid("The request body must be empty.") }
        let dataset = try dataset(call.datasetReference())
        if let draft = dataset.draft {
            switch switches.secondVersion {
            case .refuse: throw APIFailure(400, "invalid_state", "\(dataset.name) has a next version already.")
            case .existing: return .json(200, resource(draft, of: dataset, isFull: true))
            }
        }
        let now = transfers.clock.now()
        let draft = Version(index: (dataset.versions.last?.index ?? -1) + 1, created: now)
        for table in dataset.current?.tables ?? [] {
            draft.tables.append(
                Table(
                    id: table.id, name: table.name, mergeStrategy: table.mergeStrategy, isFileIndex: table.isFileIndex,
                    description: table.description, created: table.created, aliases: table.aliases))
        }
        dataset.versions.append(draft)
        try persist { try saveCatalog() }
        return .json(created(), resource(draft, of: dataset, isFull: true))
    }

    func deleteVersion(_ call: APICall) throws(APIFailure) -> Answer {
        let (dataset, version) = try namedVersion(call)
        try requireDraft(version, of: dataset)
        try delete(version, of: dataset)
        return Answer(status: 200)
    }

    func delete(_ version: Version, of dataset: Dataset) throws(APIFailure) {
        version.isDeleted = true
        for table in version.tables { try discardUploads(of: Place(dataset: dataset, version: version, table: table)) }
        try persist { try saveCatalog() }
    }

    func release(_ call: APICall) throws(APIFailure) -> Answer {
        let notes = call.body.isEmpty ? nil : try call.jsonBody()["releaseNotes"]
        let (dataset, version) = try namedVersion(call)
        try release(version, of: dataset, notes: notes?.text)
        return .json(200, resource(version, of: dataset, isFull: true))
    }

    func release(_ version: Version, of dataset: Dataset, notes: String?) throws(APIFailure) {
        if let obstacle = obstacle(toReleasing: version) { throw APIFailure(400, "invalid_state", obstacle) }
        if let last = dataset.current?.tag {
            version.tag =
                version.isBreaking
                ? VersionTag(major: last.major + 1, minor: 0) : VersionTag(major: last.major, minor: last.minor + 1)
        } else {
            version.tag = VersionTag(major: 1, minor: 0)
        }
        version.released = transfers.clock.now()
        version.releaseNotes = notes
        try persist { try saveCatalog() }
    }

    /// Marks the uploads of a table that goes away as deleted, for readers of the directory.
    func discardUploads(of place: Place) throws(APIFailure) {
        for upload in place.table.uploads {
            upload.isDeleted = true
            try persist { try save(upload, at: place) }
        }
    }
}
