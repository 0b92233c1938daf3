extension Catalog {
    /// Carries out one request of the API. Throws what the API refuses.
    func answer(_ call: APICall) throws(APIFailure) -> Answer {
        switch call.kind {
        case .getDataset, .headDataset: try showDataset(call)
        case .listVersions: try listVersions(call)
        case .getVersion, .headVersion: try showVersion(call)
        case .postVersions: try openVersion(call)
        case .deleteVersion: try deleteVersion(call)
        case .release: try release(call)
        case .listTables: try listTables(call)
        case .postTables: try createTable(call)
        case .getTable, .headTable: .json(200, resource(try place(call.tableReference()), isFull: true))
        case .patchTable: try patchTable(call)
        case .deleteTable: try deleteTable(call)
        case .listUploads: try listUploads(call)
        case .postUploads: try register(call)
        case .getUpload, .headUpload: try showUpload(call)
        case .deleteUpload: try deleteUpload(call)
        case .openSession: try openDocumentedSession(call)
        case .tempUploads: try openTempUploads(call)
        case .startSession, .putChunk, .queryStatus, .putWhole, .deleteSession, .unknown:
            throw .notFound("no such resource")
        }
    }

    /// The status of a POST that creates something, or that opens a place for bytes.
    func created(isOpening: Bool = false) -> Int {
        switch switches.postStatus {
        case .mixed: isOpening ? 200 : 201
        case .ok: 200
        case .created: 201
        }
    }

    /// One page of a list. `items` are in the order of their keys; the token is the last key shown.
    func page<Item>(
        _ items: [Item], key: (Item) -> Int64, call: APICall, kind: String, show: (Item) -> JSON
    ) throws(APIFailure) -> Answer {
        var size = min(100, pageSizeCap)
        if let text = try call.parameter("maxResults") {
            guard let number = ContentRange.digits(text), number > 0 else {
                throw .invalid("maxResults must be a positive number.")
            }
            size = Int(min(number, Int64(pageSizeCap)))
        }
        var start = 0
        if let token = try call.parameter("pageToken"), !token.isEmpty {
            guard token.hasPrefix("p"), let after = ContentRange.digits(token.dropFirst()) else {
                throw .invalid("pageToken is not one that was given out.")
            }
            // Binary search, so that the last page of thousands costs what the first one does.
            var end = items.count
            while start < end {
                let middle = (start + end) / 2
                if key(items[middle]) <= after { start = middle + 1 } else { end = middle }
            }
        }
        let shown = items[start..<min(start + size, items.count)]
        let hasMore = start + shown.count < items.count
        return .json(
            200,
            [
                "kind": .string(kind), "results": .array(shown.map(show)),
                "nextPageToken": hasMore ? .optional(shown.last.map { "p\(key($0))" }) : .null,
            ])
    }
}
