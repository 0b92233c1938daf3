extension Sandbox {
    /// Sets one more fault; its count of matching requests begins now.
    public func add(_ fault: SandboxFault) { core.faults.add(fault) }

    /// Forgets all faults and their counts.
    public func removeFaults() { core.faults.removeAll() }

    /// How often each fault has fired, in the order in which they were set.
    public var firedFaults: [(fault: SandboxFault, count: Int)] { core.faults.fired }

    /// What was hit so far, by form and class of requests; an earlier sandbox's counts on the same directory included.
    public var hits: [FaultHit] { core.log.hits.rows }

    /// Changes the switches for all later requests.
    public func setSwitches(_ switches: SandboxSwitches) async { await core.setSwitches(switches) }

    public var switches: SandboxSwitches { core.switches }

    /// Sets the sandbox's wall clock forward, so that sessions age. Import delays are not touched.
    public func advanceClock(by duration: Duration) {
        core.clock.advance(milliseconds: duration.components.seconds * 1000)
    }

    /// How many requests of a class were answered, or left without an answer, since this sandbox started.
    public func requestCount(_ kind: RequestClass) -> Int { core.log.count(of: kind) }

    /// Creates a dataset: `owner.name[=draft|released|released+draft]`. Does nothing where it exists.
    public func createDataset(_ text: String) async throws { try await core.catalog.plant(text) }

    /// Creates a table in the draft of its dataset. Does nothing where it exists.
    public func createTable(_ reference: String) async throws { try await core.catalog.plantTable(reference) }

    /// One registered upload, as `registrations/<number>.json` has it.
    public struct Registration: Sendable, Equatable {
        public var number: Int64
        /// `datasetID.tableID`.
        public var table: String
        /// Index of the dataset's version.
        public var version: Int
        public var name: String
        public var status: String
        /// Bytes that are really stored.
        public var size: Int64
        /// Hexadecimal MD5 of the bytes that are really stored; nil where they are discarded.
        public var md5: String?
        /// The file below `objects/`.
        public var object: String
        public var uploadID: String?
    }

    /// All uploads that are registered and not deleted, in the order of their registration.
    public func registrations() async -> [Registration] { await core.catalog.registrations() }
}

extension Catalog {
    func registrations() -> [Sandbox.Registration] {
        var found: [Sandbox.Registration] = []
        for dataset in datasets {
            for version in dataset.versions where !version.isDeleted {
                for table in version.tables {
                    for upload in table.uploads {
                        found.append(
                            .init(
                                number: upload.number, table: "\(dataset.id).\(table.id)", version: version.index,
                                name: upload.name, status: upload.status.rawValue, size: upload.object.size,
                                md5: upload.object.md5, object: upload.object.id, uploadID: upload.uploadID))
                    }
                }
            }
        }
        return found.sorted { $0.number < $1.number }
    }
}
