/// Wakes the one task that waits for it. What is raised while nobody waits is kept.
final class KernelSignal: @unchecked Sendable {
    // Unchecked: the simulator calls everything on one thread.

    private let asProcess: (() -> Void) -> Void
    private(set) var isRaised = false
    private var waiter: UnsafeContinuation<Void, Never>?

    /// - Parameter asProcess: see `VirtualKernel.makeProcess`.
    init(_ asProcess: @escaping (() -> Void) -> Void) {
        self.asProcess = asProcess
    }

    func raise() {
        isRaised = true
        wake()
    }

    private func wake() {
        guard let waiter else { return }
        self.waiter = nil
        asProcess { waiter.resume() }
    }

    func lower() { isRaised = false }

    /// Returns when the signal is raised, or the task is cancelled. Leaves the signal raised.
    func wait() async {
        if isRaised || Task.isCancelled { return }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                // No continuation is kept after a cancellation that came first.
                if isRaised || Task.isCancelled { continuation.resume() } else { waiter = continuation }
            }
        } onCancel: {
            wake()
        }
    }
}
