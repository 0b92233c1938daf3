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
    private let scanBell = WorkBell()
    private var mode = WatchMode.events
    private var mustScan = true
    private var told: FolderState?
    /// Where the folder's root last lay: an empty directory on another device is a mount point without its mount.
    private var device: UInt64?

    /// How often a folder that is not there is looked for.
    static let absencePause: Duration = .seconds(2)
    static let shortestPoll: Duration = .seconds(1)
    /// A full scan is repeated at the earliest after so many times its own duration.
    static let restPerScan = 20

    init(
        _ mapping: Mapping, configuration: LiveConfiguration, ports: EnginePorts, watcher: any FolderWatcher,
        intake: FolderIntake, observer: @escaping EngineObserver, onNews: @escaping @Sendable () async -> Void
    ) {
        self.mapping = mapping
        live = configuration
        self.ports = ports
        self.watcher = watcher
        self.intake = intake
        self.observer = observer
        self.onNews = onNews
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
                tell(.unmounted(problem))
                try? await ports.clock.sleep(for: Self.absencePause)
                continue
            }
            mustScan = true
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

    private func tell(_ state: FolderState) {
        guard state != told else { return }
        told = state
        observer(.folderState(mapping.id, state))
    }

    /// Why the folder cannot be taken for the one that is mapped; `nil` where it can.
    private func absence() async -> Failure? {
        if let problem = await ports.sources.problem(with: mapping.folder) { return problem }
        guard let found = await ports.sources.root(of: mapping.folder) else { return nil }
        if let device, found.device != device, found.isEmpty {
            return Failure(
                .sourceGone, scope: .destination, "\(mapping.folder) is empty, and on another file system than before",
                hint: "mount it again; its files are left as they are until then")
        }
        device = found.device
        return nil
    }

    /// Watches and scans, until the folder goes away.
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
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: Events

    /// Returns when the folder is gone, or the task is cancelled.
    private func listen(to watch: FolderWatch) async {
        while let events = await watch.nextBatch() {
            var paths: Set<RelativePath> = []
            var isGone = false
            for event in events {
                switch event {
                case .closedAfterWriting(let path), .movedIn(let path), .appeared(let path): paths.insert(path)
                case .deleted, .movedAway, .directoryGone, .directoryMoved: break
                case .mustRescan: await rescan()
                case .modeChanged(let mode): await change(to: mode)
                case .folderGone: isGone = true
                }
            }
            await notice(paths)
            if isGone { return }
        }
    }

    private func notice(_ paths: Set<RelativePath>) async {
        guard !paths.isEmpty else { return }
        do throws(Failure) {
            if try await intake.notice(paths, in: mapping) > 0 { await onNews() }
        } catch {
            // The queue cannot be used: the scan that comes once it can finds them.
            observer(.queueProblem(error))
            await rescan()
        }
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

    /// Returns when the folder cannot be scanned.
    private func scanWhenDue() async throws {
        var due = ports.clock.now().monotonic
        while true {
            try Task.checkCancellation()
            let now = ports.clock.now().monotonic
            if mustScan || now.reached(due) ?? true {
                mustScan = false
                // A mount that came and went between two scans must not be scanned as the folder.
                if await absence() != nil { return }
                tell(.scanning)
                guard try await intake.scan(mapping) else { return }
                tell(state)
                await onNews()
                let end = ports.clock.now().monotonic
                due = end.advanced(by: interval(after: end.since(now) ?? .zero))
            }
            let left = due.since(ports.clock.now().monotonic) ?? .zero
            if !mustScan {
                await scanBell.wait(atMost: min(max(left, .milliseconds(10)), longestWait), on: ports.clock)
            }
        }
    }

    /// Where polling is how files are found, the mode may have changed meanwhile.
    private var longestWait: Duration { max(polls ? mapping.poll : .seconds(3600), Self.shortestPoll) }

    private var polls: Bool {
        switch mode {
        case .events: false
        case .polling, .partial: true
        }
    }

    private func interval(after duration: Duration) -> Duration {
        if polls { return max(mapping.poll, Self.shortestPoll, duration) }
        // Never is a hundred years.
        guard let rescan = live.current.settings.rescan else { return .seconds(3_153_600_000) }
        return max(rescan * (0.9 + 0.2 * ports.random()), duration * Self.restPerScan)
    }
}
