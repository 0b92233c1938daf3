import SyncCore

/// Looks after the folder of one mapping: watches it, scans it when that is due, and waits for it where it is not
/// there. What is new goes to the queue by way of `FolderIntake`.
///
/// Nothing here ever says that a file is gone: an unmounted folder is no news about its files.
actor FolderKeeper {
    private let mapping: Mapping
    private let live: LiveConfiguration
    private let ports: EnginePorts
    private let watcher: any FolderWatcher
    private let intake: FolderIntake
    private let observer: EngineObserver
    private let onNews: @Sendable () async -> Void
    /// The folder is another directory, or is there again: what waited for it may be due.
    private let onRoot: @Sendable () async -> Void
    private let scanBell = WorkBell()
    private var mode = WatchMode.events
    private var mustScan = true
    private var isScanning = false
    /// Something was heard of and could not be looked at: found by a scan, but not by one after the other.
    private var scansSoon = false
    private let roots: KnownRoots
    private var told: FolderState?
    /// What was told of which directory it is; the outer `nil`: nothing yet.
    private var toldRoot: FolderIdentity??
    /// What the queue was told; the outer `nil`: nothing yet.
    private var remembered: FolderIdentity??
    /// The directory that `keep` watches and scans.
    private var kept: FolderIdentity?

    /// How often a folder that is not there is looked for.
    static let absencePause: Duration = .seconds(2)
    /// How often the folder's path is resolved again.
    static let pathPause: Duration = .seconds(3)
    /// How often a scan that is under way is looked after.
    static let silencePause: Duration = .seconds(30)
    static let shortestPoll: Duration = .seconds(1)
    /// How soon a scan follows that is wanted, and that may come to nothing again.
    static let soon: Duration = .seconds(10)
    /// A full scan is repeated at the earliest after so many times its own duration.
    static let restPerScan = 20

    init(
        _ mapping: Mapping, configuration: LiveConfiguration, ports: EnginePorts, watcher: any FolderWatcher,
        intake: FolderIntake, roots: KnownRoots, observer: @escaping EngineObserver,
        onNews: @escaping @Sendable () async -> Void, onRoot: @escaping @Sendable () async -> Void
    ) {
        self.mapping = mapping
        live = configuration
        self.ports = ports
        self.watcher = watcher
        self.intake = intake
        self.roots = roots
        self.observer = observer
        self.onNews = onNews
        self.onRoot = onRoot
    }

    /// Scans at once.
    func rescan() async {
        mustScan = true
        await scanBell.ring()
    }

    /// Runs until it is cancelled.
    func run() async {
        while !Task.isCancelled {
            if let problem = await absence() {
                guard !Task.isCancelled else { return }
                tell(.unmounted(problem))
                await remember(nil)
                try? await ports.clock.sleep(for: Self.absencePause)
                continue
            }
            mustScan = true
            kept = toldRoot ?? nil
            do {
                try await keep()
            } catch let failure as Failure {
                observer(.folderProblem(mapping.id, failure))
                try? await ports.clock.sleep(for: Self.absencePause)
            } catch {
                return
            }
        }
    }

    /// Once for each state: one that lasts is no news.
    private func tell(_ state: FolderState) {
        guard state != told else { return }
        told = state
        observer(.folderState(mapping.id, state))
    }

    /// What the folder is now, for the queue, and for the next start.
    private func remember(_ root: FolderRoot?) async {
        let identity = root?.identity
        if toldRoot != .some(identity) {
            toldRoot = .some(identity)
            observer(.folderRoot(mapping.id, root?.directory))
        }
        guard remembered != .some(identity) else { return }
        do throws(Failure) {
            try await ports.queue.noteFolder(identity, of: mapping.id, at: mapping.folder, now: ports.clock.now())
            remembered = .some(identity)
            await onRoot()
        } catch {
            observer(.queueProblem(error))
        }
    }

    /// Why the folder cannot be taken for the one that is mapped; `nil` where it can.
    private func absence() async -> Failure? {
        if let problem = await ports.sources.problem(with: mapping.folder) { return problem }
        // Who was cancelled while the folder did not answer has no say any more.
        guard let found = await ports.sources.root(of: mapping.folder), !Task.isCancelled else { return nil }
        if roots.accept(found, of: mapping.folder) {
            await remember(found)
            return nil
        }
        return Failure(
            .sourceGone, scope: .destination, "\(mapping.folder) is an empty directory, and not the one it was before",
            hint: "mount it again; its files are left as they are until something is there")
    }

    /// Watches and scans, until the folder goes away or its path leads to another directory.
    private func keep() async throws {
        let mapping = mapping
        let watch: FolderWatch?
        switch mapping.watch {
        case .poll:
            watch = nil
            mode = .polling(.trouble("watch: poll"))
        case .auto, .events:
            let configuration = live.current
            watch = try await watcher.watch(
                mapping.folder, recursive: mapping.recursive,
                skipsDirectory: { configuration.directoryIsExcluded($0, in: mapping) })
        }
        defer { watch?.stop() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let watch { group.addTask { await self.listen(to: watch) } }
            group.addTask { try await self.scanWhenDue() }
            group.addTask { try await self.watchScans() }
            group.addTask { try await self.watchPath() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: The path

    /// Returns when the folder's path leads elsewhere, or nowhere. The watch stays on its directory, and the kernel tells
    /// nothing when a directory above it is renamed or a link on the way is changed.
    private func watchPath() async throws {
        while true {
            try await ports.clock.sleep(for: Self.pathPause)
            try Task.checkCancellation()
            if let found = await ports.sources.root(of: mapping.folder) {
                if found.identity != kept { return }
            } else if !isScanning, await absence() != nil {
                // A scan of a folder that does not answer cannot be ended: `watchScans` tells of it.
                return
            }
        }
    }

    // MARK: Events

    /// Returns when the folder is gone, or the task is cancelled.
    private func listen(to watch: FolderWatch) async {
        while let events = await watch.nextBatch() {
            var paths: Set<RelativePath> = []
            var written: Set<RelativePath> = []
            var deleted: Set<RelativePath> = []
            var isGone = false
            for event in events {
                switch event {
                case .closedAfterWriting(let path), .movedIn(let path): written.insert(path)
                case .appeared(let path): paths.insert(path)
                // Another file may have taken the place in the same step (`man 2 renameat2`, RENAME_EXCHANGE).
                case .movedAway(let path): paths.insert(path)
                // Whatever comes there afterwards is told by an event of its own.
                case .deleted(let path): deleted.insert(path)
                case .directoryGone, .directoryMoved: break
                case .mustRescan: await rescan()
                case .modeChanged(let mode): await change(to: mode)
                case .folderGone: isGone = true
                }
            }
            // Whatever else the folder has to tell is found by the scan that comes once it is back.
            guard await notice(paths.union(written), written: written, deleted: deleted), !isGone else { return }
        }
    }

    /// - Returns: whether the folder is still there.
    private func notice(
        _ paths: Set<RelativePath>, written: Set<RelativePath>, deleted: Set<RelativePath>
    ) async -> Bool {
        guard !paths.isEmpty || !deleted.isEmpty else { return true }
        do throws(Failure) {
            let noticed = try await intake.notice(paths, written: written, deleted: deleted, in: mapping)
            if noticed.settles { await onNews() }
            guard noticed.isWhole else {
                if await absence() != nil { return false }
                await scanSoon()
                return true
            }
        } catch {
            // The queue cannot be used: the scan that comes once it can finds them.
            observer(.queueProblem(error))
            await scanSoon()
        }
        return true
    }

    private func scanSoon() async {
        scansSoon = true
        await scanBell.ring()
    }

    private func change(to mode: WatchMode) async {
        self.mode = mode
        tell(state)
        await scanBell.ring()
    }

    private var state: FolderState {
        switch mode {
        case .events: .watching
        case .polling(let gap): .polling(gap)
        case .partial(let watched, let unwatched, let gap): .partly(watched: watched, unwatched: unwatched, gap)
        }
    }

    // MARK: Scans

    /// A scan waits for a folder that does not answer for as long as that takes: it is told meanwhile.
    private func watchScans() async throws {
        while true {
            try await ports.clock.sleep(for: Self.silencePause)
            guard isScanning, var problem = await absence() else { continue }
            while true {
                try Task.checkCancellation()
                tell(.unmounted(problem))
                await remember(nil)
                try await ports.clock.sleep(for: Self.absencePause)
                guard let next = await absence() else { break }
                problem = next
            }
            tell(isScanning ? .scanning : state)
        }
    }

    private struct LastScan {
        let end: MonotonicInstant
        let took: Duration
        /// Drawn once for each pause, from 0..<1.
        let jitter: Double
    }

    /// Returns when the folder cannot be scanned.
    private func scanWhenDue() async throws {
        var last: LastScan?
        while true {
            try Task.checkCancellation()
            // Asked anew each time: the mode, and the rescan that the mapping file asks for, change meanwhile.
            let left = last.flatMap { pause(after: $0) }
            if mustScan || last == nil || left.map({ $0 <= .zero }) ?? false {
                (mustScan, scansSoon) = (false, false)
                // A mount that came and went between two scans must not be scanned as the folder.
                if await absence() != nil { return }
                // Nor is a directory scanned that is not the one that is watched.
                if let found = toldRoot ?? nil, found != kept { return }
                let began = ports.clock.now().monotonic
                tell(.scanning)
                guard let isScanned = try await scanned() else { continue }
                guard isScanned else {
                    // It is there and cannot be scanned: tried again, and not as fast as that fails.
                    return try await ports.clock.sleep(for: Self.absencePause)
                }
                tell(state)
                await onNews()
                let end = ports.clock.now().monotonic
                last = LastScan(end: end, took: end.since(began) ?? .zero, jitter: ports.random())
            } else {
                await scanBell.wait(
                    atMost: min(max(left ?? Self.longestWait, .milliseconds(10)), Self.longestWait), on: ports.clock)
            }
        }
    }

    /// How long a scan is left alone that the queue did not take, as on a full disk; the watch goes on meanwhile.
    static let queuePause: Duration = .seconds(15)

    /// - Returns: `nil` where the queue could not be used: it is to be scanned again.
    private func scanned() async throws -> Bool? {
        isScanning = true
        defer { isScanning = false }
        do {
            return try await intake.scan(mapping, onNews: onNews)
        } catch let failure as Failure where failure.kind == .stateUnavailable {
            observer(.queueProblem(failure))
            mustScan = true
            tell(state)
            try await ports.clock.sleep(for: Self.queuePause)
            return nil
        }
    }

    /// The mapping file may be edited meanwhile.
    private static let longestWait: Duration = .seconds(60)

    private var polls: Bool {
        switch mode {
        case .events: false
        case .polling, .partial: true
        }
    }

    /// How long the next scan is still to wait; `nil`: for ever.
    private func pause(after last: LastScan) -> Duration? {
        let passed = ports.clock.now().monotonic.since(last.end) ?? .zero
        return interval(after: last).map { $0 - passed }
    }

    private func interval(after last: LastScan) -> Duration? {
        if polls { return max(mapping.poll, Self.shortestPoll, last.took) }
        let rest = last.took * Self.restPerScan
        let wanted = live.current.settings.rescan.map { max($0 * (0.9 + 0.2 * last.jitter), rest) }
        guard scansSoon else { return wanted }
        return wanted.map { min($0, max(Self.soon, rest)) } ?? max(Self.soon, rest)
    }
}
