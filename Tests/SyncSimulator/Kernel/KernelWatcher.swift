import FolderWatch
import SyncCore
import SystemPackage

/// The agent's own watcher over a `VirtualKernel`. Its two threads are two tasks here, which make one step at a time and
/// let time pass before each.
package final class KernelWatcher: FolderWatcher, @unchecked Sendable {
    // Unchecked: the simulator calls everything on one thread.

    package let inner: InotifyFolderWatcher
    private let process: VirtualProcess
    private let gate: any KernelGate
    private let clock: any SyncClock
    private let readSize: Int
    private let readable: KernelSignal
    private let lister: KernelSignal
    private let mounts: KernelSignal
    private let instance: Instance

    private final class Instance { var descriptor: Int32 = -1 }

    /// - Parameter readSize: how many bytes of events are read at once. An event takes 16 bytes, and 16 more for each
    ///   16 bytes of its name.
    package init(
        _ process: VirtualProcess, gate: any KernelGate, clock: any SyncClock, readSize: Int = 256 << 10
    ) throws(Failure) {
        let instance = Instance()
        readable = process.makeSignal()
        lister = process.makeSignal()
        mounts = process.makeSignal()
        inner = try InotifyFolderWatcher(
            clock: clock,
            system: process.system(readable: readable, lister: lister) { instance.descriptor = $0 })
        self.process = process
        self.gate = gate
        self.clock = clock
        self.readSize = readSize
        self.instance = instance
        // The task that reads waits for one signal.
        process.listenForMounts(mounts)
        process.listenForMounts(readable)
    }

    // MARK: The port

    package func watch(
        _ folder: FilePath, recursive: Bool, skipsDirectory: @escaping @Sendable (RelativePath) -> Bool
    ) async throws(Failure) -> FolderWatch {
        try await gate.pass(.watch, nil)
        return try await inner.watch(folder, recursive: recursive, skipsDirectory: skipsDirectory)
    }

    package func retryUnwatched() { inner.retryUnwatched() }
    package func statistics() -> WatchStatistics { inner.statistics() }
    package func stop() async { await inner.stop() }

    /// Nothing waits to be read or listed.
    package var isIdle: Bool {
        process.readableCount(instance.descriptor) == 0 && !mounts.isRaised && !inner.hasErrands
    }

    // MARK: The two tasks

    /// Reads and lists until the task is cancelled or the process is killed. `watch` returns only while this runs.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.runReader() }
            group.addTask { await self.runLister() }
            await group.waitForAll()
        }
    }

    private var isRunning: Bool { process.isAlive && !Task.isCancelled }

    private func runReader() async {
        var isWaitingForHalf = false
        while isRunning {
            readable.lower()
            if mounts.isRaised {
                mounts.lower()
                inner.noteMountsChanged()
                isWaitingForHalf = inner.expireMoves(isQuiet: false)
            } else if process.readableCount(instance.descriptor) > 0 {
                // A read cannot fail: what the gate throws means that the process was killed.
                try? await gate.pass(.readEvents, nil)
                guard isRunning else { return }
                read()
                isWaitingForHalf = inner.expireMoves(isQuiet: false)
            } else if isWaitingForHalf {
                let isQuiet = await isQuietLongEnough()
                guard isRunning else { return }
                if isQuiet { isWaitingForHalf = inner.expireMoves(isQuiet: true) }
            } else {
                await readable.wait()
            }
        }
    }

    private func read() {
        let bytes = process.readEvents(instance.descriptor, atMost: readSize)
        if !bytes.isEmpty { bytes.withUnsafeBytes { inner.handOn($0) } }
    }

    /// Whether nothing comes for as long as the second half of a rename may take.
    private func isQuietLongEnough() async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                do {
                    try await self.clock.sleep(for: InotifyFolderWatcher.quietTime)
                    return true
                } catch {
                    return false
                }
            }
            group.addTask {
                await self.readable.wait()
                return false
            }
            let isQuiet = await group.next() ?? false
            group.cancelAll()
            return isQuiet
        }
    }

    private func runLister() async {
        while isRunning {
            lister.lower()
            while inner.hasErrands {
                try? await gate.pass(.list, nil)
                guard isRunning else { return }
                _ = inner.listOnce()
            }
            // Says that the lister sleeps, so that it is woken.
            _ = inner.listOnce()
            await lister.wait()
        }
    }
}
