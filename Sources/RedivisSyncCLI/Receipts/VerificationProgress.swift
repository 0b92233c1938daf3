import Synchronization

/// One line on a terminal's standard error, taken away at the end.
final class VerificationProgress: Sendable {
    private let width: Int?
    /// The class is `Sendable`, and what it shows comes from more than one task.
    private let lastShown = Mutex<ContinuousClock.Instant?>(nil)

    init() {
        width = ProgressDisplay.isWanted ? TextStyle.standardError.width : nil
    }

    /// At most ten times a second.
    func show(_ text: @autoclosure () -> String) {
        guard let width else { return }
        let now = ContinuousClock.now
        let isDue = lastShown.withLock { last in
            if let shown = last, shown.duration(to: now) < .milliseconds(100) { return false }
            last = now
            return true
        }
        guard isDue else { return }
        StandardError.redraw([DisplayWidth.keepingStart("verifying: " + text().printable, width - 1)])
    }

    func end() {
        if width != nil { StandardError.redraw([]) }
    }
}
