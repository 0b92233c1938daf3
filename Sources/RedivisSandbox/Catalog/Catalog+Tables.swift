extension Catalog {
    private static let longestDescription = 5_000

    func listTables(_ call: APICall) throws(APIFailure) -> Answer {
        let reference = try call.datasetReference()
        let dataset = try dataset(reference)
        let version = try version(reference.version, of: dataset)
        let places = version.tables.map { Place(dataset: dataset, version: version, table: $0) }
        return try page(
            Array(places.enumerated()), key: { Int64($0.offset) + 1 }, call: call, kind: "tableList"
        ) { resource($0.element, isFull: false) }
    }

    func createTable(_ call: APICall) throws(APIFailure) -> Answer {
        let reference = try call.datasetReference()
        let dataset = try dataset(reference)
        let version = try version(reference.version, of: dataset)
        try requireDraft(version, of: dataset)
        let body = try call.jsonBody()
        guard let name = body["name"]?.text, !name.isEmpty else { throw .invalid("name is required.") }
        try requireFree(name, in: version, except: nil)
        let strategy = try mergeStrategy(body) ?? "append"
        let bare = makeTable(named: name, id: nil, in: dataset)
        let table = Table(
            id: bare.id, name: name, mergeStrategy: strategy, isFileIndex: body["isFileIndex"]?.boolean ?? false,
            description: try description(body), created: bare.created)
        version.tables.append(table)
        version.isChanged = true
        try persist { try saveCatalog() }
        return .json(created(), resource(Place(dataset: dataset, version: version, table: table), isFull: true))
    }

    func patchTable(_ call: APICall) throws(APIFailure) -> Answer {
        let place = try place(call.tableReference())
        try requireDraft(place.version, of: place.dataset)
        let body = try call.jsonBody()
        let strategy = try mergeStrategy(body)
        let description = try description(body)
        if let name = body["name"]?.text {
            guard !name.isEmpty else { throw .invalid("name is empty.") }
            try requireFree(name, in: place.version, except: place.table)
            if NameFolding.fold(name) != place.table.folded { place.version.isBreaking = true }
            place.table.name = name
        }
        if let strategy { place.table.mergeStrategy = strategy }
        if body["description"] != nil { place.table.description = description }
        place.version.isChanged = true
        try persist { try saveCatalog() }
        return .json(200, resource(place, isFull: true))
    }

    func deleteTable(_ call: APICall) throws(APIFailure) -> Answer {
        let place = try place(call.tableReference())
        try requireDraft(place.version, of: place.dataset)
        place.version.tables.removeAll { $0.id == place.table.id }
        place.version.isChanged = true
        if place.dataset.current?.tables.contains(where: { $0.id == place.table.id }) == true {
            place.version.isBreaking = true
        }
        try discardUploads(of: place)
        try persist { try saveCatalog() }
        return Answer(status: 200)
    }

    /// Table names are unique within a version, ignoring case and everything that is not a word character.
    private func requireFree(_ name: String, in version: Version, except own: Table?) throws(APIFailure) {
        let folded = NameFolding.fold(name)
        guard !version.tables.contains(where: { $0.folded == folded && $0.id != own?.id }) else {
            throw APIFailure(400, "already_exists", "A table named \(name) already exists in this version.")
        }
    }

    private func mergeStrategy(_ body: JSON) throws(APIFailure) -> String? {
        guard let given = body["uploadMergeStrategy"], !given.isNull else { return nil }
        guard let strategy = given.text, strategy == "append" || strategy == "replace" else {
            throw .invalid("uploadMergeStrategy must be append or replace.")
        }
        return strategy
    }

    private func description(_ body: JSON) throws(APIFailure) -> String? {
        guard let text = body["description"]?.text else { return nil }
        guard text.count <= Self.longestDescription else {
            throw .invalid("description has more than \(Self.longestDescription) characters.")
        }
        return text
    }
}
