import SyncCore
import Synchronization

/// Counts what is under way outside of the clock, so that time does not run on while the disk is at work.
public final class Activity: Sendable {
    private struct State {
        var underWay = 0
        var changes = 0
    }

    private let state = Mutex(State())

    public init() {}

    public func begin() {
        state.withLock { state in
            state.underWay += 1
            state.changes += 1
        }
    }

    public func end() {
        state.withLock { state in
            state.underWay -= 1
            state.changes += 1
        }
    }

    /// Something happened that took no time.
    public func note() { state.withLock { $0.changes += 1 } }

    var isIdle: Bool { state.withLock { $0.underWay == 0 } }
    var changes: Int { state.withLock(\.changes) }
}

/// Lets a whole run pass in virtual time: whenever everybody sleeps on the clock, time goes towards the next who wakes.
///
/// Whether everybody sleeps cannot be known for sure from outside; so time moves on only after nothing has happened
/// for a moment of real time, and by small steps. Where that was too early, the machine was merely slow by a step,
/// which no promise may depend on.
public struct VirtualTime: Sendable {
    public struct Endless: Error, CustomStringConvertible {
        public let description: String

        public init(description: String) { self.description = description }
    }

    let clock: ManualClock
    let activity: Activity
    /// How far time goes at once.
    let step: Duration

    public init(_ clock: ManualClock, _ activity: Activity, step: Duration = .milliseconds(100)) {
        self.clock = clock
        self.activity = activity
        self.step = step
    }

    /// - Parameter limit: how much virtual time may pass before `body` is cancelled and this throws `Endless`.
    public func run<Value: Sendable>(
        atMost limit: Duration = .seconds(100 * 3600), _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let work = Task { try await body() }
        let start = clock.now().monotonic
        return try await withTaskCancellationHandler {
            try await withThrowingTaskGroup(of: Value?.self) { group in
                defer { group.cancelAll() }
                group.addTask {
                    await drive(since: start, atMost: limit)
                    return nil
                }
                group.addTask { try await work.value }
                if let value = try await group.next(), let value { return value }
                // Time is up: what was begun is cancelled, and may still want to sleep while it ends.
                work.cancel()
                group.addTask {
                    await drive(since: start, atMost: nil)
                    return nil
                }
                _ = try? await group.next()
                throw Endless(description: "it did not end within \(limit)")
            }
        } onCancel: {
            work.cancel()
        }
    }

    private static let stillness: Duration = .microseconds(400)

    private func drive(since start: MonotonicInstant, atMost limit: Duration?) async {
        while !Task.isCancelled {
            if let limit, let passed = clock.now().monotonic.since(start), passed > limit { return }
            let before = (activity.changes, clock.changes)
            try? await Task.sleep(for: Self.stillness)
            guard activity.isIdle, before == (activity.changes, clock.changes) else { continue }
            clock.advanceToNext(atMost: step)
        }
    }
}
