import CLinux
import FolderWatch
import Glibc
import Synchronization
import SystemPackage

/// Waits for SIGINT or SIGTERM, which end nothing by themselves from the moment on that this is made. One for the
/// whole program.
///
/// A second signal ends the program at once: whoever sends it does not want to wait for an orderly end, and every state
/// is saved before it is acted on anyway. A thread of its own listens, so that a program whose every other thread waits
/// for a disk can still be ended.
final class SignalWatch: Sendable {
    private struct State {
        var hasArrived = false
        var limit: (longest: Duration, word: @Sendable () -> Void)?
    }

    private let arrivals: AsyncStream<Void>
    private let arrived: AsyncStream<Void>.Continuation
    private let last: @Sendable () -> Void
    /// Bytes in it are the numbers of signals that came; 0 wakes the thread. `nil` where none was to be had.
    private let pipe: (readEnd: FileDescriptor, writeEnd: FileDescriptor)?
    // Written by the thread that listens, and by whoever sets the limit.
    private let state = Mutex(State())

    /// Whether a signal has come.
    var hasArrived: Bool { state.withLock { $0.hasArrived } }

    /// Where there is no descriptor or no thread left, signals keep what they do by default: they end the program.
    ///
    /// - Parameters:
    ///   - withHangUp: whether SIGHUP, from a terminal that is closed, counts too.
    ///   - last: what is done before a second signal ends the program.
    init(withHangUp: Bool = false, atSecond last: @escaping @Sendable () -> Void = {}) {
        (arrivals, arrived) = AsyncStream.makeStream()
        self.last = last
        pipe = Self.makePipe()
        guard let pipe else { return }
        let signals = withHangUp ? [SIGINT, SIGTERM, SIGHUP] : [SIGINT, SIGTERM]
        guard startThread({ self.listen(pipe.readEnd, to: signals) }) else { return }
        for signal in signals { _ = clinux_tell_signal(signal, pipe.writeEnd.rawValue) }
    }

    /// Returns at the first signal, also one that came before, or when the task is cancelled. To be called once.
    func wait() async {
        for await _ in arrivals { return }
    }

    /// The program ends with 0 so long after the first signal, however far its orderly end has come then.
    ///
    /// - Parameter word: called before that, and not waited for where it cannot be said.
    func limitEnd(to longest: Duration, saying word: @escaping @Sendable () -> Void) {
        state.withLock { $0.limit = (longest, word) }
        _ = try? pipe?.writeEnd.writeAll([0])
    }

    // MARK: The thread

    private static func makePipe() -> (readEnd: FileDescriptor, writeEnd: FileDescriptor)? {
        guard let ends = try? FileDescriptor.pipe() else { return nil }
        for end in [ends.readEnd, ends.writeEnd] { _ = fcntl(end.rawValue, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(ends.writeEnd.rawValue, F_SETFL, O_NONBLOCK)
        return ends
    }

    private func listen(_ pipe: FileDescriptor, to signals: [Int32]) {
        // Threads of libraries may block them all; this one is always there to take them.
        var mask = sigset_t()
        sigemptyset(&mask)
        for signal in signals { sigaddset(&mask, signal) }
        pthread_sigmask(SIG_UNBLOCK, &mask, nil)
        var end: ContinuousClock.Instant?
        var first: ContinuousClock.Instant?
        while true {
            if let first, let limit = state.withLock({ $0.limit }) { end = first + limit.longest }
            guard wait(for: pipe, until: end) else { return endAnyway() }
            var number: UInt8 = 0
            guard let count = try? withUnsafeMutableBytes(of: &number, { try pipe.read(into: $0) }), count > 0 else {
                return
            }
            guard number > 0 else { continue }
            guard first == nil else {
                last()
                _exit(128 + Int32(number))
            }
            first = .now
            state.withLock { $0.hasArrived = true }
            arrived.yield()
        }
    }

    /// - Returns: whether there is something to read; else the time has come.
    private func wait(for pipe: FileDescriptor, until end: ContinuousClock.Instant?) -> Bool {
        var poll = pollfd(fd: pipe.rawValue, events: Int16(POLLIN), revents: 0)
        while true {
            let left = end.map { ContinuousClock.now.duration(to: $0) }
            if let left, left <= .zero { return false }
            let milliseconds = left.map { Int32(min($0 / .milliseconds(1) + 1, 1e9)) }
            if Glibc.poll(&poll, 1, milliseconds ?? -1) > 0 { return true }
        }
    }

    private func endAnyway() {
        let word = state.withLock { $0.limit?.word }
        _ = startThread {
            word?()
            _exit(0)
        }
        usleep(200_000)
        _exit(0)
    }
}
