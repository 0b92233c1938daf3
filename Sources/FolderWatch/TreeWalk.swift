import Glibc
import SyncCore
import Synchronization
import SystemPackage

/// One walk through a folder, taken up again batch by batch on whatever thread.
///
/// The upper directories of the way down stay open and are listed with pauses; below `mostOpen` of them a directory
/// is listed to its end first, keeping the names of its directories, and closed. So neither descriptors nor memory
/// grow with the number of files, and no tree is too deep.
final class TreeWalk: Sendable {
    static let mostOpen = 32
    static let mostProblems = 100

    struct Batch: Sendable {
        var files: [SeenFile] = []
        var isLast = false
        var report = ScanReport()
        /// The folder itself could not be listed.
        var failure: Failure?
    }

    private let state: Mutex<WalkState>

    init(
        folder: FilePath, recursive: Bool, skipsDirectory: @escaping @Sendable (RelativePath) -> Bool,
        directories: any DirectorySystem
    ) {
        state = Mutex(
            WalkState(
                folder: folder, recursive: recursive, skipsDirectory: skipsDirectory, directories: directories))
    }

    /// The next files; blocks.
    func nextBatch(atMost limit: Int) -> Batch {
        state.withLock { $0.nextBatch(atMost: limit) }
    }
}

/// A class, so that a listing (which owns a descriptor) can lie in an array.
private final class Level {
    let name: [UInt8]
    let identity: DirectoryIdentity
    var listing: DirectoryListing?
    /// Directories met while listing, to be entered when the listing is closed.
    var deferred: [[UInt8]] = []

    init(name: [UInt8], identity: DirectoryIdentity, listing: consuming DirectoryListing) {
        self.name = name
        self.identity = identity
        self.listing = consume listing
    }

    /// The next entry; `nil` where the listing is closed.
    func step() -> DirectoryListing.Step? { listing?.step() }
}

private struct WalkState: ~Copyable {
    private let folder: FilePath
    private let recursive: Bool
    private let skipsDirectory: @Sendable (RelativePath) -> Bool
    private let directories: any DirectorySystem
    private var levels: [Level] = []
    private var ancestors: Set<DirectoryIdentity> = []
    /// The path of the last level, with a slash behind each name.
    private var prefix: [UInt8] = []
    private var report = ScanReport()
    private var isStarted = false

    init(
        folder: FilePath, recursive: Bool, skipsDirectory: @escaping @Sendable (RelativePath) -> Bool,
        directories: any DirectorySystem
    ) {
        self.folder = folder
        self.recursive = recursive
        self.skipsDirectory = skipsDirectory
        self.directories = directories
    }

    mutating func nextBatch(atMost limit: Int) -> TreeWalk.Batch {
        var batch = TreeWalk.Batch()
        if !isStarted {
            isStarted = true
            batch.failure = start()
        }
        while batch.files.count < limit, let level = levels.last {
            switch level.step() {
            case .entry(let entry):
                if let file = visit(entry, of: level) { batch.files.append(file) }
            case .end:
                level.listing = nil
            case .failed(let code) where levels.count == 1:
                batch.failure = FolderTrouble.failure(code, folder)
                levels = []
            case .failed(let code):
                noteProblem(code, directoryPath)
                level.listing = nil
            case nil:
                if let name = level.deferred.popLast() { enter(name) } else { leave() }
            }
        }
        report.files += batch.files.count
        batch.isLast = levels.isEmpty
        if batch.isLast { batch.report = report }
        return batch
    }

    private mutating func start() -> Failure? {
        let descriptor = directories.openFolder(folder, for: .listing)
        guard descriptor >= 0 else { return FolderTrouble.failure(-descriptor, folder) }
        var listing = DirectoryListing(descriptor: descriptor, directories)
        var status = stat()
        let result = directories.status(of: descriptor, &status)
        guard result == 0 else { return FolderTrouble.failure(-result, folder) }
        // A folder that opens and cannot be listed (a dead mount) is a failure of the whole, not of a part.
        if let code = listing.fill() { return FolderTrouble.failure(code, folder) }
        push(Level(name: [], identity: DirectoryIdentity(status), listing: listing))
        return nil
    }

    private mutating func visit(_ entry: DirectoryListing.Entry, of level: Level) -> SeenFile? {
        switch entry.kind {
        case .regular:
            return observe(entry.name, of: level)
        case .directory:
            meetDirectory(entry.name, of: level)
            return nil
        case .unknown:
            // Some file systems do not tell: ask.
            guard let status = status(of: entry.name, of: level) else { return nil }
            if status.st_mode & S_IFMT == S_IFDIR { meetDirectory(entry.name, of: level) }
            return seenFile(entry.name, status)
        case .other:
            return nil
        }
    }

    private mutating func observe(_ name: [UInt8], of level: Level) -> SeenFile? {
        guard let status = status(of: name, of: level) else { return nil }
        return seenFile(name, status)
    }

    private func seenFile(_ name: [UInt8], _ status: stat) -> SeenFile? {
        guard status.st_mode & S_IFMT == S_IFREG, let path = RelativePath(bytes: prefix + name) else { return nil }
        return SeenFile(path: path, observation: FileObservation(status), links: UInt64(status.st_nlink))
    }

    /// `nil` where the name is gone meanwhile, or with a problem noted.
    private mutating func status(of name: [UInt8], of level: Level) -> stat? {
        guard let directory = level.listing?.descriptor else { return nil }
        var status = stat()
        let result = directories.status(of: name, in: directory, &status)
        guard result != 0 else { return status }
        if !FolderTrouble.isGone(-result), let path = RelativePath(bytes: prefix + name) {
            noteProblem(path, FolderTrouble.reason(-result), unseen: Self.place(of: path, -result, directoryPath))
        }
        return nil
    }

    // MARK: Directories

    private mutating func meetDirectory(_ name: [UInt8], of level: Level) {
        guard recursive, let path = RelativePath(bytes: prefix + name), !skipsDirectory(path) else { return }
        if levels.count < TreeWalk.mostOpen { enter(name) } else { level.deferred.append(name) }
    }

    private mutating func enter(_ name: [UInt8]) {
        guard let path = RelativePath(bytes: prefix + name) else { return }
        let descriptor = openDirectory(name)
        guard descriptor >= 0 else {
            if !FolderTrouble.isGone(-descriptor) { noteProblem(-descriptor, path) }
            return
        }
        let listing = DirectoryListing(descriptor: descriptor, directories)
        var status = stat()
        let result = directories.status(of: descriptor, &status)
        guard result == 0 else { return noteProblem(-result, path) }
        let identity = DirectoryIdentity(status)
        guard !ancestors.contains(identity) else {
            return noteProblem(path, "leads back to a folder above it (a bind mount?); not entered")
        }
        report.directories += 1
        push(Level(name: name, identity: identity, listing: listing))
    }

    /// Opens a directory of the last level, from the deepest level that is open. A negative errno on failure.
    private func openDirectory(_ name: [UInt8]) -> Int32 {
        guard let open = levels.lastIndex(where: { $0.listing != nil }) else {
            return openFromFolder(name)
        }
        let names = levels[(open + 1)...].map(\.name) + [name]
        guard let descriptor = levels[open].listing?.descriptor else { return -ENOENT }
        return directories.openDirectory(Array(names.joined(separator: [UInt8(ascii: "/")])), beneath: descriptor)
    }

    private func openFromFolder(_ name: [UInt8]) -> Int32 {
        let root = directories.openFolder(folder, for: .place)
        guard root >= 0 else { return root }
        defer { directories.close(root) }
        return directories.openDirectory(prefix + name, beneath: root)
    }

    private mutating func push(_ level: Level) {
        if !levels.isEmpty { prefix += level.name + [UInt8(ascii: "/")] }
        levels.append(level)
        ancestors.insert(level.identity)
    }

    private mutating func leave() {
        guard let level = levels.popLast() else { return }
        ancestors.remove(level.identity)
        if !levels.isEmpty { prefix.removeLast(level.name.count + 1) }
    }

    // MARK: Problems

    private var directoryPath: RelativePath? { RelativePath(bytes: prefix.dropLast()) }

    /// Whoever may not search a directory sees none of its files (`man 7 path_resolution`), so that it stands for all of
    /// them.
    private static func place(of file: RelativePath, _ code: Int32, _ directory: RelativePath?) -> RelativePath {
        code == EACCES ? directory ?? file : file
    }

    private mutating func noteProblem(_ code: Int32, _ path: RelativePath?) {
        guard !FolderTrouble.isGone(code) else { return }
        noteProblem(path, FolderTrouble.reason(code))
    }

    /// - Parameter unseen: what cannot be looked at for that reason; the path if nothing else is given.
    private mutating func noteProblem(_ path: RelativePath?, _ reason: String, unseen: RelativePath? = nil) {
        report.problemCount += 1
        guard let path else { return }
        let place = unseen ?? path
        if report.unseen.last != place { report.unseen.append(place) }
        guard report.problems.count < TreeWalk.mostProblems else { return }
        report.problems.append(ScanReport.Problem(path: path, reason: reason))
    }
}
