// The resources as the API shows them (docs: resource definitions of dataset, version, table and upload).
extension Catalog {
    func reference(_ dataset: Dataset, _ version: Version) -> String {
        "\(dataset.owner).\(dataset.folded):\(dataset.id):\(version.referenceTag)"
    }

    func reference(_ place: Place) -> String {
        "\(reference(place.dataset, place.version)).\(place.table.folded):\(place.table.id)"
    }

    /// One path segment of a `uri`: documentation shows colons as they are, a switch escapes them.
    func segment(_ text: String) -> String {
        switch switches.uriEncoding {
        case .raw: Percent.encode(text, keeping: ":")
        case .encoded: Percent.encode(text)
        }
    }

    // MARK: Datasets and versions

    func resource(_ dataset: Dataset, _ version: Version) -> JSON {
        let reference = reference(dataset, version)
        let uri = "/datasets/\(segment(reference))"
        return [
            "kind": "dataset", "uri": .string(uri), "url": .string(apiOrigin + "/api/v1" + uri),
            "qualifiedReference": .string(reference),
            "scopedReference": .string("\(dataset.folded):\(dataset.id):\(version.referenceTag)"),
            "referenceId": .string(dataset.id), "name": .string(dataset.name),
            "owner": [
                "kind": "organization", "name": .string(dataset.owner), "shortName": .string(dataset.owner),
                "uri": .string("/organizations/\(dataset.owner)"),
            ],
            "version": resource(version, of: dataset, isFull: false),
            "nextVersion": dataset.draft.map { resource($0, of: dataset, isFull: false) } ?? .null,
            "tableCount": .integer(Int64(version.tables.count)), "createdAt": .integer(dataset.created),
        ]
    }

    func resource(_ version: Version, of dataset: Dataset, isFull: Bool) -> JSON {
        let bare = "\(dataset.owner).\(dataset.folded):\(dataset.id)"
        let uri = "/datasets/\(segment(bare))/versions/\(version.pathTag)"
        var members: [JSON.Member] = [
            .init(key: "kind", value: "version"), .init(key: "tag", value: .string(version.pathTag)),
            .init(key: "index", value: .integer(Int64(version.index))), .init(key: "label", value: .null),
            .init(key: "url", value: .string(apiOrigin + "/api/v1" + uri)), .init(key: "uri", value: .string(uri)),
            .init(key: "datasetUri", value: .string("/datasets/\(segment(reference(dataset, version)))")),
            .init(key: "isReleased", value: .bool(version.tag != nil)),
            .init(key: "isDeleted", value: .bool(version.isDeleted)),
            .init(key: "createdAt", value: .integer(version.created)),
            .init(key: "updatedAt", value: .integer(version.released ?? version.created)),
            .init(key: "releasedAt", value: .optional(version.released)),
        ]
        guard isFull else { return .object(members) }
        let position = dataset.versions.firstIndex { $0.index == version.index } ?? 0
        let before = dataset.versions[..<position].last { !$0.isDeleted }
        let after = dataset.versions[position...].dropFirst().first { !$0.isDeleted }
        members += [
            .init(key: "releaseNotes", value: .optional(version.releaseNotes)),
            .init(key: "canRelease", value: .bool(obstacle(toReleasing: version) == nil)),
            .init(key: "previousVersion", value: before.map { resource($0, of: dataset, isFull: false) } ?? .null),
            .init(key: "nextVersion", value: after.map { resource($0, of: dataset, isFull: false) } ?? .null),
            .init(key: "status", value: version.tag == nil ? .null : "completed"),
            .init(key: "releaseErrorMessage", value: .null),
        ]
        return .object(members)
    }

    /// Why a version cannot be released now; nil where it can.
    func obstacle(toReleasing version: Version) -> String? {
        guard version.tag == nil else { return "The version is released already." }
        guard version.isChanged else { return "Nothing has changed since the version before." }
        for table in version.tables {
            for upload in table.uploads {
                switch upload.status {
                case .completed: continue
                case .queued, .running: return "Uploads are in progress on table \(table.name)."
                case .failed: return "An upload has failed on table \(table.name)."
                }
            }
        }
        return nil
    }

    // MARK: Tables

    func uri(_ place: Place) -> String { "/tables/\(segment(reference(place)))" }

    func resource(_ place: Place, isFull: Bool) -> JSON {
        let table = place.table
        let uri = uri(place)
        var members: [JSON.Member] = [
            .init(key: "kind", value: "table"), .init(key: "uri", value: .string(uri)),
            .init(key: "url", value: .string(apiOrigin + "/api/v1" + uri)),
            .init(key: "qualifiedReference", value: .string(reference(place))),
            .init(key: "scopedReference", value: .string("\(table.folded):\(table.id)")),
            .init(key: "referenceId", value: .string(table.id)), .init(key: "name", value: .string(table.name)),
            .init(key: "hash", value: .null), .init(key: "isSample", value: false),
            .init(key: "isFileIndex", value: .bool(table.isFileIndex)),
            .init(key: "createdAt", value: .integer(table.created)),
            .init(key: "updatedAt", value: .integer(table.uploads.last?.created ?? table.created)),
            .init(key: "description", value: .optional(table.description)), .init(key: "numRows", value: .null),
            .init(key: "numBytes", value: .integer(table.uploads.reduce(0) { $0 &+ $1.object.size })),
            .init(key: "uploadMergeStrategy", value: .string(table.mergeStrategy)),
            .init(key: "variableCount", value: 0),
        ]
        guard isFull else { return .object(members) }
        members.append(.init(key: "container", value: resource(place.dataset, place.version)))
        return .object(members)
    }

    // MARK: Uploads

    func resource(_ upload: Upload, at place: Place, base: String, isFull: Bool) -> JSON {
        let last = switches.uploadURI == .id ? String(upload.number) : upload.folded
        let uri = "\(base)/uploads/\(last)"
        let tells = upload.status == .completed || switches.hashWhen == .atOnce
        let size = tells ? upload.reportedSize : nil
        var members: [JSON.Member] = [
            .init(key: "kind", value: "upload"), .init(key: "uri", value: .string(uri)),
            .init(key: "url", value: .string(apiOrigin + "/api/v1" + uri)),
            .init(key: "name", value: .string(upload.name)),
            .init(key: "status", value: .string(upload.status.rawValue)),
            .init(key: "hash", value: tells ? hash(upload) : .null),
            .init(key: "size", value: sized(size)), .init(key: "numRows", value: .null),
            .init(key: "numBytes", value: sized(size)),
        ]
        guard isFull else { return .object(members) }
        for key in Self.settings { members.append(.init(key: key, value: upload.fields[key] ?? .null)) }
        members.append(.init(key: "badRecordsCount", value: 0))
        members.append(.init(key: "errorMessage", value: .optional(upload.errorMessage)))
        return .object(members)
    }

    static let settings = [
        "type", "hasHeaderRow", "delimiter", "quoteCharacter", "escapeCharacter", "skipBadRecords",
        "hasQuotedNewlines", "allowJaggedRows", "nullMarkers",
    ]

    func sized(_ size: Int64?) -> JSON {
        guard let size else { return .null }
        switch switches.size {
        case .number: return .integer(size)
        case .string: return .string(String(size))
        }
    }

    private func hash(_ upload: Upload) -> JSON {
        guard let md5 = upload.reportedMD5 else { return .null }
        switch switches.hash {
        case .hex: return .string(md5)
        case .base64: return .optional(Hexadecimal.decode(md5).map(Base64.encode))
        case .none: return .null
        }
    }
}
