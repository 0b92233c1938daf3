import Synchronization

/// The lock that the reading and the listing thread share. A lock and not an actor, since both are threads that
/// block in system calls, and since a watch and its place in the table have to appear in one step.
final class WatchAccess: Sendable {
    private let state = Mutex(WatchState())
    /// Wakes the thread that lists, where it sleeps.
    private let wakesLister: EventFlag

    init(wakesLister: EventFlag) {
        self.wakesLister = wakesLister
    }

    func withLock<Value>(_ body: (inout sending WatchState) -> sending Value) -> sending Value {
        state.withLock(body)
    }

    /// For whatever may leave something to be listed.
    func withLockWaking<Value>(_ body: (inout sending WatchState) -> sending Value) -> sending Value {
        let value = state.withLock(body)
        wakesLister.raise()
        return value
    }
}
