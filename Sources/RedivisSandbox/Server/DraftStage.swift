/// What other people do to a draft before or after a request is carried out.
struct DraftStage {
    let fault: DraftFault
    let dataset: Catalog.DatasetChoice?
    let core: SandboxCore

    /// Nil where the fault is none of these.
    init?(_ fault: SandboxFault?, at dataset: Catalog.DatasetChoice?, _ core: SandboxCore) {
        guard case .draft(let kind) = fault?.action else { return nil }
        self.fault = kind
        self.dataset = dataset
        self.core = core
    }

    func before(_ entry: inout LogEntry) async { if !fault.happensAfterwards { await happen(&entry) } }

    func after(_ entry: inout LogEntry) async { if fault.happensAfterwards { await happen(&entry) } }

    /// What could not happen was no fault.
    private func happen(_ entry: inout LogEntry) async {
        guard let dataset, let version = await core.catalog.disturb(fault, dataset) else {
            entry.fault = nil
            return
        }
        entry.note("version", .integer(Int64(version)))
    }
}
