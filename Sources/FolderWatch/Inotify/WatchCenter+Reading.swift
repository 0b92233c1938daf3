import Glibc
import SyncCore
import Synchronization

/// The thread that reads.
extension WatchCenter {
    /// In bytes: some thousand events in one read.
    private static let readSize = 256 << 10
    /// How long, in milliseconds, nothing is to be read before a directory that left is taken for moved out.
    static let quietTime: Int32 = 25

    func runReader(_ instance: Int32) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.readSize, alignment: 8)
        // Says so when anything is mounted or unmounted (`man 5 proc_pid_mountinfo`); without it, scans find out.
        let mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)
        // What was unmounted since the folder was opened, and before this.
        state.withLockWaking { $0.agenda.verifiesFolders = true }
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
    func expireMoves(isQuiet: Bool) -> Bool {
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
        handOn(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        return true
    }

    /// Takes the events of one read.
    func handOn(_ bytes: UnsafeRawBufferPointer) {
        let now = clock.now()
        let wakes = state.withLock { state in
            state.statistics.lastEvent = now
            KernelEvent.forEach(in: bytes) { state.handle($0) }
            defer { state.agenda.isAsleep = false }
            return state.agenda.isAsleep
        }
        if wakes { wakesLister.raise() }
    }

    /// Never seen; the folders are polled, and `retryUnwatched` begins anew.
    private func noteReadingFailed(_ code: Int32) {
        let words = "inotify cannot be read: \(FolderTrouble.reason(code))"
        state.withLock { state in
            state.instanceGap = .other(.trouble(words))
            for folder in state.folders.keys.sorted() {
                if let root = state.table.root(of: folder) { state.drop(root) }
                state.tellMode(of: folder, system)
                state.tell(.mustRescan(.readingFailed(words)), in: folder)
            }
            state.discards = []
        }
    }
}
