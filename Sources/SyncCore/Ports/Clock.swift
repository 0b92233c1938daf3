/// Where time comes from. Handed to services, never read inside a decision.
public protocol SyncClock: Sendable {
    func now() -> Moment
    /// Sleeps on the monotonic clock; ends early, throwing `CancellationError`, when the task is cancelled.
    func sleep(for duration: Duration) async throws
}
