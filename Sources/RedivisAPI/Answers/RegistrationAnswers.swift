import FoundationEssentials
import SyncCore

/// How the answer to a registration is read. An upload that is registered twice doubles the rows of somebody's data,
/// so whatever is not clearly "done" or clearly "not done" is `ambiguous`: the caller asks the table. Pure.
struct RegistrationAnswers: Sendable {
    let name: String
    let now: Timestamp
    let secrets: [String]
    /// How far a refusal of the token reaches.
    var tokenScope = Failure.Scope.agent

    private var asked: String { "registering \(ServerWords.clean(name, secrets: []))" }

    func read(_ answer: WebAnswer) throws(Failure) -> RemoteUpload {
        // 202: "content received and queued for processing" (an older page of the API).
        guard [200, 201, 202].contains(answer.status) else { throw failure(answer) }
        guard !answer.isWebPage, !answer.isCut,
            let resource = try? JSONDecoder().decode(UploadResource.self, from: Data(answer.body)),
            let uri = resource.uri, !uri.isEmpty, !resource.name.isEmpty
        else {
            throw ambiguous("the answer (\(answer.status)) does not tell an upload")
        }
        return resource.upload(failure: nil)
    }

    private func failure(_ answer: WebAnswer) -> Failure {
        let words = ServerWords(answer, secrets: secrets)
        let said = "\(asked): Redivis answered \(answer.status)" + (words.text.map { ": \($0)" } ?? "")
        switch answer.status {
        case 429:
            return Failure(.throttled, scope: .agent, said, retryAfter: RetryAfter.asked(by: answer, now: now))
        case 401:
            return APIAnswers.unauthorized(said, tokenScope)
        case 408, 425, 407, ..<400, 500...:
            return ambiguous("Redivis answered \(answer.status)")
        case _ where answer.isWebPage:
            // Who wrote it may have done so before or after it let the request through.
            return ambiguous("a web page (\(answer.status)) answered")
        case 403:
            return APIAnswers.forbidden(said, words, tokenScope)
        case 404:
            return Self.meansUploadID(words)
                ? Failure(.rejected, said)
                : Failure(
                    .forbidden, scope: .destination, said,
                    hint: "the table is not in the unreleased version, or the token's owner may not see it")
        case 409:
            return Failure(.conflict, said)
        default:
            return refusal(said, words)
        }
    }

    /// 400 also stands for "does not suit the resource's state" (api.md 1.3), which only its words tell apart.
    private func refusal(_ said: String, _ words: ServerWords) -> Failure {
        let text = (words.text ?? "").lowercased()
        if Self.taken.contains(where: text.contains) { return Failure(.conflict, said) }
        if Self.releasedVersion.contains(where: text.contains) {
            return Failure(
                .forbidden, scope: .destination, said, hint: "the version was released meanwhile; a new one is opened")
        }
        // Whatever is already so may be so because of us.
        return Failure(text.contains("already") ? .conflict : .rejected, said)
    }

    /// A name that is taken, or an upload id that was used: both say that something may be there.
    private static let taken = [
        "already exist", "already in use", "already used", "already been used", "already registered", "name is taken",
        "must be unique", "not unique", "duplicate name",
    ]
    private static let releasedVersion = ["released", "next version", "not a draft"]

    private static func meansUploadID(_ words: ServerWords) -> Bool {
        let text = (words.text ?? "").lowercased().filter { $0 != " " && $0 != "_" }
        return text.contains("tempupload") || text.contains("resumableupload") || text.contains("uploadid")
    }

    private func ambiguous(_ what: String) -> Failure {
        Failure(.ambiguous, "\(asked): \(what); whether it was carried out is looked up on the table")
    }

    func failure(_ trouble: TransportTrouble) -> Failure {
        switch trouble.reach {
        case .nothingSent:
            Failure(.transient, scope: .agent, "\(asked): \(trouble.words)", hint: trouble.hint)
        case .unclear:
            ambiguous(trouble.words)
        }
    }
}
