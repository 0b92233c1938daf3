import SyncCore
import Synchronization

/// A clock that stands still until a test, or `VirtualTime`, moves it on. `sleep` parks until then.
public final class ManualClock: SyncClock {
    private struct Sleeper {
        let due: Int64
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        /// Nanoseconds on the monotonic clock.
        var elapsed: Int64 = 1_000_000_000
        /// Milliseconds by which the wall clock is ahead of the monotonic one.
        var wallOffset: Int64
        var serial = 0
        var fallenAsleep = 0
        var sleepers: [Int: Sleeper] = [:]
        var cancelled: Set<Int> = []
    }

    /// The run that its instants belong to.
    public let run: UInt64
    private let state: Mutex<State>

    /// - Parameter wall: what the wall clock says at the start.
    public init(run: UInt64, wall: Timestamp = Timestamp(milliseconds: 1_700_000_000_000)) {
        self.run = run
        state = Mutex(State(wallOffset: wall.milliseconds - 1000))
    }

    public func now() -> Moment {
        state.withLock { state in
            Moment(
                wall: Timestamp(milliseconds: state.elapsed / 1_000_000 + state.wallOffset),
                monotonic: MonotonicInstant(run: run, nanoseconds: state.elapsed))
        }
    }

    /// How many have begun to sleep so far: time that is moved on from then on wakes them.
    public var fallenAsleep: Int { state.withLock { $0.fallenAsleep } }

    /// Changes whenever somebody falls asleep or wakes.
    var changes: Int { state.withLock { $0.serial } }

    public func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        guard duration > .zero else { return }
        let number = state.withLock { state in
            state.serial += 1
            return state.serial
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(number) != nil { return true }
                    let due = state.elapsed.addingReportingOverflow(duration.saturatingNanoseconds)
                    state.sleepers[number] = Sleeper(
                        due: due.overflow ? .max : due.partialValue, continuation: continuation)
                    state.fallenAsleep += 1
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                state.serial += 1
                let sleeper = state.sleepers.removeValue(forKey: number)
                if sleeper == nil { state.cancelled.insert(number) }
                return sleeper
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Moves time on, waking everybody whose time has come.
    public func advance(by duration: Duration) {
        move { state in state.elapsed += duration.saturatingNanoseconds }
    }

    /// Moves time on towards the next sleeper's due time, by at most `step`.
    public func advanceToNext(atMost step: Duration) {
        move { state in
            guard let next = state.sleepers.values.map(\.due).min() else { return }
            state.elapsed = max(state.elapsed, min(next, state.elapsed + step.saturatingNanoseconds))
        }
    }

    /// The wall clock steps; nobody wakes.
    public func stepWall(by duration: Duration) {
        state.withLock { $0.wallOffset += duration.saturatingMilliseconds }
    }

    private func move(_ body: (inout State) -> Void) {
        let woken = state.withLock { state in
            body(&state)
            let due = state.sleepers.filter { $0.value.due <= state.elapsed }
            for number in due.keys { state.sleepers[number] = nil }
            if !due.isEmpty { state.serial += 1 }
            // Those that fell asleep first wake first.
            return due.sorted { ($0.value.due, $0.key) < ($1.value.due, $1.key) }.map(\.value.continuation)
        }
        for continuation in woken { continuation.resume() }
    }
}
