import Glibc
import Logging
import SQLiteQueue
import SyncCore

/// Opens the queue of an agent that is to stay: where the disk of the state directory is full, it waits for room. An
/// agent that ended instead would not come back by itself: what a person has to mend is not restarted.
struct StateRoom: Sendable {
    let setup: Setup
    let signals: SignalWatch
    let logger: Logger

    static let pause: Duration = .seconds(2)
    private static let step: Duration = .milliseconds(100)

    /// - Returns: `nil` where it was told to stop meanwhile.
    func openQueue() async throws(CommandFailure) -> SQLiteQueue? {
        let troubles = TroubleLog(logger)
        let notifier = ServiceNotifier()
        while true {
            let trouble: CommandFailure
            do throws(CommandFailure) {
                return try await setup.openQueue(logger: logger)
            } catch {
                guard error.status == .stateUnusable, StateDirectory.lacksRoom(setup.statePath) else { throw error }
                trouble = error
            }
            let words = trouble.lines.joined(separator: "; ")
            troubles.write(
                .error, "the state directory is full; waiting for room", about: "",
                ["directory": "\(setup.statePath)", "reason": "\(words)"])
            // It is alive, and nothing is gained by starting it anew.
            notifier.tell(.ready)
            notifier.tell(.status("waiting for room in \(setup.statePath)"))
            notifier.tell(.watchdog)
            let end = ContinuousClock.now + Self.pause
            while ContinuousClock.now < end {
                guard !signals.hasArrived else { return nil }
                try? await Task.sleep(for: Self.step)
            }
        }
    }
}
