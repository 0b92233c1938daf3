// The two ways to ask for a place to put bytes.
extension Catalog {
    /// `POST …/resumableUpload`: the size in the query and an empty body, as documented; the JSON form `{"size": N}`
    /// that old clients sent is taken too.
    func openDocumentedSession(_ call: APICall) throws(APIFailure) -> Answer {
        try requirePresent(switches.documentedEndpoint)
        let place = try writablePlace(call)
        let size: Int64?
        if call.body.isEmpty {
            size = try call.parameter("size").flatMap { ContentRange.digits($0) }
        } else {
            guard try call.parameter("size") == nil else { throw .invalid("The request body must be empty.") }
            size = try call.jsonBody()["size"]?.integer
        }
        guard let size, size >= 0 else { throw .invalid("size is required: the upload's size in bytes.") }
        let now = transfers.clock.now()
        var answer: Answer?
        try persist {
            let opened = try transfers.openTransfer(.documented, table: place.key, size: size, name: nil, now: now)
            let url = opened.session.map { sessionURL($0.id) } ?? ""
            answer = .json(
                created(isOpening: true),
                ["kind": "resumableUpload", "id": .string(opened.transfer.id), "url": .string(url)]
            ).noting("upload", .string(opened.transfer.id)).noting("session", .optional(opened.session?.id))
        }
        return answer ?? Answer(status: 500)
    }

    func openTempUploads(_ call: APICall) throws(APIFailure) -> Answer {
        try requirePresent(switches.tempEndpoint)
        let place = try writablePlace(call)
        guard let entries = try call.jsonBody()["tempUploads"]?.elements, !entries.isEmpty else {
            throw .invalid("tempUploads is required: a list of {size, name, resumable}.")
        }
        guard entries.count <= 1000 else { throw .invalid("At most 1000 temp uploads at once.") }
        let wanted = try entries.map { entry throws(APIFailure) in try wish(entry) }
        let now = transfers.clock.now()
        var results: [JSON] = []
        var ids: [JSON] = []
        try persist {
            for wish in wanted {
                let kind: Transfer.Kind = wish.resumable ? .resumable : .whole
                let transfer = try transfers.openTransfer(
                    kind, table: place.key, size: wish.size, name: wish.name, now: now
                ).transfer
                ids.append(.string(transfer.id))
                results.append([
                    "kind": "tempUpload", "id": .string(transfer.id), "url": .string(transferURL(transfer.id)),
                    // Documentation: the size comes back as a string.
                    "name": .optional(wish.name), "size": .string(String(wish.size)),
                    "resumable": .bool(wish.resumable),
                ])
            }
        }
        let answer = Answer.json(created(isOpening: true), ["kind": "tempUploadList", "results": .array(results)])
        return ids.count == 1 ? answer.noting("upload", ids[0]) : answer.noting("uploads", .array(ids))
    }

    private func wish(_ entry: JSON) throws(APIFailure) -> (size: Int64, name: String?, resumable: Bool) {
        guard let size = entry["size"]?.integer, size >= 0 else {
            throw .invalid("size is required in each temp upload: a number of bytes.")
        }
        if let resumable = entry["resumable"], resumable.boolean == nil {
            throw .invalid("resumable must be a boolean.")
        }
        let asked = entry["resumable"]?.boolean ?? false
        let resumable =
            switch switches.resumableFlag {
            case .honour: asked
            case .never: false
            case .always: true
            }
        return (size, entry["name"]?.text, resumable)
    }

    private func requirePresent(_ endpoint: SandboxSwitches.Endpoint) throws(APIFailure) {
        switch endpoint {
        case .present: return
        case .notFound: throw .notFound("no such resource")
        case .methodNotAllowed: throw APIFailure(405, "method_not_allowed", "This method is not allowed here.")
        case .gone: throw APIFailure(410, "gone", "This endpoint is no longer available.")
        }
    }

    func writablePlace(_ call: APICall) throws(APIFailure) -> Place {
        let place = try place(call.tableReference())
        try requireDraft(place.version, of: place.dataset)
        return place
    }

    private var uploadOrigin: String {
        switch switches.storageOrigin {
        case .own: storageOrigin
        case .api: apiOrigin
        }
    }

    func sessionURL(_ id: String) -> String {
        "\(uploadOrigin)/upload/\(id)?upload_id=\(transfers.secrets.secret(for: id))"
    }

    private func transferURL(_ id: String) -> String {
        "\(uploadOrigin)/temp/\(id)?signature=\(transfers.secrets.secret(for: id))"
    }
}
