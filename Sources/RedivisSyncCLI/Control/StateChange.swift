import Logging
import SyncCore

/// A command that changes what the queue holds: the running agent carries it out, else the command itself does, with
/// the state's lock in its hand.
enum StateChange {
    /// How long a lock that nobody answers for is waited for: an agent that starts or ends, another command.
    private static let patience: Duration = .seconds(1)

    /// - Throws: `CommandFailure` with status 75 where another process holds the state directory and does not answer.
    static func perform(_ request: ControlRequest, _ options: GlobalOptions) async throws(CommandFailure)
        -> ControlAnswer
    {
        let setup = try Setup.load(options)
        let end = ContinuousClock.now + patience
        while true {
            let refusal: CommandFailure
            do throws(CommandFailure) {
                return await setup.withoutAgent(try await setup.openQueueForChange(logger: options.logger()))
                    .answer(to: request)
            } catch {
                guard error.status == .stateHeld else { throw error }
                refusal = error
            }
            if let answer = try await ControlClient(state: setup.statePath).answer(to: request) { return answer }
            guard ContinuousClock.now < end else { throw refusal }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }
}

extension ControlAnswer {
    /// Prints what was done, and fails where something was not.
    ///
    /// - Parameter nothing: what to say where there was nothing to do and nothing named.
    func report(nothing: String) throws(CommandFailure) {
        switch self {
        case .done(let outcome): try outcome.report(nothing: nothing)
        case .refused(let refusal): throw CommandFailure(refusal)
        case .status:
            throw CommandFailure(
                .somethingLeft,
                "the agent answered something else than it was asked; restart it, so that both are of one version")
        }
    }
}

extension ControlOutcome {
    fileprivate func report(nothing: String) throws(CommandFailure) {
        for line in changed { StandardOutput.line(line) }
        if unlisted > 0 { StandardOutput.line("… and \(Words.grouped(unlisted)) more") }
        if changed.isEmpty, refused.isEmpty { StandardError.write("\(nothing)\n") }
        guard refused.isEmpty else {
            let more = unlistedRefusals > 0 ? ["… and \(Words.grouped(unlistedRefusals)) more"] : []
            throw CommandFailure(.somethingLeft, refused + more)
        }
    }
}

extension CommandFailure {
    init(_ refusal: ControlRefusal) {
        let status: ExitStatus =
            switch refusal.kind {
            case .wrongRequest: .usage
            case .unavailable: .somethingLeft
            case .stateUnusable: .stateUnusable
            }
        self.init(status, refusal.description)
    }
}
