/// How an action that is no status is written behind its name.
enum FaultForm: Sendable {
    typealias Action = SandboxFault.Action

    /// Nothing more.
    case plain(Action)
    /// `=N`.
    case numbered(String, @Sendable (Int64) -> Action)
    /// Nothing more, or `,after`.
    case either(@Sendable (_ afterwards: Bool) -> Action)
    /// Nothing more or `=MS`, and where it can be carried out first, `,after`.
    case patient(canBeCarriedOut: Bool, @Sendable (_ milliseconds: Int?, _ afterwards: Bool) -> Action)
    /// `=` and one of a few words.
    case word([String], @Sendable (String) -> Action?)
    /// `=TEXT`, to the end.
    case text(@Sendable (String) -> Action)
    /// Any of two words behind commas.
    case closing

    /// Nil where `rest`, what stands behind the name, does not fit.
    func read(_ rest: Substring) -> Action? {
        switch self {
        case .plain(let action): return rest.isEmpty ? action : nil
        case .numbered(_, let make):
            guard rest.hasPrefix("=") else { return nil }
            return Self.number(rest.dropFirst()).map(make)
        case .either(let make):
            return rest.isEmpty ? make(false) : rest == ",after" ? make(true) : nil
        case .patient(let canBeCarriedOut, let make):
            let afterwards = rest.hasSuffix(",after")
            let time = afterwards ? rest.dropLast(",after".count) : rest
            guard canBeCarriedOut || !afterwards else { return nil }
            if time.isEmpty { return make(nil, afterwards) }
            guard time.hasPrefix("="), let number = Self.number(time.dropFirst()) else { return nil }
            return make(Int(clamping: number), afterwards)
        case .word(_, let make): return rest.hasPrefix("=") ? make(String(rest.dropFirst())) : nil
        case .text(let make): return make(String(rest.dropFirst()))
        case .closing:
            let words = rest.split(separator: ",", omittingEmptySubsequences: false).dropFirst()
            guard rest.isEmpty || rest.hasPrefix(","), words.allSatisfy({ $0 == "after" || $0 == "whole" }) else {
                return nil
            }
            return .draft(.close(afterwards: words.contains("after"), whole: words.contains("whole")))
        }
    }

    /// The form as it is to be written.
    func written(_ name: String) -> String {
        switch self {
        case .plain: name
        case .numbered(let unit, _): "\(name)=\(unit)"
        case .either: "\(name)[,after]"
        case .patient(let canBeCarriedOut, _): "\(name)[=MS]" + (canBeCarriedOut ? "[,after]" : "")
        case .word(let words, _): "\(name)=\(words.joined(separator: "|"))"
        case .text: "\(name)=TEXT"
        case .closing: "\(name)[,after][,whole]"
        }
    }

    /// Beyond a petabyte, or as many milliseconds, nothing is meant and arithmetic ends.
    private static func number(_ text: Substring) -> Int64? {
        ContentRange.digits(text).flatMap { $0 <= 1 << 50 ? $0 : nil }
    }

    private static func words<Word: RawRepresentable & CaseIterable & Sendable>(
        _ make: @escaping @Sendable (Word) -> Action
    ) -> FaultForm where Word.RawValue == String {
        .word(Word.allCases.map(\.rawValue)) { Word(rawValue: $0).map(make) }
    }

    static let all: [String: FaultForm] = [
        "portal": .plain(.request(.portal)),
        "reset": .plain(.request(.reset)),
        "lose-reply": .plain(.request(.loseReply)),
        "reset-at": .numbered("N") { .request(.resetAt($0)) },
        "late": .numbered("MS") { .request(.late(Int(clamping: $0))) },
        "delay": .numbered("MS") { .request(.delay(Int(clamping: $0))) },
        "wait": .numbered("MS") { .request(.wait(Int(clamping: $0))) },
        "trickle": .numbered("MS") { .request(.trickle(Int(clamping: $0))) },
        "blank": .either { .request(.blank(afterwards: $0)) },
        "endless-body": .either { .request(.endlessBody(afterwards: $0)) },
        "endless-headers": .either { .request(.endlessHeaders(afterwards: $0)) },
        "never-read": .patient(canBeCarriedOut: false) { time, _ in .request(.neverRead(time)) },
        "never-answer": .patient(canBeCarriedOut: true) { .request(.neverAnswer($0, afterwards: $1)) },
        "redirect": .word(["301", "302", "303", "307", "308"]) { text in
            [301, 302, 303, 307, 308].first { String($0) == text }.map { .request(.redirect($0)) }
        },
        "no-range": .plain(.session(.noRange)),
        "override-200": .plain(.session(.overrideOK)),
        "plain-200": .plain(.session(.plainOK)),
        "finish-early": .plain(.session(.finishEarly)),
        "gap": .plain(.session(.gap)),
        "finish-more": .numbered("N") { .session(.finishMore($0)) },
        "keep": .numbered("N") { .session(.keep($0)) },
        "ack-more": .numbered("N") { .session(.acknowledgeMore($0)) },
        "lose-stored": .numbered("N") { .session(.loseStored($0)) },
        "refuse-id": .plain(.registration(.refuseID)),
        "wrong-size": .plain(.registration(.wrongSize)),
        "wrong-md5": .plain(.registration(.wrongMD5)),
        "no-size": .plain(.registration(.noSize)),
        "import-stuck": .patient(canBeCarriedOut: false) { time, _ in .registration(.importStuck(time)) },
        "import-failed": .text { .registration(.importFailed($0)) },
        "duplicate-name": words { .registration(.duplicateName($0)) },
        "upload-id-reuse": words { .registration(.uploadIDReuse($0)) },
        "again": words { .registration(.again($0)) },
        "lag": .numbered("MS") { .lag(Int(clamping: $0)) },
        "release": .either { .draft(.release(afterwards: $0)) },
        "close-draft": .closing,
    ]
}

extension SandboxFault.Action {
    /// An action that could never show at the requests it waits for is a mistake in whoever asks for it: the requests
    /// that it is for, or nil where `target` is one of them.
    func misses(_ target: SandboxFault.Target) -> String? {
        let kind: RequestClass?
        switch target {
        case .one(let request): kind = request
        case .anyAPI, .anyStorage, .any: kind = nil
        }
        let suits: Bool
        let wanted: String
        switch self {
        case .request(.resetAt):
            (suits, wanted) = (kind?.carriesFileBytes ?? false, "put-chunk, put-whole and post-uploads")
        case .request(.late): (suits, wanted) = (kind.map { !$0.isStorage } ?? false, "requests of the API")
        case .request: return nil
        case .session(.keep), .session(.gap): (suits, wanted) = (kind == .putChunk, "put-chunk")
        case .session: (suits, wanted) = (kind == .putChunk || kind == .queryStatus, "put-chunk and query-status")
        case .registration: (suits, wanted) = (kind == .postUploads, "post-uploads")
        case .lag: (suits, wanted) = (kind == .listUploads, "list-uploads")
        case .draft: return nil
        }
        guard !suits else { return nil }
        return kind == nil ? wanted + ", one kind of request at a time" : wanted
    }
}
