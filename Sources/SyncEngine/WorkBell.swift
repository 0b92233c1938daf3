import SyncCore

/// Wakes one waiter when there may be something to do. A ring while nobody waits is kept, once.
actor WorkBell {
    private var isRung = false
    private var waiter: CheckedContinuation<Void, Never>?
    private var timer: Task<Void, Never>?

    func ring() {
        timer?.cancel()
        timer = nil
        if let waiter {
            self.waiter = nil
            waiter.resume()
        } else {
            isRung = true
        }
    }

    /// Returns at the next ring, after `timeout`, or when the task is cancelled.
    func wait(atMost timeout: Duration, on clock: any SyncClock) async {
        guard !isRung, !Task.isCancelled, timeout > .zero else {
            isRung = false
            return
        }
        timer = Task {
            try? await clock.sleep(for: timeout)
            if !Task.isCancelled { self.ring() }
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // One waiter at a time by use: the loop that owns the bell.
                waiter?.resume()
                waiter = continuation
            }
        } onCancel: {
            Task { await self.ring() }
        }
        timer?.cancel()
        timer = nil
        isRung = false
    }
}
