import FoundationEssentials
import SyncCore

/// How the API's refusals are read, for every call but the registration (`RegistrationAnswers`). Pure.
struct APIAnswers: Sendable {
    /// What was asked, for people: "reading the table demo.weather.readings".
    let asked: String
    let now: Timestamp
    let secrets: [String]
    /// How far a refusal of the token reaches: `destination` where it is for some tables only.
    var tokenScope = Failure.Scope.agent

    /// - Returns: what a success carries.
    /// - Throws: `Failure`; `transient` also where a success cannot be read, since something in between may have
    ///   written it.
    func read<Value: Decodable>(_ type: Value.Type, from answer: WebAnswer) throws(Failure) -> Value {
        guard (200...299).contains(answer.status), !answer.isWebPage else { throw failure(answer) }
        guard !answer.isCut else { throw Failure(.transient, "\(asked): the answer is longer than can be read") }
        do {
            return try JSONDecoder().decode(Value.self, from: Data(answer.body))
        } catch {
            throw Failure(
                .transient, "\(asked): the answer (\(answer.status)) is not what Redivis answers",
                hint: "look for a proxy or a log-in page in between; else this program may be too old")
        }
    }

    func failure(_ answer: WebAnswer) -> Failure {
        let words = ServerWords(answer, secrets: secrets)
        let said = "\(asked): Redivis answered \(answer.status)" + (words.text.map { ": \($0)" } ?? "")
        let retryAfter = RetryAfter.asked(by: answer, now: now)
        switch answer.status {
        case 401:
            return Self.unauthorized(said, tokenScope)
        case 407:
            return Failure(.transient, scope: .agent, said, hint: "a proxy asks for a password")
        case 429:
            return Failure(.throttled, scope: .agent, said, retryAfter: retryAfter)
        case 503 where retryAfter != nil:
            return Failure(.throttled, scope: .agent, said, retryAfter: retryAfter)
        case 408, 425, 500...599:
            return Failure(.transient, said, retryAfter: retryAfter)
        case 300...399:
            return Failure(
                .transient, "\(said), a redirect, which is not followed",
                hint: "check `api` in the mapping file, and look for a log-in page in between")
        case _ where answer.isWebPage:
            return Failure(
                .transient, "\(asked): a web page (\(answer.status)) answered in the place of Redivis",
                hint: "look for a proxy or a log-in page between this machine and Redivis")
        case 403:
            return Self.forbidden(said, words, tokenScope)
        case 404:
            return Failure(
                .forbidden, scope: .destination, said,
                hint: "check the reference, and that the token's owner may see it: what it may not see answers 404 too")
        default:
            return Failure(.rejected, said)
        }
    }

    static func unauthorized(_ said: String, _ scope: Failure.Scope) -> Failure {
        Failure(
            .unauthorized, scope: scope, said,
            hint: "the token is not accepted: make a new one with the scope data.edit, and see "
                + "`redivis-sync check --online`")
    }

    static func forbidden(_ said: String, _ words: ServerWords, _ scope: Failure.Scope) -> Failure {
        guard words.code?.lowercased().contains("insufficient_scope") ?? false else {
            return Failure(
                .forbidden, scope: .destination, said, hint: "give the token's owner edit access to the dataset")
        }
        return Failure(
            .unauthorized, scope: scope, said,
            hint: "the token lacks the scope \(words.scope ?? "data.edit"): make one that has data.edit")
    }

    /// A request without an answer that may be sent again.
    func failure(_ trouble: TransportTrouble) -> Failure {
        Failure(.transient, scope: .agent, "\(asked): \(trouble.words)", hint: trouble.hint)
    }
}
