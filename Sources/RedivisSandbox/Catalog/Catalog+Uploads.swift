extension Catalog {
    func listUploads(_ call: APICall) throws(APIFailure) -> Answer {
        let place = try place(call.tableReference())
        let base = uri(place)
        var uploads = place.table.uploads
        let count = uploads.count
        if case .lag(let milliseconds) = call.fault {
            let youngest = transfers.clock.now() - Int64(milliseconds)
            uploads.removeAll { $0.created > youngest }
        }
        let answer = try page(uploads, key: \.number, call: call, kind: "uploadList") {
            resource($0, at: place, base: base, isFull: false)
        }
        guard case .lag = call.fault else { return answer }
        return answer.showingFault(uploads.count < count).noting("leftOut", .integer(Int64(count - uploads.count)))
    }

    private func namedUpload(_ call: APICall) throws(APIFailure) -> (Place, Upload) {
        let place = try place(call.tableReference())
        let name = call.item ?? ""
        // An id as in a listed uri comes first; then the name, folded as in every reference.
        if let number = ContentRange.digits(name), let upload = place.table.upload(number: number) {
            return (place, upload)
        }
        guard let upload = place.table.upload(folded: NameFolding.fold(name)) else { throw .notFound(name) }
        return (place, upload)
    }

    func showUpload(_ call: APICall) throws(APIFailure) -> Answer {
        let (place, upload) = try namedUpload(call)
        return .json(200, resource(upload, at: place, base: uri(place), isFull: true))
            .noting("registration", .integer(upload.number))
    }

    func deleteUpload(_ call: APICall) throws(APIFailure) -> Answer {
        let (place, upload) = try namedUpload(call)
        try requireDraft(place.version, of: place.dataset)
        place.table.remove(upload)
        upload.isDeleted = true
        place.version.isChanged = true
        try persist { try save(upload, at: place) }
        return Answer(status: 200).noting("registration", .integer(upload.number))
    }

    // MARK: Registering

    func register(_ call: APICall) throws(APIFailure) -> Answer {
        guard case .registration(let fault) = call.fault else { return try register(call, nil) }
        guard case .again(let meeting) = fault else { return try register(call, fault) }
        let first = try register(call, nil).notes.first { $0.key == "registration" }?.value ?? .null
        let second: Answer
        do throws(APIFailure) {
            switch meeting {
            case .rename: second = try register(call, .duplicateName(.rename))
            case .refuse: second = try register(call, .duplicateName(.refuse))
            case .second: second = try register(call, .duplicateName(.second))
            case .refuseID: throw .invalid("The upload id was used already.")
            }
        } catch {
            second = error.answer(switches.errorFormat, isHead: false)
        }
        return second.noting("registrationBefore", first)
    }

    /// Registers one upload.
    private func register(_ call: APICall, _ fault: RegistrationFault?) throws(APIFailure) -> Answer {
        let place = try writablePlace(call)
        guard !place.table.isFileIndex else { throw .invalid("\(place.table.name) is a file index table.") }
        let request = try RegistrationRequest(call)
        let source = try source(of: request, at: place, fault: fault)
        let isTaken = place.table.upload(folded: NameFolding.fold(request.name)) != nil
        let name = try freeName(request.name, isTaken: isTaken, in: place.table, fault: fault)
        // Counted up before anything can fail, so that no number is used twice.
        lastUploadNumber += 1
        let upload = Upload(
            number: lastUploadNumber, name: name, requestedName: request.name, object: source.object,
            via: source.via, uploadID: source.id, created: transfers.clock.now(), fields: request.fields)
        apply(fault, to: upload)
        if source.via == Transfer.Kind.documented.rawValue, switches.resumableID == .noSize {
            upload.reportedSize = nil
            upload.reportedMD5 = nil
        }
        try persist {
            try save(upload, at: place)
            if let id = source.id { try transfers.noteRegistration(upload.number, of: id) }
            if !place.version.isChanged {
                place.version.isChanged = true
                try saveCatalog()
            }
        }
        place.table.add(upload)
        startImport(upload, at: place)
        return .json(created(), resource(upload, at: place, base: uri(place), isFull: true))
            .noting("registration", .integer(upload.number)).noting("upload", .optional(source.id))
            .noting("object", .string(source.object.id))
            .showingFault(shows(fault, nameIsTaken: isTaken, idIsUsed: source.isUsed))
    }

    /// Whether a reading of a name or an id that was there already had anything to read.
    private func shows(_ fault: RegistrationFault?, nameIsTaken: Bool, idIsUsed: Bool) -> Bool {
        switch fault {
        case .duplicateName: nameIsTaken
        case .uploadIDReuse: idIsUsed
        case .refuseID, .again, .importFailed, .wrongSize, .wrongMD5, .noSize, .importStuck, nil: true
        }
    }

    private struct Source {
        var object: StoredObject
        var id: String?
        var via: String
        /// Whether the id was registered before.
        var isUsed = false
    }

    private func source(
        of request: RegistrationRequest, at place: Place, fault: RegistrationFault?
    ) throws(APIFailure) -> Source {
        switch request.content {
        case .inline(let bytes):
            var object: StoredObject?
            try persist { object = try storeInline(bytes) }
            guard let object else { throw APIFailure(500, "internal_error", "The bytes were not kept.") }
            return Source(object: object, id: nil, via: "inline")
        case .transfer(let id, let field):
            if fault == .refuseID { throw .invalid("\(field) \(id) is not valid.") }
            guard let transfer = transfers.transfer(id) else { throw .invalid("\(field) \(id) is not known.") }
            // Documentation has resumableUploadId for temp uploads too; the reverse is said nowhere.
            guard field == "resumableUploadId" || transfer.kind != .documented else {
                throw .invalid("\(field) \(id) is not a temp upload.")
            }
            if transfer.kind == .documented, switches.resumableID == .refuse {
                throw .invalid("\(field) \(id) is not supported.")
            }
            guard transfer.table == place.key else { throw .invalid("\(field) \(id) belongs to another table.") }
            guard let object = transfer.object else { throw .invalid("The upload \(id) is not complete.") }
            let age = transfers.clock.now() - transfer.created
            if switches.finishedLifetime == .day, age > ResumableSession.lifetimeMilliseconds {
                throw .invalid("\(field) \(id) has expired.")
            }
            let isUsed = !transfer.registrations.isEmpty
            var reading = switches.uploadIDReuse
            switch fault {
            case .uploadIDReuse(let given): reading = given
            // The second of two requests must get as far as the name.
            case .duplicateName: reading = .accept
            case .refuseID, .again, .importFailed, .wrongSize, .wrongMD5, .noSize, .importStuck, nil: break
            }
            if reading == .refuse, isUsed { throw .invalid("\(field) \(id) was used already.") }
            return Source(object: object, id: id, via: transfer.kind.rawValue, isUsed: isUsed)
        }
    }

    private func storeInline(_ bytes: ArraySlice<UInt8>) throws -> StoredObject {
        var (id, writer) = transfers.makeObject("i")
        try bytes.withUnsafeBytes { try writer.append($0) }
        try writer.settle(at: Int64(bytes.count))
        return StoredObject(id: id, size: Int64(bytes.count), md5: try writer.finish())
    }

    private func freeName(
        _ name: String, isTaken: Bool, in table: Table, fault: RegistrationFault?
    ) throws(APIFailure) -> String {
        guard isTaken else { return name }
        var reading = switches.duplicateName
        if case .duplicateName(let given) = fault { reading = given }
        switch reading {
        case .second: return name
        case .refuse:
            throw APIFailure(
                400, "already_exists", "An upload named \(name) already exists on this version of the table.")
        case .rename:
            let dot = name.lastIndex(of: ".") ?? name.endIndex
            for number in 1... {
                let candidate = "\(name[..<dot])_\(number)\(name[dot...])"
                if table.upload(folded: NameFolding.fold(candidate)) == nil { return candidate }
            }
            return name
        }
    }

    private func apply(_ fault: RegistrationFault?, to upload: Upload) {
        switch fault {
        case .wrongSize:
            upload.reportedSize = upload.object.size &+ 1
            upload.tamper = fault
        case .wrongMD5:
            upload.reportedMD5 = "00000000000000000000000000000000"
            upload.tamper = fault
        case .noSize:
            upload.reportedSize = nil
            upload.reportedMD5 = nil
            upload.tamper = fault
        case .importFailed, .importStuck: upload.tamper = fault
        case .duplicateName(.rename):
            // A twin that is to go.
            if upload.name != upload.requestedName { upload.tamper = fault }
        case .refuseID, .duplicateName, .uploadIDReuse, .again, nil:
            break
        }
    }

    // MARK: Importing

    func startImport(_ upload: Upload, at place: Place) {
        let (datasetID, index, tableID, number) = (
            place.dataset.id, place.version.index, place.table.id, upload.number
        )
        jobs.add { await self.runImport(number, datasetID: datasetID, version: index, tableID: tableID) }
    }

    /// After a restart: the imports that were under way go on.
    func resumeImports() {
        for dataset in datasets {
            for version in dataset.versions {
                for table in version.tables {
                    for upload in table.uploads where upload.status == .queued || upload.status == .running {
                        startImport(upload, at: Place(dataset: dataset, version: version, table: table))
                    }
                }
            }
        }
    }

    private func runImport(_ number: Int64, datasetID: String, version index: Int, tableID: String) async {
        guard let dataset = datasets.first(where: { $0.id == datasetID }),
            let version = dataset.versions.first(where: { $0.index == index }),
            let table = version.tables.first(where: { $0.id == tableID }),
            let upload = table.upload(number: number)
        else { return }
        do {
            try await Task.sleep(for: .milliseconds(importDelays.queued))
            // A release may have completed it meanwhile.
            if upload.status == .queued { upload.status = .running }
            try await Task.sleep(for: .milliseconds(importDelays.running))
            if case .importStuck(let milliseconds) = upload.tamper {
                guard let milliseconds else { return }
                try await Task.sleep(for: .milliseconds(milliseconds))
            }
        } catch {
            return  // The sandbox stops; the next start takes the import up again.
        }
        guard !upload.isDeleted, upload.status == .running else { return }
        complete(upload, at: Place(dataset: dataset, version: version, table: table))
    }

    func complete(_ upload: Upload, at place: Place) {
        if case .importFailed(let message) = upload.tamper {
            upload.status = .failed
            upload.errorMessage = message
        } else {
            upload.status = .completed
        }
        upload.completed = transfers.clock.now()
        // Should the disk be full, memory still tells the truth to whoever asks over HTTP.
        try? save(upload, at: place)
    }
}
