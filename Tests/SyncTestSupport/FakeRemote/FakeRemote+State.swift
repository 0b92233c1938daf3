import SyncCore

extension FakeRemote.State {
    mutating func nextSerial(_ kind: String) -> String {
        serial += 1
        return "\(kind)\(serial)"
    }

    mutating func key(of reference: TableReference) -> TableKey? {
        if let key = aliases[reference] { return key }
        guard switches.tablesOnDemand else { return nil }
        let key = TableKey(reference.text)
        aliases[reference] = key
        if tables[key] == nil { tables[key] = FakeTable(key: key, mergeStrategy: "append", draft: []) }
        return key
    }

    mutating func visibleTable(_ reference: TableReference) throws(Failure) -> FakeTable {
        guard let key = key(of: reference), let table = tables[key], table.isVisible else {
            throw Failure(.forbidden, scope: .destination, "there is no table \(reference.text) that the token may see")
        }
        return table
    }

    mutating func list(
        _ reference: TableReference, in version: TableVersion, page: String?
    ) throws(Failure) -> UploadPage {
        let table = try visibleTable(reference)
        let start = page.flatMap { Int($0) } ?? 0
        let release: Int? =
            switch version {
            case .draft: nil
            case .released(let tag): table.released.firstIndex { $0.tag == tag }
            }
        if case .released = version, release == nil { return UploadPage(uploads: [], nextPage: nil) }
        var uploads = release.map { table.released[$0].uploads } ?? table.draft ?? []
        let end = min(start + switches.pageSize, uploads.count)
        guard start <= end else { throw Failure(.rejected, "no such page") }
        let listed = (start..<end).map { uploads[$0].listed() }
        if let release {
            tables[table.key]?.released[release].uploads = uploads
        } else if table.draft != nil {
            tables[table.key]?.draft = uploads
        }
        return UploadPage(uploads: listed, nextPage: end < uploads.count ? String(end) : nil)
    }

    mutating func upload(
        named name: String, of reference: TableReference, in version: TableVersion
    ) throws(Failure) -> RemoteUpload? {
        let table = try visibleTable(reference)
        func index(_ uploads: [FakeUpload]?) -> Int? {
            uploads?.firstIndex { Self.folded($0.name) == Self.folded(name) }
        }
        switch version {
        case .draft:
            return index(table.draft).flatMap { tables[table.key]?.draft?[$0].listed() }
        case .released(let tag):
            guard let release = table.released.firstIndex(where: { $0.tag == tag }),
                let found = index(table.released[release].uploads)
            else { return nil }
            return tables[table.key]?.released[release].uploads[found].listed()
        }
    }

    // MARK: Sessions

    mutating func openSession(_ request: SessionRequest) throws(Failure) -> UploadSession {
        let table = try visibleTable(request.table)
        guard table.draft != nil else {
            throw Failure(.forbidden, scope: .destination, "the dataset of \(request.table.text) has no open version")
        }
        if request.endpoint == .resumableUpload, switches.lacksResumableUpload {
            throw Failure(.endpointMissing, scope: .agent, "Redivis has no resumableUpload")
        }
        let isWhole = request.endpoint == .tempUploads && request.size < switches.wholeBelow
        let id = nextSerial(request.endpoint == .tempUploads ? "temp" : "resumable")
        let transport: UploadSession.Transport = isWhole ? .whole : .resumable
        sessions[id] = FakeSession(
            table: table.key, endpoint: request.endpoint, transport: transport, id: id, size: request.size)
        return UploadSession(
            endpoint: request.endpoint, transport: transport, uploadID: id,
            url: Secret("https://storage.test/\(id)?secret"), openedAt: request.now,
            openedAtServer: switches.serverTime)
    }

    private func live(_ session: UploadSession) throws(Failure) -> FakeSession {
        guard let found = sessions[session.uploadID], !found.isDead else {
            throw Failure(.sessionLost, "the session is gone (404)")
        }
        return found
    }

    /// - Parameter isCut: the connection broke before the chunk was whole.
    mutating func receive(
        _ chunk: [UInt8], range: Range<Int64>, total: Int64, session: UploadSession, fault: FakeFault, isCut: Bool
    ) -> (TransferReply?, Failure?) {
        var lost: Failure?
        var bytes = chunk[...]
        var isShort = isCut
        switch fault {
        case .answers(let reply): return (reply, nil)
        case .keeps(let count):
            (bytes, isShort) = (chunk.prefix(count), true)
        case .keepsAndLosesAnswer(let count, let failure):
            (bytes, isShort, lost) = (chunk.prefix(count), true, failure)
        case .losesAnswer(let failure): lost = failure
        case .none, .fails, .carriedOutLate, .hangs: break
        }
        do throws(Failure) {
            let reply = try store(bytes, range: range, total: total, session: session, isShort: isShort)
            return (lost == nil ? reply : nil, lost)
        } catch {
            return (nil, lost ?? error)
        }
    }

    private mutating func store(
        _ bytes: ArraySlice<UInt8>, range: Range<Int64>, total: Int64, session: UploadSession, isShort: Bool
    ) throws(Failure) -> TransferReply {
        var found = try live(session)
        defer { sessions[found.id] = found }
        guard total == found.size else { throw Failure(.rejected, "the total is not what was announced (400)") }
        if found.transport == .whole {
            if !isShort { (found.bytes, found.isFinished) = (Array(bytes), true) }
            guard found.isFinished else { throw Failure(.transient, "the connection broke") }
            return .finished(size: found.size, md5: .md5(of: found.bytes))
        }
        if found.isFinished { return .finished(size: found.size, md5: .md5(of: found.bytes)) }
        let stored = Int64(found.bytes.count)
        guard range.lowerBound <= stored else {
            throw Failure(.transient, "Content-Range begins beyond what is stored (503)")
        }
        let isLast = range.upperBound == total
        guard isLast || (range.upperBound - range.lowerBound).isMultiple(of: 262_144) else {
            throw Failure(.rejected, "a chunk that is not the last must be a multiple of 256 KiB (400)")
        }
        found.bytes += bytes.dropFirst(Int(stored - range.lowerBound))
        guard Int64(found.bytes.count) == found.size, !isShort else {
            return .stored(found.bytes.isEmpty ? nil : Int64(found.bytes.count))
        }
        found.isFinished = true
        return .finished(size: found.size, md5: .md5(of: found.bytes))
    }

    mutating func status(of session: UploadSession, total: Int64) throws(Failure) -> TransferReply {
        var found = try live(session)
        // There is nothing to ask of one PUT.
        if found.transport == .whole { return .stored(nil) }
        // A query whose total equals what is stored finishes the upload (api.md 6.2).
        if Int64(found.bytes.count) == found.size, total == found.size { found.isFinished = true }
        sessions[found.id] = found
        return found.isFinished
            ? .finished(size: found.size, md5: .md5(of: found.bytes))
            : .stored(found.bytes.isEmpty ? nil : Int64(found.bytes.count))
    }

    // MARK: Registrations

    mutating func register(_ request: RegistrationRequest) throws(Failure) -> RemoteUpload {
        let table = try visibleTable(request.table)
        guard let draft = table.draft else {
            throw Failure(.forbidden, scope: .destination, "the dataset of \(request.table.text) has no open version")
        }
        let sent: (bytes: [UInt8], id: String, isDocumented: Bool)
        switch request.content {
        case .session(let session): sent = try finished(session, in: table.key)
        case .inline(let bytes): sent = (bytes, "inline", false)
        }
        let isTaken = draft.contains { Self.folded($0.name) == Self.folded(request.name) }
        if isTaken, switches.takenName == .conflicts {
            throw Failure(.conflict, "an upload of this name exists (409)")
        }
        let name = isTaken && switches.takenName == .renames ? "\(request.name) (1)" : request.name
        usedIDs.insert(sent.id)
        var plan = importPlans[request.name] ?? switches.imports
        if sent.isDocumented, switches.resumableImportsTellNothing { (plan.tellsSize, plan.tellsMD5) = (false, false) }
        return add(
            sent.bytes, named: name, uploadID: sent.id, format: request.format, plan: plan, to: request.table)
            ?? RemoteUpload(uri: "", name: name, status: .inProgress, size: nil, md5: nil)
    }

    private func finished(
        _ session: UploadSession, in table: TableKey
    ) throws(Failure) -> (bytes: [UInt8], id: String, isDocumented: Bool) {
        guard let found = sessions[session.uploadID], found.isFinished, found.table == table else {
            throw Failure(.rejected, "there is no finished upload of this id (400)")
        }
        let isDocumented = found.endpoint == .resumableUpload
        if isDocumented, switches.refusesResumableIDs {
            throw Failure(.rejected, "resumableUploadId is unknown (400)")
        }
        if switches.usedID == .rejects, usedIDs.contains(found.id) {
            throw Failure(.conflict, "the upload id has already been used (400)")
        }
        return (found.bytes, found.id, isDocumented)
    }

    @discardableResult
    mutating func add(
        _ bytes: [UInt8], named name: String, uploadID: String, format: UploadFormat, plan: ImportPlan?,
        to reference: TableReference
    ) -> RemoteUpload? {
        guard let key = key(of: reference) else { return nil }
        let upload = FakeUpload(
            uri: "/tables/\(key.value)/uploads/\(nextSerial("u"))", name: name, bytes: bytes, uploadID: uploadID,
            format: format, plan: plan ?? switches.imports)
        tables[key]?.draft?.append(upload)
        return upload.accepted()
    }

    /// Names that Redivis holds for one: punctuation and case do not count (api.md 2.2).
    static func folded(_ name: String) -> String {
        String(name.lowercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })
    }
}
