import Glibc
import SyncCore
import SystemPackage

/// Watches folders with inotify (`man 7 inotify`). See `FolderWatcher`.
///
/// One for the whole agent: instances are few (`fs.inotify.max_user_instances`), and each costs two threads. A
/// directory costs one watch, about 1.2 KiB in all, nearly all of it the kernel's.
///
/// What it does not promise: a folder whose *parent* is renamed is noticed at the next directory that comes or at the
/// next mount, not at once, so whoever watches a folder resolves its path now and then; so is a directory that becomes
/// readable, at the next `retryUnwatched`.
public final class InotifyFolderWatcher: FolderWatcher {
    let center: WatchCenter
    private let system: InotifySystem

    /// - Parameter clock: for `WatchStatistics.lastEvent`.
    /// - Throws: `Failure` where not even two descriptors are to be had.
    public convenience init(clock: any SyncClock) throws(Failure) {
        try self.init(clock: clock, system: InotifySystem())
    }

    package init(clock: any SyncClock, system: InotifySystem) throws(Failure) {
        guard let center = WatchCenter(system: system, clock: clock) else {
            throw Failure(
                .unreadable, scope: .agent, "cannot watch folders: no descriptors left",
                hint: "raise the limit of open files (LimitNOFILE in the unit, or fs.file-max)")
        }
        self.center = center
        self.system = system
    }

    deinit { center.requestStop() }

    /// Ends all watches and both threads, and returns when they have ended. Nothing can be watched afterwards.
    public func stop() async { await center.stop() }

    // MARK: Watching

    public func watch(
        _ folder: FilePath, recursive: Bool, skipsDirectory: @escaping @Sendable (RelativePath) -> Bool
    ) async throws(Failure) -> FolderWatch {
        let system = system
        let opened = await system.directories.offload { OpenedFolder.open(folder, system) }
        let found = try opened.get()
        let queue = FolderEventQueue()
        let id = center.state.withLockWaking { state in
            register(
                WatchedFolder(
                    path: folder, realPath: found.realPath, identity: found.identity, isRecursive: recursive,
                    skips: skipsDirectory, queue: queue, mounts: found.mounts, fileSystemGap: found.gap), &state)
        }
        let center = center
        let watch = FolderWatch(events: queue) {
            center.status(of: id)
        } stop: {
            center.state.withLockWaking { $0.remove(id) }
        }
        await withTaskCancellationHandler {
            await firstWalk(of: id)
        } onCancel: {
            watch.stop()
        }
        return watch
    }

    private func register(_ folder: WatchedFolder, _ state: inout WatchState) -> WatchTable.Folder {
        let id = state.nextFolder
        state.nextFolder &+= 1
        guard !state.isStopping else {
            folder.queue.finish()
            return id
        }
        state.folders[id] = folder
        if folder.fileSystemGap == nil { center.start(&state) }
        let mode = state.mode(of: id, system)
        state.folders[id]?.told = mode
        state.tell(.modeChanged(mode), in: id)
        return id
    }

    /// Returns when all directories are watched, or when there is nothing to watch with.
    private func firstWalk(of id: WatchTable.Folder) async {
        await withCheckedContinuation { waiter in
            let isWalking = center.state.withLockWaking { state in
                guard let folder = state.folders[id], folder.fileSystemGap == nil, state.instance >= 0 else {
                    return false
                }
                // An overflow may have asked for a walk in between.
                let again = folder.walk?.reason
                state.folders[id]?.walk = FolderWalk(of: id, reason: nil, waiter: waiter)
                state.folders[id]?.walk?.again = again
                return true
            }
            if !isWalking { waiter.resume() }
        }
    }

    public func retryUnwatched() {
        center.state.withLockWaking { $0.agenda.retries = true }
    }

    public func statistics() -> WatchStatistics {
        let limit = WatchLimit.inForce("watches", system)
        return center.state.withLock { state in
            var statistics = state.statistics
            statistics.watches = state.table.watchCount
            statistics.limit = limit
            return statistics
        }
    }
}

extension WatchCenter {
    func status(of id: WatchTable.Folder) -> FolderWatchStatus {
        state.withLock { state in
            guard let folder = state.folders[id] else {
                return FolderWatchStatus(
                    mode: .polling(.trouble("the folder is not watched any more")), watched: 0, unwatched: 0)
            }
            return FolderWatchStatus(
                mode: state.mode(of: id, system), watched: state.table.count(of: id), unwatched: folder.unwatched.count,
                someUnwatched: folder.unwatched.some.compactMap { RelativePath(bytes: $0) },
                unreadable: folder.nextToRetry().compactMap { path in
                    guard let reason = folder.setAside[path] else { return nil }
                    return RelativePath(bytes: path).map { ScanReport.Problem(path: $0, reason: reason) }
                })
        }
    }
}

/// A folder as it is when its watch begins.
private struct OpenedFolder: Sendable {
    let identity: DirectoryIdentity
    let realPath: [UInt8]
    let mounts: Set<[UInt8]>
    let gap: WatchGap?

    static func open(_ folder: FilePath, _ system: InotifySystem) -> Result<OpenedFolder, Failure> {
        let directories = system.directories
        let descriptor = directories.openFolder(folder, for: .listing)
        guard descriptor >= 0 else { return .failure(FolderTrouble.failure(-descriptor, folder)) }
        defer { directories.close(descriptor) }
        var status = stat()
        let result = directories.status(of: descriptor, &status)
        guard result == 0 else { return .failure(FolderTrouble.failure(-result, folder)) }
        // A path that cannot be resolved matches no mount point: mounts below the folder are then not noticed.
        let realPath = directories.realPath(folder) ?? [0]
        let type = FileSystemType(number: system.fileSystem(descriptor))
        let gap: WatchGap? = type.isRemote ? .fileSystem(type.name) : nil
        return .success(
            OpenedFolder(
                identity: DirectoryIdentity(status), realPath: realPath,
                mounts: MountPoints.below(realPath, in: system.mounts()), gap: gap))
    }
}
