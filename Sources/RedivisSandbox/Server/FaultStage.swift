/// What faults do before and after a request is carried out, alike on both origins.
struct FaultStage {
    let action: SandboxFault.Action?
    let now: Int64
    /// How this origin writes a refusal.
    let refusal: (APIFailure) -> Answer

    init(_ fault: SandboxFault?, now: Int64, refusal: @escaping (APIFailure) -> Answer) {
        action = fault?.action
        self.now = now
        self.refusal = refusal
    }

    private var request: RequestFault? {
        if case .request(let fault) = action { fault } else { nil }
    }

    /// Nil where the request is to be carried out.
    func before() async throws -> SandboxResponder.Ending? {
        switch request {
        case .reset: return .reset
        case .portal: return .answer(Self.portal)
        case .blank(afterwards: false): return .answer(Self.blank)
        case .redirect(let status): return .answer(Self.redirect(status))
        case .status(let status, afterwards: false, _, let retryAfter): return .answer(refused(status, retryAfter))
        case .neverRead(let milliseconds): return .strange(.silence(milliseconds, reads: false), nil)
        case .neverAnswer(let milliseconds, afterwards: false):
            return .strange(.silence(milliseconds, reads: true), nil)
        case .endlessBody(afterwards: false): return .strange(.endlessBody, nil)
        case .endlessHeaders(afterwards: false): return .strange(.endlessHeaders, nil)
        case .wait(let milliseconds):
            try await Task.sleep(for: .milliseconds(milliseconds))
            return nil
        case .status, .blank, .neverAnswer, .endlessBody, .endlessHeaders, .resetAt, .loseReply, .late, .delay,
            .trickle, nil:
            return nil
        }
    }

    func after(_ answer: Answer) async throws -> SandboxResponder.Ending {
        switch request {
        case .loseReply: return .silence(answer)
        case .status(let status, afterwards: true, _, let retryAfter):
            return .answer(Self.spoilt(refused(status, retryAfter), answer))
        case .blank(afterwards: true): return .answer(Self.spoilt(Self.blank, answer))
        case .neverAnswer(let milliseconds, afterwards: true):
            return .strange(.silence(milliseconds, reads: true), answer)
        case .endlessBody(afterwards: true): return .strange(.endlessBody, answer)
        case .endlessHeaders(afterwards: true): return .strange(.endlessHeaders, answer)
        case .trickle(let milliseconds): return .strange(.trickle(milliseconds), answer)
        case .delay(let milliseconds):
            try await Task.sleep(for: .milliseconds(milliseconds))
            return .answer(answer)
        case .status, .blank, .neverAnswer, .endlessBody, .endlessHeaders, .portal, .redirect, .reset, .resetAt,
            .late, .wait, .neverRead, nil:
            return .answer(answer)
        }
    }

    private func refused(_ status: Int, _ retryAfter: String?) -> Answer {
        let answer = refusal(APIFailure(status, "injected_fault", "The sandbox was told to answer \(status)."))
        guard let retryAfter else { return answer }
        return answer.with("Retry-After", RetryAfterText.expanded(retryAfter, now: now))
    }

    /// The answer that a fault puts in the place of the true one, of which only the log tells.
    private static func spoilt(_ shown: Answer, _ truth: Answer) -> Answer {
        var shown = shown
        shown.notes = truth.notes + [.init(key: "carriedOut", value: .integer(Int64(truth.status)))]
        return shown
    }

    private static let portal = Answer(
        status: 200, headers: [("Content-Type", "text/html")],
        body: Array("<!DOCTYPE html><title>Sign in</title><p>Please sign in to this network.".utf8))

    private static let blank = Answer.json(200, .object([]))

    /// Whoever follows it, and with a token, shows in the request log as `unknown`.
    private static func redirect(_ status: Int) -> Answer {
        Answer(status: status, headers: [("Location", "/elsewhere")])
    }
}
