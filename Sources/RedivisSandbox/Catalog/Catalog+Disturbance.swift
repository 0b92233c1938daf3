// What other people do meanwhile, as faults have it.
extension Catalog {
    /// How a request tells which dataset it is about.
    enum DatasetChoice: Sendable {
        /// A dataset's or a table's reference, as in a path.
        case reference(String)
        /// `datasetID.tableID`, as a transfer has it.
        case key(String)
    }

    /// Releases or deletes the open draft. Returns its index, or nil where that was not possible.
    func disturb(_ fault: DraftFault, _ choice: DatasetChoice) -> Int? {
        guard let dataset = chosen(choice), let draft = dataset.draft else { return nil }
        switch fault {
        case .release: return releaseByOthers(draft, of: dataset) ? draft.index : nil
        case .close(_, let whole): return closeByOthers(draft, of: dataset, whole: whole) ? draft.index : nil
        }
    }

    private func chosen(_ choice: DatasetChoice) -> Dataset? {
        switch choice {
        case .key(let key):
            let id = key.prefix { $0 != "." }
            return datasets.first { $0.id == id }
        case .reference(let text):
            guard let reference = TableReference(text)?.dataset ?? DatasetReference(text) else { return nil }
            return try? dataset(reference)
        }
    }

    private func releaseByOthers(_ draft: Version, of dataset: Dataset) -> Bool {
        let uploads = draft.tables.flatMap { table in table.uploads.map { (table, $0) } }
        guard uploads.allSatisfy({ $0.1.mayBeReleased }) else { return false }
        for (table, upload) in uploads where upload.status != .completed {
            complete(upload, at: Place(dataset: dataset, version: draft, table: table))
        }
        return (try? release(draft, of: dataset, notes: "released by somebody else")) != nil
    }

    private func closeByOthers(_ draft: Version, of dataset: Dataset, whole: Bool) -> Bool {
        // The first version of a dataset goes with the dataset, which is no fault but an end.
        guard dataset.current != nil, whole || draft.tables.allSatisfy({ $0.uploads.isEmpty }) else { return false }
        return (try? delete(draft, of: dataset)) != nil
    }
}

extension Upload {
    /// Whether its import is completed, or only takes its time. What a fault has spoilt is to be taken off the table,
    /// which a release would make impossible for ever.
    fileprivate var mayBeReleased: Bool {
        switch tamper {
        case .importStuck: status == .completed
        case .importFailed, .wrongSize, .wrongMD5, .noSize, .duplicateName: false
        case .refuseID, .uploadIDReuse, .again, nil: status != .failed
        }
    }
}
