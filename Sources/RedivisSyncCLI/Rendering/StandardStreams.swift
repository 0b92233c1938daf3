import Glibc
import Synchronization

/// Standard output. A reader that goes away (`redivis-sync list | head`) ends the writing quietly; anything else that
/// keeps it from being written is remembered, since a list that is cut short must not look like a whole one.
enum StandardOutput {
    /// An errno.
    private static let firstError = Mutex<Int32?>(nil)

    /// Whether nobody reads any more.
    static var isClosed: Bool { hasNoReader.withLock { $0 } }
    // Written to from any task.
    private static let hasNoReader = Mutex(false)

    static func write(_ text: String) {
        switch writeAll(text, to: STDOUT_FILENO) {
        case nil: break
        case EPIPE?: hasNoReader.withLock { $0 = true }
        case let error?: firstError.withLock { $0 = $0 ?? error }
        }
    }

    static func line(_ text: String) { write(text + "\n") }

    /// Why something could not be written; `nil` where everything was, or nobody reads any more.
    static var problem: String? {
        firstError.withLock { $0 }.map { String(cString: strerror($0)) }
    }
}

/// Standard error: log lines and failures, above a part at the bottom of the terminal that is redrawn in place.
enum StandardError {
    /// The redrawn lines, so that what is written meanwhile goes above them and leaves no rubbish.
    private static let drawn = Mutex<[String]>([])

    static func write(_ text: String) {
        drawn.withLock { lines in
            _ = writeAll(erasing(lines) + text + lines.map { $0 + "\n" }.joined(), to: STDERR_FILENO)
        }
    }

    /// Replaces the redrawn lines. None of them may be wider than the terminal, or it would count as two.
    static func redraw(_ lines: [String]) {
        drawn.withLock { before in
            guard before != lines else { return }
            _ = writeAll(erasing(before) + lines.map { $0 + "\n" }.joined(), to: STDERR_FILENO)
            before = lines
        }
    }

    /// Moves up to the first drawn line and clears to the end of the screen (ECMA-48, CUU and ED).
    private static func erasing(_ lines: [String]) -> String {
        lines.isEmpty ? "" : "\u{1B}[\(lines.count)A\r\u{1B}[J"
    }
}

/// Writes past partial writes, interruptions and a descriptor that does not block.
/// - Returns: the errno that ended it; `nil` where everything was written.
private func writeAll(_ text: String, to descriptor: Int32) -> Int32? {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count >= 0 {
            rest = rest.dropFirst(count)
        } else if errno == EAGAIN {
            var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = poll(&ready, 1, -1)
        } else if errno != EINTR {
            return errno
        }
    }
    return nil
}
