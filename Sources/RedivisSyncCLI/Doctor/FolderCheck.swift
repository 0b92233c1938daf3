import FolderWatch
import Glibc
import LocalFiles
import SyncCore
import Synchronization
import SystemPackage

/// A mapped folder: whether it is there, on what it lies, and whether its writers can be seen.
struct FolderFacts: Hashable, Sendable {
    let mapping: String
    let folder: String
    /// Why it cannot be listed.
    var trouble: Failure?
    var type: FileSystemType?
    var directories = 0
    var files = 0
    /// Whether it was walked to its end in the time there was.
    var isWhole = true
    var leases = LeaseFacts()
    /// The process of another agent that watches it; 0 where its id is not known.
    var neighbour: Int32?

    var checks: [DoctorCheck] {
        if let trouble {
            return [
                .problem(
                    .folder, trouble.summary, trouble.hint ?? "mount it, or mend `folder` in the mapping file",
                    mapping: mapping)
            ]
        }
        return [folderCheck] + neighbourChecks + [leases.check(mapping: mapping)]
    }

    private var neighbourChecks: [DoctorCheck] {
        neighbour.map { [.warning(.folder, Neighbour.words($0), Neighbour.remedy, mapping: mapping)] } ?? []
    }

    private var folderCheck: DoctorCheck {
        let counted =
            "\(isWhole ? "" : "at least ")\(Words.count(directories, "directory", "directories")), "
            + Words.count(files, "file")
        let found = "\(folder) on \(type?.name ?? "an unknown file system"), \(counted)"
        guard let type, type.isRemote else { return .ok(.folder, found, mapping: mapping) }
        return .warning(
            .folder, "\(found): the kernel tells nothing of what is written from elsewhere, so it is polled",
            "nothing needs doing; to have files noticed at once, run the agent on the machine that has the disk",
            mapping: mapping)
    }
}

extension FolderFacts {
    /// Walks the folder for at most `limit`.
    init(of mapping: Mapping, _ configuration: Configuration, within limit: Duration) async {
        self.mapping = mapping.id.value
        folder = mapping.folder.string
        trouble = await LocalSourceReader().problem(with: mapping.folder)
        guard trouble == nil else { return }
        type = FileSystemType.of(mapping.folder)
        let tally = FolderTally(folder: mapping.folder, end: ContinuousClock.now + limit)
        do {
            _ = try await FolderTreeScanner().scan(
                mapping.folder, recursive: mapping.recursive, batchSize: 512,
                skipsDirectory: { path in
                    let isLeftOut =
                        ContinuousClock.now > tally.end || configuration.directoryIsExcluded(path, in: mapping)
                    if !isLeftOut { tally.directories.add(1, ordering: .relaxed) }
                    return isLeftOut
                },
                handle: { try await tally.take($0) })
            isWhole = ContinuousClock.now <= tally.end
        } catch is FolderTally.TimeIsUp {
            isWhole = false
        } catch {
            trouble = error as? Failure ?? Failure(.unreadable, "\(error)")
            return
        }
        directories = tally.directories.load(ordering: .relaxed)
        let found = await tally.found
        files = found.files
        leases = await LeaseFacts(own: found.own, others: found.others, in: mapping)
    }
}

/// What is kept of a walk: numbers, and a file of this user and of another.
private actor FolderTally {
    struct TimeIsUp: Error {}

    struct Found: Sendable {
        var files = 0
        var own: RelativePath?
        var others: (path: RelativePath, user: UInt32)?
    }

    let end: ContinuousClock.Instant
    /// Counted where the walk's own thread asks about each; the folder itself is one.
    let directories = Atomic(1)
    private(set) var found = Found()
    private let folder: FilePath
    /// Whose file a file is, is asked of so many.
    private static let asked = 20_000

    init(folder: FilePath, end: ContinuousClock.Instant) {
        self.folder = folder
        self.end = end
    }

    func take(_ files: [SeenFile]) throws {
        for file in files {
            if found.files < Self.asked, found.own == nil || found.others == nil { look(at: file.path) }
            found.files += 1
        }
        guard ContinuousClock.now < end else { throw TimeIsUp() }
    }

    private func look(at path: RelativePath) {
        var status = stat()
        let whole = FilePath(bytes: folder.bytes + [UInt8(ascii: "/")] + path.bytes)
        guard whole.withPlatformString({ lstat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFREG else { return }
        if status.st_uid == geteuid() {
            found.own = found.own ?? path
        } else if found.others == nil {
            found.others = (path, status.st_uid)
        }
    }
}
