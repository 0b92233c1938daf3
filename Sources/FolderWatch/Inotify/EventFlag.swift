import CLinux
import Glibc

/// Wakes a thread that sleeps in poll(2) (`man 2 eventfd`); without threads, calls a closure instead.
final class EventFlag: Sendable {
    /// -1 if the flag calls a closure.
    let descriptor: Int32
    private let onRaise: (@Sendable () -> Void)?

    /// `nil` where no descriptor is to be had.
    init?() {
        let descriptor = clinux_event_descriptor()
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
        onRaise = nil
    }

    init(onRaise: @escaping @Sendable () -> Void) {
        descriptor = -1
        self.onRaise = onRaise
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    func raise() {
        if let onRaise { return onRaise() }
        var one: UInt64 = 1
        // Fails only where the counter is full, and then the flag is up.
        _ = Glibc.write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    func lower() {
        var count: UInt64 = 0
        _ = Glibc.read(descriptor, &count, MemoryLayout<UInt64>.size)
    }

    func wait() {
        var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&waited, 1, -1)
        lower()
    }
}
