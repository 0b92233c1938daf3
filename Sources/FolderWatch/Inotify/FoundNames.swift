import Glibc
import SyncCore

/// What one directory holds, told in parts.
struct FoundNames {
    /// How many names of a listing are remembered for the second one. Beyond, names are told twice.
    static let mostRemembered = 65_536
    static let tellAtOnce = 256

    let directory: [UInt8]
    let tells: Bool
    let queue: FolderEventQueue
    var isSecond = false
    private(set) var failure: Int32?
    private var events: [FolderEvent] = []
    /// Hashes, since names are long; two names of one hash cost the second listing its sense for one of them.
    private var remembered: Set<Int> = []

    init(directory: [UInt8], tells: Bool, queue: FolderEventQueue) {
        self.directory = directory
        self.tells = tells
        self.queue = queue
    }

    /// The names of directories, those of the first listing left out of the second.
    mutating func read(_ listing: inout DirectoryListing) -> [[UInt8]] {
        var directories: [[UInt8]] = []
        while true {
            switch listing.step() {
            case .entry(let entry):
                guard isNew(entry.name) else { continue }
                switch kind(of: entry, in: listing) {
                case .directory: directories.append(entry.name)
                case .regular: tell(entry.name)
                case .unknown, .other: break
                }
            case .end:
                return directories
            case .failed(let code):
                failure = code
                return directories
            }
        }
    }

    private mutating func isNew(_ name: [UInt8]) -> Bool {
        guard tells else { return true }
        if isSecond { return !remembered.contains(name.hashValue) }
        if remembered.count < Self.mostRemembered { remembered.insert(name.hashValue) }
        return true
    }

    /// Some file systems do not tell: ask.
    private func kind(of entry: DirectoryListing.Entry, in listing: borrowing DirectoryListing) -> DirectoryListing.Kind
    {
        guard entry.kind == .unknown else { return entry.kind }
        var status = stat()
        guard listing.system.status(of: entry.name, in: listing.descriptor, &status) == 0 else { return .other }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .regular
        case S_IFDIR: return .directory
        default: return .other
        }
    }

    private mutating func tell(_ name: [UInt8]) {
        guard tells else { return }
        let bytes = directory.isEmpty ? name : directory + [UInt8(ascii: "/")] + name
        guard let path = RelativePath(bytes: bytes) else { return }
        events.append(.appeared(path))
        if events.count >= Self.tellAtOnce { tellRest() }
    }

    mutating func tellRest() {
        queue.post(events)
        events.removeAll(keepingCapacity: true)
    }
}
