import SyncCore
import Testing

@testable import RedivisAPI

@Suite("Answers to a registration")
struct RegistrationAnswersTests {
    static let answers = RegistrationAnswers(name: "a.csv", now: someTime, secrets: ["token-123"])

    static func failure(_ answer: WebAnswer) -> Failure? {
        #expect(throws: Failure.self) { try answers.read(answer) }
    }

    @Test("that tell an upload are done", arguments: [200, 201, 202])
    func done(status: Int) throws {
        let answer = WebAnswer(status, json, #"{"kind":"upload","uri":"/u/1","name":"a.csv","status":"queued"}"#)
        let upload = try Self.answers.read(answer)
        #expect(upload == RemoteUpload(uri: "/u/1", name: "a.csv", status: .inProgress, size: nil, md5: nil))
    }

    @Test(
        "that are not clear are ambiguous",
        arguments: [
            WebAnswer(200), WebAnswer(201, json, "{}"), WebAnswer(201, json, #"{"uri":"/u/1"}"#),
            WebAnswer(201, json, #"{"name":"a.csv"}"#), WebAnswer(201, json, #"{"uri":"","name":"a.csv"}"#),
            WebAnswer(200, html, #"{"uri":"/u/1","name":"a.csv"}"#), WebAnswer(204), WebAnswer(206), WebAnswer(301),
            WebAnswer(302), WebAnswer(307), WebAnswer(308), WebAnswer(408), WebAnswer(425), WebAnswer(407),
            WebAnswer(500), WebAnswer(501), WebAnswer(502), WebAnswer(503), WebAnswer(503, [("Retry-After", "5")]),
            WebAnswer(504), WebAnswer(520), WebAnswer(400, html, "<h1>Bad Request</h1>"), WebAnswer(403, html),
            WebAnswer(404, html), WebAnswer(413, html),
        ])
    func ambiguous(answer: WebAnswer) {
        #expect(Self.failure(answer)?.kind == .ambiguous)
    }

    @Test("with a success that was cut off are ambiguous")
    func cut() {
        let body = Array(#"{"uri":"/u/1","name":"a.csv"}"#.utf8)
        let answer = WebAnswer(status: 201, fields: WebFields(json), body: body, isCut: true)
        #expect(Self.failure(answer)?.kind == .ambiguous)
    }

    @Test(
        "that refuse say who must act",
        arguments: [
            (401, "x", Failure.Kind.unauthorized, Failure.Scope.agent), (403, "no access", .forbidden, .destination),
            (404, "Not found: demo.w:next.readings", .forbidden, .destination),
            (404, "tempUpload not found", .rejected, .delivery), (409, "x", .conflict, .delivery),
            (400, "An upload with this name already exists in the next version", .conflict, .delivery),
            (400, "Upload names must be unique", .conflict, .delivery),
            (400, "This tempUploadId has already been used", .conflict, .delivery),
            (400, "This version has already been released", .forbidden, .destination),
            (400, "Uploads need an unreleased version", .forbidden, .destination),
            (400, "delimiter is not valid", .rejected, .delivery), (405, "x", .rejected, .delivery),
            (413, "too large", .rejected, .delivery), (422, "x", .rejected, .delivery),
            (429, "slow down", .throttled, .agent),
        ])
    func refused(status: Int, words: String, kind: Failure.Kind, scope: Failure.Scope) {
        let body = #"{"error":"bad","error_description":"\#(words)"}"#
        let failure = Self.failure(WebAnswer(status, json, body))
        #expect(failure?.kind == kind)
        #expect(failure?.scope == scope)
        #expect(failure?.summary.contains(words) == true)
    }

    @Test("tell a token without the scope")
    func scope() {
        let failure = Self.failure(WebAnswer(403, json, #"{"error":"insufficient_scope"}"#))
        #expect(failure?.kind == .unauthorized)
    }

    @Test("that never came are transient only where nothing was sent")
    func noAnswer() {
        #expect(Self.answers.failure(TransportTrouble(.nothingSent, "x")).kind == .transient)
        #expect(Self.answers.failure(TransportTrouble(.unclear, "x")).kind == .ambiguous)
    }
}
