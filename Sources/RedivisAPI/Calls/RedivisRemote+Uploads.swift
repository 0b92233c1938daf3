import NIOHTTP1
import SyncCore
import Synchronization

extension RedivisRemote {
    public func uploads(
        of reference: TableReference, in version: TableVersion, page: String?
    ) async throws(Failure) -> UploadPage {
        let text = Self.text(of: reference, in: version)
        let answers = answers("listing the uploads of \(text)")
        let (answer, listed) = try await getPage(
            of: UploadResource.self, at: "\(Self.tablePath(text))/uploads", page: page, answers)
        guard let listed else {
            try await makeSure(that: reference, isNotIn: version, answers.failure(answer))
            return UploadPage(uploads: [], nextPage: nil)
        }
        guard listed.nextPageToken == nil || listed.nextPageToken != page else {
            throw Failure(.transient, "\(answers.asked): Redivis gives the same page again and again")
        }
        return UploadPage(uploads: await withReasons(listed.results), nextPage: listed.nextPageToken)
    }

    private static func text(of reference: TableReference, in version: TableVersion) -> String {
        switch version {
        case .draft: reference.draftText
        case .released(let tag): reference.text(in: tag)
        }
    }

    /// 404 also stands for what the token may not see. "Nothing of ours is there" would lead to a second
    /// registration, so it is believed only where the dataset is to be seen and the version cannot hold the table.
    private func makeSure(
        that reference: TableReference, isNotIn version: TableVersion, _ refusal: Failure
    ) async throws(Failure) {
        guard refusal.kind == .forbidden else { throw refusal }
        let dataset = try await dataset(of: reference)
        switch version {
        case .released: return
        case .draft: if dataset.hasDraft { throw refusal }
        }
    }

    /// The list leaves out why an import failed (api.md 7.4): that is asked once for each, and remembered.
    private func withReasons(_ resources: [UploadResource]) async -> [RemoteUpload] {
        var uploads: [RemoteUpload] = []
        var questions = 0
        for resource in resources {
            guard resource.isFailed, resource.errorMessage == nil, let uri = resource.uri else {
                uploads.append(resource.upload(failure: nil))
                continue
            }
            var words = memory.withLock { $0.importFailures[uri] }
            if words == nil, questions < 32 {
                questions += 1
                words = await importFailure(at: uri)
                // Bounded: a table with thousands of failed imports is somebody else's trouble.
                memory.withLock { memory in
                    if memory.importFailures.count >= 1000 { memory.importFailures.removeAll() }
                    memory.importFailures[uri] = words
                }
            }
            uploads.append(resource.upload(failure: words))
        }
        return uploads
    }

    private func importFailure(at uri: String) async -> String? {
        guard let address = resolve(uri: uri) else { return nil }
        let answers = answers("reading an upload")
        guard let answer = try? await get(address, answers),
            let resource = try? answers.read(UploadResource.self, from: answer)
        else { return nil }
        return resource.errorMessage
    }

    public func upload(uri: String) async throws(Failure) -> RemoteUpload? {
        let answers = answers("reading the upload \(ServerWords.clean(uri, secrets: []))")
        guard let address = resolve(uri: uri), Self.isUpload(address) else { return nil }
        let answer = try await get(address, answers)
        if answer.status == 404 { return nil }
        return try answers.read(UploadResource.self, from: answer).upload(failure: nil)
    }

    public func upload(
        named name: String, of reference: TableReference, in version: TableVersion
    ) async throws(Failure) -> RemoteUpload? {
        let text = Self.text(of: reference, in: version)
        let answers = answers("looking for one upload of \(text) by its name")
        // As the vendor's client spells it: a dot would begin a reference's next part (api.md 7.4).
        let segment = PercentEncoding.segment(String(name.map { $0 == "." ? "_" : $0 }))
        let answer = try await get(apiAddress("\(Self.tablePath(text))/uploads/\(segment)"), answers)
        if answer.status == 404 { return nil }
        return try answers.read(UploadResource.self, from: answer).upload(failure: nil)
    }

    public func withdraw(uri: String) async throws(Failure) {
        let answers = answers("deleting the upload \(ServerWords.clean(uri, secrets: []))")
        // The same verb on a shorter path deletes a table.
        guard let address = resolve(uri: uri), Self.isUpload(address) else {
            throw Failure(.rejected, "\(answers.asked): that is no upload's address, so nothing was sent")
        }
        let answer = try await repeatable(.DELETE, address, answers)
        let isDone = (200...299).contains(answer.status) || answer.status == 404
        guard isDone, !answer.isWebPage else { throw answers.failure(answer) }
    }

    private static func isUpload(_ address: WebAddress) -> Bool {
        let parts = address.target.prefix { $0 != "?" }.split(separator: "/")
        return parts.count >= 2 && parts[parts.count - 2] == "uploads"
    }
}
