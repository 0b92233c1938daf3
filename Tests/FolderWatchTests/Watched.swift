import Glibc
import SyncCore
import Synchronization
import SystemPackage
import Testing

@testable import FolderWatch

/// A folder on disk with a watch on it.
final class Watched: Sendable {
    let folder: TemporaryFolder
    let watcher: InotifyFolderWatcher
    let watch: FolderWatch
    private let sentinels = Atomic(0)

    struct TooSlow: Error {
        let waitedFor: String
    }

    static func over(
        _ folder: TemporaryFolder? = nil, at path: FilePath? = nil, system: InotifySystem = InotifySystem()
    ) async throws -> Watched {
        try await filled(folder, at: path, system: system) { _ in }
    }

    /// - Parameter prepare: fills the folder before it is watched.
    static func filled(
        _ folder: TemporaryFolder? = nil, at path: FilePath? = nil, recursive: Bool = true,
        system: InotifySystem = InotifySystem(),
        skips: @escaping @Sendable (RelativePath) -> Bool = { _ in false },
        prepare: (TemporaryFolder) throws -> Void
    ) async throws -> Watched {
        let folder = try folder ?? TemporaryFolder()
        try prepare(folder)
        let watcher = try InotifyFolderWatcher(clock: FixedClock(), system: system)
        let watch = try await watcher.watch(path ?? folder.path, recursive: recursive, skipsDirectory: skips)
        return Watched(folder: folder, watcher: watcher, watch: watch)
    }

    init(folder: TemporaryFolder, watcher: InotifyFolderWatcher, watch: FolderWatch) {
        self.folder = folder
        self.watcher = watcher
        self.watch = watch
    }

    /// Everything told of what was done so far: until a file that is written now is told, and the thread that lists
    /// has nothing more to list.
    @discardableResult
    func told() async throws -> [FolderEvent] {
        var events = try await toldUntilSentinel()
        try await eventually("nothing is left to list") { self.isListed }
        events += try await toldUntilSentinel()
        return events
    }

    private var isListed: Bool {
        watcher.center.state.withLock { state in
            state.agenda.isAsleep && state.agenda.urgentCount == 0 && state.moves.isEmpty
                && state.discards.isEmpty && state.folders.values.allSatisfy { $0.walk == nil }
        }
    }

    private func toldUntilSentinel() async throws -> [FolderEvent] {
        let number = sentinels.add(1, ordering: .relaxed).newValue
        let name = ".sentinel-\(number)"
        try folder.create(Array(name.utf8))
        let sentinel = try RelativePath.of(name)
        var events: [FolderEvent] = []
        while let batch = await watch.nextBatch() {
            events += batch.filter { !$0.isAboutSentinel }
            if batch.contains(.closedAfterWriting(sentinel)) { break }
        }
        return events
    }

    /// Takes what is told until `isEnough`; fails after thirty seconds.
    func told(until isEnough: @escaping @Sendable ([FolderEvent]) -> Bool) async throws -> [FolderEvent] {
        let watch = watch
        return try await within(seconds: 30, "told until") {
            var events: [FolderEvent] = []
            while !isEnough(events), let batch = await watch.nextBatch() { events += batch }
            return events
        }
    }
}

extension FolderEvent {
    var isAboutSentinel: Bool {
        switch self {
        case .closedAfterWriting(let path), .appeared(let path): path.description.hasPrefix(".sentinel-")
        case .movedIn, .deleted, .movedAway, .directoryGone, .directoryMoved, .mustRescan, .modeChanged, .folderGone:
            false
        }
    }

    /// The file at which to look.
    var hint: RelativePath? {
        switch self {
        case .closedAfterWriting(let path), .movedIn(let path), .appeared(let path): path
        case .deleted, .movedAway, .directoryGone, .directoryMoved, .mustRescan, .modeChanged, .folderGone: nil
        }
    }

    var mode: WatchMode? {
        if case .modeChanged(let mode) = self { mode } else { nil }
    }
}

struct FixedClock: SyncClock {
    static let moment = Moment(
        wall: Timestamp(milliseconds: 1_000_000), monotonic: MonotonicInstant(run: 7, nanoseconds: 42))

    func now() -> Moment { Self.moment }
    func sleep(for duration: Duration) async throws { throw CancellationError() }
}

/// The other side is a kernel and its threads, so there is something to wait for; never longer than about thirty seconds.
func eventually(_ what: String, _ condition: () -> Bool) async throws {
    for _ in 0..<15_000 {
        if condition() { return }
        try await Task.sleep(for: .milliseconds(2))
    }
    throw Watched.TooSlow(waitedFor: what)
}

func within<Value: Sendable>(
    seconds: Int, _ what: String, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask(operation: body)
        group.addTask {
            try await Task.sleep(for: .seconds(seconds))
            throw Watched.TooSlow(waitedFor: what)
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw Watched.TooSlow(waitedFor: what) }
        return value
    }
}

extension TemporaryFolder {
    func write(_ relative: String, _ bytes: [UInt8] = [1]) throws { try create(Array(relative.utf8), bytes) }
    func move(_ from: String, _ to: String) throws { try check("rename", rename(name(from), name(to))) }
    func remove(_ relative: String) throws { try check("unlink", unlink(name(relative))) }
    func removeFolder(_ relative: String) throws { try check("rmdir", rmdir(name(relative))) }

    func makeFolders(_ relative: String) throws {
        var path = ""
        for name in relative.split(separator: "/") {
            path += path.isEmpty ? name : "/" + name
            if mkdir(self.name(path), 0o755) != 0, errno != EEXIST {
                throw SystemCallFailed(call: "mkdir \(path)", code: errno)
            }
        }
    }
}
