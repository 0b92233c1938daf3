/// What faults do before and after a request is carried out, alike on both origins.
enum FaultStage {
    /// Nil where the request is to be carried out.
    static func before(
        _ action: SandboxFault.Action?, refusal: (APIFailure) -> Answer
    ) async throws -> SandboxResponder.Ending? {
        switch action {
        case .reset: return .reset
        case .portal: return .answer(portal)
        case .status(let status, afterwards: false, _, let retryAfter):
            return .answer(fault(status, retryAfter, refusal))
        case .wait(let milliseconds):
            try await Task.sleep(for: .milliseconds(milliseconds))
            return nil
        case .status, .resetAt, .loseReply, .late, .delay, .noRange, .overrideOK, .plainOK, .finishEarly, .keep,
            .acknowledgeMore, .loseStored, .refuseID, .importFailed, .wrongSize, .wrongMD5, .noSize, .importStuck, nil:
            return nil
        }
    }

    static func after(
        _ action: SandboxFault.Action?, _ answer: Answer, refusal: (APIFailure) -> Answer
    ) async throws -> SandboxResponder.Ending {
        switch action {
        case .loseReply: return .silence(answer)
        case .status(let status, afterwards: true, _, let retryAfter):
            var spoilt = fault(status, retryAfter, refusal)
            spoilt.notes = answer.notes + [.init(key: "carriedOut", value: .integer(Int64(answer.status)))]
            return .answer(spoilt)
        case .delay(let milliseconds):
            try await Task.sleep(for: .milliseconds(milliseconds))
            return .answer(answer)
        case .status, .portal, .reset, .resetAt, .late, .wait, .noRange, .overrideOK, .plainOK, .finishEarly, .keep,
            .acknowledgeMore, .loseStored, .refuseID, .importFailed, .wrongSize, .wrongMD5, .noSize, .importStuck, nil:
            return .answer(answer)
        }
    }

    private static func fault(_ status: Int, _ retryAfter: String?, _ refusal: (APIFailure) -> Answer) -> Answer {
        let answer = refusal(APIFailure(status, "injected_fault", "The sandbox was told to answer \(status)."))
        return retryAfter.map { answer.with("Retry-After", $0) } ?? answer
    }

    private static let portal = Answer(
        status: 200, headers: [("Content-Type", "text/html")],
        body: Array("<!DOCTYPE html><title>Sign in</title><p>Please sign in to this network.".utf8))
}

extension SandboxFault {
    /// The action's name, without its numbers and texts.
    var name: String {
        switch action {
        case .status(let status, _, _, _): String(status)
        case .portal: "portal"
        case .reset: "reset"
        case .resetAt: "reset-at"
        case .loseReply: "lose-reply"
        case .late: "late"
        case .delay: "delay"
        case .wait: "wait"
        case .noRange: "no-range"
        case .overrideOK: "override-200"
        case .plainOK: "plain-200"
        case .finishEarly: "finish-early"
        case .keep: "keep"
        case .acknowledgeMore: "ack-more"
        case .loseStored: "lose-stored"
        case .refuseID: "refuse-id"
        case .importFailed: "import-failed"
        case .wrongSize: "wrong-size"
        case .wrongMD5: "wrong-md5"
        case .noSize: "no-size"
        case .importStuck: "import-stuck"
        }
    }
}
