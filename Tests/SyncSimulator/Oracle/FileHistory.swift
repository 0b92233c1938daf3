/// What every file was and where, told by the kernel as it happens; never by the program.
package final class FileHistory: KernelObserver {
    struct Instance {
        var cells: [UInt8] = []
        var writers = 0
        var names: Set<String> = []
        /// When its content was last another one.
        var changedAt: Int64 = 0
        /// When its mtime was last set, by a write or otherwise.
        var modifiedAt: Int64 = 0
        /// How often its content was changed.
        var changes = 0
    }

    struct Occurrence: Hashable {
        let instance: UInt64
        let name: String
    }

    /// One content, wherever it was.
    struct ContentHistory {
        /// Which inode had it under which name.
        var occurrences: [Occurrence] = []
        var known: Set<Occurrence> = []
        /// Whether some file had it while nobody was writing.
        var wasWhole = false
        var appearedAt: Int64

        mutating func add(_ occurrence: Occurrence) {
            if known.insert(occurrence).inserted { occurrences.append(occurrence) }
        }
    }

    private(set) var instances: [UInt64: Instance] = [:]
    private(set) var contents: [[UInt8]: ContentHistory] = [:]
    private let now: () -> Int64
    /// A content that stood for so long counts as whole though somebody had the file open: where leases are not to be
    /// had, or not asked for. `nil`: it does not.
    private let quiet: Int64?

    init(quiet: Int64?, now: @escaping () -> Int64) {
        self.quiet = quiet
        self.now = now
    }

    package func contentChanged(of instance: UInt64, to cells: [UInt8], writers: Int) {
        var file = instances[instance] ?? Instance()
        if let quiet, now() - file.changedAt >= quiet { contents[file.cells]?.wasWhole = true }
        file.cells = cells
        file.writers = writers
        file.changedAt = now()
        file.modifiedAt = now()
        file.changes += 1
        instances[instance] = file
        guard !cells.isEmpty else { return }
        var content = contents[cells] ?? ContentHistory(appearedAt: now())
        for name in file.names { content.add(Occurrence(instance: instance, name: name)) }
        if writers == 0 { content.wasWhole = true }
        contents[cells] = content
    }

    package func modificationTimeSet(of instance: UInt64) {
        instances[instance, default: Instance()].modifiedAt = now()
    }

    package func writersChanged(of instance: UInt64, to writers: Int) {
        instances[instance, default: Instance()].writers = writers
        guard writers == 0, let cells = instances[instance]?.cells else { return }
        contents[cells]?.wasWhole = true
    }

    package func nameAppeared(_ instance: UInt64, at path: String) {
        instances[instance, default: Instance()].names.insert(path)
        guard let cells = instances[instance]?.cells else { return }
        contents[cells]?.add(Occurrence(instance: instance, name: path))
    }

    package func nameDisappeared(_ instance: UInt64, at path: String) {
        instances[instance]?.names.remove(path)
    }

    package func linksChanged() {}

    // MARK: Questions

    /// Whether a file ever had just this content and was not being written.
    func wasWhole(_ cells: [UInt8]) -> Bool {
        if contents[cells]?.wasWhole == true { return true }
        guard let quiet else { return false }
        return instances.values.contains { $0.cells == cells && now() - $0.changedAt >= quiet }
    }

    /// How many inodes ever had this content under a name.
    func inodes(of cells: [UInt8]) -> Int {
        Set((contents[cells]?.occurrences ?? []).map(\.instance)).count
    }

    /// Whether the mtime of a file with a content that begins so was set since then, though its bytes may be the same.
    func wasModified(since begin: Int64, cells: [UInt8], size: Int64) -> Bool {
        contents.contains { content, history in
            Cells.size(content) == size && content.starts(with: cells)
                && history.occurrences.contains { (instances[$0.instance]?.modifiedAt ?? 0) >= begin }
        }
    }

    func names(of cells: [UInt8]) -> Set<String> {
        Set((contents[cells]?.occurrences ?? []).map(\.name))
    }
}
