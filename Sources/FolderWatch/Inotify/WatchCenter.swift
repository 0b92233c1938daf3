import Glibc
import SyncCore
import Synchronization
import SystemPackage

/// One inotify instance for all folders, and two threads: one that only reads and hands on, so that the kernel's
/// queue does not overflow, and one that opens, watches and lists directories, which takes as long as disks do.
final class WatchCenter: Sendable {
    /// In bytes: some thousand events in one read.
    static let readSize = 256 << 10
    /// How long, in milliseconds, nothing is to be read before a directory that left is taken for moved out.
    static let quietTime: Int32 = 25

    let system: InotifySystem
    let clock: any SyncClock
    let state: WatchAccess
    private let wakesReader: EventFlag
    private let wakesLister: EventFlag
    /// For tests: the reader leaves the kernel's queue alone, as if it were stopped.
    private let readerIsHeld = Atomic(false)

    /// `nil` where no descriptors are to be had.
    init?(system: InotifySystem, clock: any SyncClock) {
        guard let reader = EventFlag(), let lister = EventFlag() else { return nil }
        self.system = system
        self.clock = clock
        wakesReader = reader
        wakesLister = lister
        state = WatchAccess(wakesLister: lister)
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
        if state.threads == 0 {
            guard startThread({ self.runLister() }) else { return noThread(&state) }
            state.threads = 1
        }
        guard state.instance < 0 else { return }
        let instance = system.makeInstance()
        guard instance >= 0 else {
            state.instanceGap = Self.reason(-instance)
            return
        }
        state.instance = instance
        guard startThread({ self.runReader(instance) }) else {
            close(instance)
            state.instance = -1
            return noThread(&state)
        }
        state.threads += 1
        state.instanceGap = nil
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
            for folder in Array(state.folders.keys) { state.remove(folder) }
        }
        wakesReader.raise()
        wakesLister.raise()
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

    private func threadEnded() {
        let enders = state.withLock { state in
            state.threads -= 1
            guard state.threads == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.enders = [] }
            return state.enders
        }
        for ender in enders { ender.resume() }
    }

    // MARK: Reading

    private func runReader(_ instance: Int32) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.readSize, alignment: 8)
        // Says so when anything is mounted or unmounted (`man 5 proc_pid_mountinfo`); without it, scans find out.
        let mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)
        var isWaitingForHalf = false
        while !state.withLock({ $0.isStopping }) {
            let isHeld = readerIsHeld.load(ordering: .sequentiallyConsistent)
            var polled = [
                pollfd(fd: wakesReader.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isHeld ? -1 : instance, events: Int16(POLLIN), revents: 0),
                pollfd(fd: mounts, events: Int16(POLLPRI), revents: 0),
            ]
            let ready = poll(&polled, nfds_t(polled.count), isWaitingForHalf ? Self.quietTime : -1)
            if polled[0].revents != 0 { wakesReader.lower() }
            if polled[1].revents != 0 {
                guard read(instance, buffer) else { break }
            }
            if polled[2].revents != 0 { state.withLockWaking { $0.agenda.verifiesFolders = true } }
            isWaitingForHalf = expireMoves(isQuiet: ready == 0)
        }
        buffer.deallocate()
        if mounts >= 0 { close(mounts) }
        state.withLock { $0.instance = -1 }
        close(instance)
        threadEnded()
    }

    /// Whether more halves are waited for.
    private func expireMoves(isQuiet: Bool) -> Bool {
        let (isWaiting, wakes) = state.withLock { state in
            state.expireMoves(isQuiet: isQuiet)
            let wakes = state.agenda.isAsleep && !state.discards.isEmpty
            return (!state.moves.isEmpty, wakes)
        }
        if wakes { wakesLister.raise() }
        return isWaiting
    }

    /// Whether reading can go on.
    private func read(_ instance: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Bool {
        let count = Glibc.read(instance, buffer.baseAddress, buffer.count)
        guard count > 0 else {
            let code = errno
            if count < 0, code == EINTR || code == EAGAIN { return true }
            noteReadingFailed(count == 0 ? EIO : code)
            return false
        }
        let now = clock.now()
        let wakes = state.withLock { state in
            state.statistics.lastEvent = now
            KernelEvent.forEach(in: UnsafeRawBufferPointer(rebasing: buffer[..<count])) { state.handle($0) }
            defer { state.agenda.isAsleep = false }
            return state.agenda.isAsleep
        }
        if wakes { wakesLister.raise() }
        return true
    }

    /// Never seen; the folders are polled, and `retryUnwatched` begins anew.
    private func noteReadingFailed(_ code: Int32) {
        let words = "inotify cannot be read: \(FolderTrouble.reason(code))"
        state.withLock { state in
            state.instanceGap = .other(.trouble(words))
            for folder in Array(state.folders.keys) {
                if let root = state.table.root(of: folder) { state.drop(root) }
                state.tellMode(of: folder, system)
                state.tell(.mustRescan(.readingFailed(words)), in: folder)
            }
            state.discards = []
        }
    }

    // MARK: Listing

    private enum Errand {
        case visit(Visit, isOfWalk: Bool)
        case verifyFolders
        case retry
        case again
        case sleep
        case end
    }

    private func runLister() {
        var isRunning = true
        while isRunning {
            switch state.withLock({ nextErrand(&$0) }) {
            case .visit(let visit, let isOfWalk):
                let below = DirectoryVisitor(state: state, system: system, visit: visit).run()
                state.withLock { finish(visit, isOfWalk, below, &$0) }
            case .verifyFolders:
                verifyFolders()
            case .retry:
                retry()
            case .again:
                break
            case .sleep:
                wakesLister.wait()
            case .end:
                isRunning = false
            }
        }
        threadEnded()
    }

    private func nextErrand(_ state: inout WatchState) -> Errand {
        state.agenda.isAsleep = false
        if state.isStopping { return .end }
        if state.agenda.verifiesFolders {
            state.agenda.verifiesFolders = false
            return .verifyFolders
        }
        if state.agenda.retries {
            state.agenda.retries = false
            return .retry
        }
        let walksWait = state.folders.values.contains { $0.walk != nil }
        if state.agenda.isTurnOfWalks(walksWait), let visit = state.takeFromWalks() {
            return .visit(visit, isOfWalk: true)
        }
        if let visit = state.agenda.takeUrgent() { return .visit(visit, isOfWalk: false) }
        if let visit = state.takeFromWalks() { return .visit(visit, isOfWalk: true) }
        if !state.discards.isEmpty {
            state.giveBackDiscards(atMost: 256, system)
            return .again
        }
        state.agenda.isAsleep = true
        return .sleep
    }

    private func finish(_ visit: Visit, _ isOfWalk: Bool, _ below: [Visit], _ state: inout WatchState) {
        if isOfWalk {
            state.folders[visit.folder]?.walk?.rest.append(contentsOf: below)
            state.finishWalkIfDone(of: visit.folder, system)
        } else {
            for visit in below { state.add(visit) }
            if state.folders[visit.folder]?.walk == nil { state.tellMode(of: visit.folder, system) }
        }
    }

    private typealias Known = (id: WatchTable.Folder, folder: WatchedFolder, isWatched: Bool)

    private func known() -> [Known] {
        state.withLock { state in
            state.folders.sorted { $0.key < $1.key }
                .map { ($0.key, $0.value, state.table.root(of: $0.key) != nil) }
        }
    }

    /// Something was mounted or unmounted. A bind mount goes without a word to the watches on its directories.
    private func verifyFolders() {
        let mountinfo = system.mounts()
        for (id, folder, _) in known() where folder.fileSystemGap == nil {
            switch OpenedDirectory([], below: folder.path, that: folder.identity) {
            case .open(let descriptor):
                close(descriptor)
                let mounts = MountPoints.below(folder.realPath, in: mountinfo)
                guard mounts != folder.mounts else { continue }
                state.withLock { state in
                    state.folders[id]?.mounts = mounts
                    state.requestWalk(of: id, .mountsChanged)
                }
            case .folderMissing:
                state.withLock { $0.depart(id, .missing) }
            case .folderReplaced:
                state.withLock { $0.depart(id, .replaced) }
            case .failed:
                break
            }
        }
    }

    // MARK: Trying again

    private func retry() {
        state.withLock { state in
            let lacked = state.instance < 0
            start(&state)
            guard lacked, state.instance >= 0 else { return }
            for folder in Array(state.folders.keys) { state.requestWalk(of: folder, .watchesRestored) }
        }
        for (id, folder, _) in known() where folder.walk == nil && folder.fileSystemGap == nil {
            if folder.unwatched > 0, let first = folder.someUnwatched.first {
                if hasRoom(for: first, of: folder) {
                    state.withLock { $0.requestWalk(of: id, .watchesRestored) }
                }
            } else {
                retrySetAside(id, Array(folder.setAside.keys))
            }
        }
    }

    private func retrySetAside(_ folder: WatchTable.Folder, _ paths: [[UInt8]]) {
        state.withLock { state in
            for path in paths {
                state.folders[folder]?.setAside[path] = nil
                var visit = Visit(folder: folder, path: path)
                (visit.isForced, visit.tells) = (true, true)
                state.add(visit)
            }
        }
    }

    /// Whether one of the directories that are not watched could be by now; where it is gone, the walk finds others.
    private func hasRoom(for path: [UInt8], of folder: WatchedFolder) -> Bool {
        guard case .open(let descriptor) = OpenedDirectory(path, below: folder.path, that: folder.identity) else {
            return true
        }
        defer { close(descriptor) }
        if case .elsewhere = FileSystemKind(system.fileSystem(descriptor)) { return false }
        return state.withLock { state in
            guard state.instance >= 0 else { return false }
            let watch = system.addWatch(state.instance, descriptor, KernelEvent.directoryMask)
            if watch >= 0, !state.table.isOwned(watch) { _ = system.removeWatch(state.instance, watch) }
            return watch >= 0
        }
    }
}
