extension Catalog {
    // MARK: Writing

    func saveCatalog() throws {
        let value: JSON = ["format": 1, "datasets": .array(datasets.map(Self.json))]
        try Files.replace(directory.catalog, with: value.bytes + [0x0A])
    }

    private static func json(_ dataset: Dataset) -> JSON {
        [
            "owner": .string(dataset.owner), "name": .string(dataset.name), "id": .string(dataset.id),
            "aliases": .array(dataset.aliases.map { .string($0) }), "created": .integer(dataset.created),
            "versions": .array(dataset.versions.map(json)),
        ]
    }

    private static func json(_ version: Version) -> JSON {
        [
            "index": .integer(Int64(version.index)), "tag": .string(version.pathTag),
            "created": .integer(version.created),
            "released": .optional(version.released), "releaseNotes": .optional(version.releaseNotes),
            "deleted": .bool(version.isDeleted), "changed": .bool(version.isChanged),
            "breaking": .bool(version.isBreaking), "tables": .array(version.tables.map(json)),
        ]
    }

    private static func json(_ table: Table) -> JSON {
        [
            "id": .string(table.id), "aliases": .array(table.aliases.map { .string($0) }), "name": .string(table.name),
            "uploadMergeStrategy": .string(table.mergeStrategy), "isFileIndex": .bool(table.isFileIndex),
            "description": .optional(table.description), "created": .integer(table.created),
        ]
    }

    func save(_ upload: Upload, at place: Place) throws {
        let value: JSON = [
            "number": .integer(upload.number), "owner": .string(place.dataset.owner),
            "dataset": .string(place.dataset.name), "datasetId": .string(place.dataset.id),
            "table": .string(place.table.name), "tableId": .string(place.table.id),
            "version": .integer(Int64(place.version.index)), "name": .string(upload.name),
            "requestedName": .string(upload.requestedName), "status": .string(upload.status.rawValue),
            "deleted": .bool(upload.isDeleted), "object": .string(upload.object.id),
            "size": .integer(upload.object.size), "md5": .optional(upload.object.md5),
            "reportedSize": .optional(upload.reportedSize), "reportedMd5": .optional(upload.reportedMD5),
            "via": .string(upload.via), "uploadId": .optional(upload.uploadID), "created": .integer(upload.created),
            "completed": .optional(upload.completed), "errorMessage": .optional(upload.errorMessage),
            "fields": upload.fields,
        ]
        try Files.replace(directory.registration(upload.number), with: value.bytes + [0x0A])
    }

    // MARK: Taking up again

    static func restore(from directory: SandboxDirectory) throws -> ([Dataset], Int64) {
        guard let content = try Files.read(directory.catalog) else { return ([], 100_000) }
        let root = try JSONParser.parse(content)
        let datasets = (root["datasets"]?.elements ?? []).compactMap(dataset)
        var last: Int64 = 100_000
        let numbers = try Files.names(in: directory.registrations)
            .compactMap { $0.hasSuffix(".json") ? ContentRange.digits($0.dropLast(5)) : nil }.sorted()
        for number in numbers {
            last = max(last, number)
            guard let bytes = try Files.read(directory.registration(number)) else { continue }
            restore(try JSONParser.parse(bytes), into: datasets)
        }
        return (datasets, last)
    }

    private static func restore(_ json: JSON, into datasets: [Dataset]) {
        guard json["deleted"]?.boolean == false, let upload = upload(json),
            let dataset = datasets.first(where: { $0.id == json["datasetId"]?.text }),
            let index = json["version"]?.integer,
            let version = dataset.versions.first(where: { Int64($0.index) == index }),
            let table = version.tables.first(where: { $0.id == json["tableId"]?.text })
        else { return }
        table.add(upload)
    }

    private static func upload(_ json: JSON) -> Upload? {
        guard let number = json["number"]?.integer, let name = json["name"]?.text, let object = json["object"]?.text,
            let size = json["size"]?.integer, let created = json["created"]?.integer
        else { return nil }
        let upload = Upload(
            number: number, name: name, requestedName: json["requestedName"]?.text ?? name,
            object: StoredObject(id: object, size: size, md5: json["md5"]?.text), via: json["via"]?.text ?? "",
            uploadID: json["uploadId"]?.text, created: created, fields: json["fields"] ?? .object([]))
        upload.status = json["status"]?.text.flatMap(Upload.Status.init) ?? .queued
        upload.completed = json["completed"]?.integer
        upload.errorMessage = json["errorMessage"]?.text
        upload.reportedSize = json["reportedSize"]?.integer
        upload.reportedMD5 = json["reportedMd5"]?.text
        return upload
    }

    private static func dataset(_ json: JSON) -> Dataset? {
        guard let owner = json["owner"]?.text, let name = json["name"]?.text, let id = json["id"]?.text,
            let created = json["created"]?.integer
        else { return nil }
        let dataset = Dataset(owner: owner, name: name, id: id, created: created)
        dataset.aliases = (json["aliases"]?.elements ?? []).compactMap(\.text)
        dataset.versions = (json["versions"]?.elements ?? []).compactMap(version)
        return dataset
    }

    private static func version(_ json: JSON) -> Version? {
        guard let index = json["index"]?.integer, let created = json["created"]?.integer, let tag = json["tag"]?.text,
            let reference = VersionReference(tag)
        else { return nil }
        let version = Version(index: Int(clamping: index), created: created)
        if case .tag(let major, let minor) = reference { version.tag = VersionTag(major: major, minor: minor) }
        version.released = json["released"]?.integer
        version.releaseNotes = json["releaseNotes"]?.text
        version.isDeleted = json["deleted"]?.boolean ?? false
        version.isChanged = json["changed"]?.boolean ?? false
        version.isBreaking = json["breaking"]?.boolean ?? false
        version.tables = (json["tables"]?.elements ?? []).compactMap(table)
        return version
    }

    private static func table(_ json: JSON) -> Table? {
        guard let id = json["id"]?.text, let name = json["name"]?.text, let created = json["created"]?.integer else {
            return nil
        }
        return Table(
            id: id, name: name, mergeStrategy: json["uploadMergeStrategy"]?.text ?? "append",
            isFileIndex: json["isFileIndex"]?.boolean ?? false, description: json["description"]?.text,
            created: created, aliases: (json["aliases"]?.elements ?? []).compactMap(\.text))
    }
}
