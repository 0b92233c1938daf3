import NIOHTTP1
import SyncCore

extension RedivisRemote {
    public func table(_ reference: TableReference) async throws(Failure) -> RemoteTable {
        let dataset = try await dataset(of: reference)
        var hasDraft = dataset.hasDraft
        var released = Set([dataset.version?.released].compactMap { $0 })
        for version in try await versions(of: reference) {
            if let tag = version.released { released.insert(tag) }
            hasDraft = hasDraft || version.isDraft
        }
        let ascending = released.sorted()
        let text =
            hasDraft ? reference.draftText : ascending.last.map { reference.text(in: $0) } ?? reference.text
        let table = try await tableResource(reference, as: text)
        guard table.isFileIndex != true else {
            throw Failure(
                .forbidden, scope: .destination, "the table \(reference.text) is a file index, which takes no rows",
                hint: "map the folder to a table of rows")
        }
        guard let key = TableKey(table, owner: reference.owner) else {
            throw Failure(
                .rejected, scope: .destination, "Redivis does not say what the table \(reference.text) is called",
                hint: "this program may be too old for it")
        }
        return RemoteTable(
            key: key, hasDraft: hasDraft, released: ascending, mergeStrategy: table.uploadMergeStrategy)
    }

    public func openVersion(of reference: TableReference) async throws(Failure) {
        // The answer to a second POST is unknown, so none is sent where a version is open (api.md 3).
        guard try await !dataset(of: reference).hasDraft else { return }
        let answers = answers("opening the next version of \(reference.datasetText)")
        let trouble: Failure
        do throws(Failure) {
            let answer = try await repeatable(.POST, apiAddress("\(Self.path(of: reference))/versions"), answers)
            guard !(200...299).contains(answer.status) || answer.isWebPage else { return }
            trouble = answers.failure(answer)
        } catch {
            trouble = error
        }
        // Another agent was faster, or the answer was lost: what counts is whether a version is open now.
        guard try await dataset(of: reference).hasDraft else { throw trouble }
    }

    static func path(of reference: TableReference) -> String {
        "/datasets/\(PercentEncoding.segment(reference.datasetText))"
    }

    static func tablePath(_ text: String) -> String { "/tables/\(PercentEncoding.segment(text))" }

    /// The dataset; of one that was never released, which its plain reference may not reach, the draft.
    func dataset(of reference: TableReference) async throws(Failure) -> DatasetResource {
        let answers = answers("reading the dataset \(reference.datasetText)")
        let answer = try await get(apiAddress(Self.path(of: reference)), answers)
        guard answer.status == 404 else { return try answers.read(DatasetResource.self, from: answer) }
        let draftPath = "/datasets/\(PercentEncoding.segment(reference.datasetText + ":next"))"
        let draft = try await get(apiAddress(draftPath), answers)
        guard draft.status != 404 else { throw answers.failure(answer) }
        let dataset = try answers.read(DatasetResource.self, from: draft)
        return DatasetResource(version: dataset.version, nextVersion: dataset.nextVersion ?? .next)
    }

    private func versions(of reference: TableReference) async throws(Failure) -> [VersionResource] {
        let answers = answers("listing the versions of \(reference.datasetText)")
        var versions: [VersionResource] = []
        var page: String?
        repeat {
            let (answer, listed) = try await getPage(
                of: VersionResource.self, at: "\(Self.path(of: reference))/versions", page: page, answers)
            guard let listed else { throw answers.failure(answer) }
            versions += listed.results
            guard listed.nextPageToken != page || page == nil else {
                throw Failure(.transient, "\(answers.asked): Redivis gives the same page again and again")
            }
            page = listed.nextPageToken
        } while page != nil
        return versions
    }

    func tableResource(_ reference: TableReference, as text: String) async throws(Failure) -> TableResource {
        let answers = answers("reading the table \(text)")
        let answer = try await get(apiAddress(Self.tablePath(text)), answers)
        guard answer.status == 404, !answer.isWebPage else {
            return try answers.read(TableResource.self, from: answer)
        }
        throw Failure(
            .forbidden, scope: .destination,
            "the dataset \(reference.datasetText) is there, but not the table \(text)",
            hint: "check the table's name, create it in the next version on redivis.com, or give the token's owner "
                + "edit access")
    }
}

extension VersionResource {
    static let next = VersionResource(tag: "next", isReleased: false, isDeleted: false)
}
