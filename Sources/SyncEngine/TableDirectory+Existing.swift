import SyncCore

// `existing: auto`: what was on a table before its mapping, though the lists left it out.

extension TableDirectory {
    /// In how many versions a file's own name is asked for: the draft, and the newest that were released.
    static let versionsAsked = 4

    /// A list may leave out what is there (api.md 11, 12). So before a file is judged by the uploads that the lists showed,
    /// the address of its own name is asked for; what is met there is remembered.
    ///
    /// A table that was never released, and of which only our own uploads are known, is not asked: its files come to
    /// thousands, and each would take a request.
    ///
    /// - Parameter name: its upload name with the tag. Where that is known, the file is on the table.
    func lookForExisting(_ delivery: Delivery, as name: String, in reference: TableReference) async throws(Failure) {
        let untagged = UploadName.untagged(base: delivery.nameBase)
        guard let table = tables[reference]?.table, !UploadName.isTagged(untagged) else { return }
        let index = try await ports.queue.remoteIndex(of: table.key)
        guard index.hasUntaggedUploads || !table.released.isEmpty else { return }
        for known in [name, untagged] where try await ports.queue.knownUpload(named: known, of: table.key) != nil {
            return
        }
        let released = table.released.suffix(Self.versionsAsked - 1).reversed().map { TableVersion.released($0) }
        for version in (table.hasDraft ? [.draft] : []) + released {
            let met = try await ports.remote(for: reference).upload(named: untagged, of: reference, in: version)
            // Names that the server folds together share an address.
            guard let met, Array(met.name.utf8) == Array(untagged.utf8) else { continue }
            return try await ports.queue.recordMet(met, of: table.key, in: version)
        }
    }
}
