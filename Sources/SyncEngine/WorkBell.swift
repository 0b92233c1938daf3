import SyncCore

/// Wakes one waiter when there may be something to do. A ring while nobody waits is kept, once.
actor WorkBell {
    private var isRung = false
    private var waiter: CheckedContinuation<Bool, Never>?
    /// When whoever waits has waited long enough.
    private var deadline: MonotonicInstant?
    /// It outlasts the wait that it was set for, and serves the later ones: a timer that is cancelled stays with the
    /// runtime until its time has come, and where files come fast there would be thousands of them.
    private var alarm: (at: MonotonicInstant, task: Task<Void, Never>)?

    func ring() {
        if waiter == nil { isRung = true } else { wake(byRing: true) }
    }

    private func wake(byRing: Bool) {
        deadline = nil
        waiter?.resume(returning: byRing)
        waiter = nil
    }

    /// Returns at the next ring, after `timeout`, or when the task is cancelled.
    ///
    /// - Returns: whether it was rung.
    @discardableResult
    func wait(atMost timeout: Duration, on clock: any SyncClock) async -> Bool {
        guard !isRung, !Task.isCancelled, timeout > .zero else {
            defer { isRung = false }
            return isRung
        }
        let end = clock.now().monotonic.advanced(by: timeout)
        deadline = end
        setAlarm(end, on: clock)
        let wasRung = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // One waiter at a time by use: the loop that owns the bell.
                waiter?.resume(returning: true)
                waiter = continuation
            }
        } onCancel: {
            Task { await self.ring() }
        }
        isRung = false
        if Task.isCancelled {
            alarm?.task.cancel()
            alarm = nil
        }
        return wasRung
    }

    private func setAlarm(_ end: MonotonicInstant, on clock: any SyncClock) {
        if let alarm, end.reached(alarm.at) ?? false { return }
        alarm?.task.cancel()
        let task = Task { [weak self] in
            var next: MonotonicInstant? = end
            while let at = next {
                try? await clock.sleep(for: at.since(clock.now().monotonic) ?? .zero)
                next = await self?.goOff(on: clock)
            }
        }
        alarm = (end, task)
    }

    /// - Returns: when to go off next; `nil`: never.
    private func goOff(on clock: any SyncClock) -> MonotonicInstant? {
        // By another alarm's task, which came too late to be cancelled.
        guard !Task.isCancelled else { return nil }
        guard let deadline, clock.now().monotonic.reached(deadline) == false else {
            alarm = nil
            if deadline != nil { wake(byRing: false) }
            return nil
        }
        alarm?.at = deadline
        return deadline
    }
}
