import Glibc
import SyncCore
import Synchronization

/// One inotify instance for all folders, and two threads: one that only reads and hands on, so that the kernel's
/// queue does not overflow, and one that opens, watches and lists directories, which takes as long as disks do.
///
/// Here the threads begin and end; what they do is in the extensions.
final class WatchCenter: Sendable {
    let system: InotifySystem
    let clock: any SyncClock
    let state: WatchAccess
    let wakesReader: EventFlag
    let wakesLister: EventFlag
    /// For tests: the reader leaves the kernel's queue alone, as if it were stopped.
    let readerIsHeld = Atomic(false)

    /// `nil` where no descriptors are to be had.
    init?(system: InotifySystem, clock: any SyncClock) {
        guard let (reader, lister) = Self.flags(system.threads) else { return nil }
        self.system = system
        self.clock = clock
        wakesReader = reader
        wakesLister = lister
        state = WatchAccess(wakesLister: lister)
    }

    private static func flags(_ threads: WatchThreads) -> (reader: EventFlag, lister: EventFlag)? {
        switch threads {
        case .own:
            guard let reader = EventFlag(), let lister = EventFlag() else { return nil }
            return (reader, lister)
        case .stepped(let wakeLister):
            return (EventFlag(onRaise: {}), EventFlag(onRaise: wakeLister))
        }
    }

    func holdReader(_ isHeld: Bool) {
        readerIsHeld.store(isHeld, ordering: .sequentiallyConsistent)
        wakesReader.raise()
    }

    func wakeLister() { wakesLister.raise() }

    // MARK: Threads

    /// Starts what is missing: the threads and the instance. Under the lock, so that nothing starts twice.
    func start(_ state: inout WatchState) {
        guard !state.isStopping else { return }
        if case .stepped = system.threads { return startStepped(&state) }
        if state.threads == 0 {
            guard startThread({ self.runLister() }) else { return noThread(&state) }
            state.threads = 1
        }
        guard let instance = openInstance(&state) else { return }
        guard startThread({ self.runReader(instance) }) else {
            close(instance)
            state.instance = -1
            return noThread(&state)
        }
        state.threads += 1
        state.instanceGap = nil
    }

    /// Nothing runs by itself: the caller reads the instance and lists.
    private func startStepped(_ state: inout WatchState) {
        guard openInstance(&state) != nil else { return }
        state.instanceGap = nil
        state.agenda.verifiesFolders = true
    }

    /// - Returns: `nil` if there is one already, or if the kernel gives none.
    private func openInstance(_ state: inout WatchState) -> Int32? {
        guard state.instance < 0 else { return nil }
        let instance = system.makeInstance()
        guard instance >= 0 else {
            state.instanceGap = Self.reason(-instance)
            return nil
        }
        state.instance = instance
        return instance
    }

    private func noThread(_ state: inout WatchState) {
        state.instanceGap = .other(.trouble("cannot start a thread; raise the limit of processes (LimitNPROC)"))
    }

    /// EMFILE means two things (`man 2 inotify_init`).
    private static func reason(_ code: Int32) -> UnwatchedReason {
        guard code == EMFILE else { return .other(.trouble("inotify_init1: \(FolderTrouble.reason(code))")) }
        let spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard spare < 0, errno == EMFILE else {
            if spare >= 0 { close(spare) }
            return .instancesUsedUp
        }
        return .other(.trouble(FolderTrouble.reason(EMFILE)))
    }

    func requestStop() {
        state.withLock { state in
            state.isStopping = true
            for folder in state.folders.keys.sorted() { state.remove(folder) }
            closeStepped(&state)
        }
        wakesReader.raise()
        wakesLister.raise()
    }

    private func closeStepped(_ state: inout WatchState) {
        guard case .stepped = system.threads, state.instance >= 0 else { return }
        system.directories.close(state.instance)
        state.instance = -1
    }

    /// Returns when both threads have ended and the instance is closed.
    func stop() async {
        requestStop()
        await withCheckedContinuation { ender in
            let hasEnded = state.withLock { state in
                if state.threads > 0 { state.enders.append(ender) }
                return state.threads == 0
            }
            if hasEnded { ender.resume() }
        }
    }

    func threadEnded() {
        let enders = state.withLock { state in
            state.threads -= 1
            guard state.threads == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.enders = [] }
            return state.enders
        }
        for ender in enders { ender.resume() }
    }
}
