import SyncCore
import Testing

@testable import RedivisAPI

@Suite("T-22: answers of the API")
struct APIAnswersTests {
    static let answers = APIAnswers(asked: "reading the table", now: someTime, secrets: ["token-123"])

    @Test(
        "are failures by their remedy",
        arguments: [
            (400, Failure.Kind.rejected, Failure.Scope.delivery), (401, .unauthorized, .agent),
            (403, .forbidden, .destination), (404, .forbidden, .destination), (405, .rejected, .delivery),
            (407, .transient, .agent), (408, .transient, .delivery), (409, .rejected, .delivery),
            (413, .rejected, .delivery), (422, .rejected, .delivery), (425, .transient, .delivery),
            (429, .throttled, .agent), (500, .transient, .delivery), (502, .transient, .delivery),
            (503, .transient, .delivery), (504, .transient, .delivery), (301, .transient, .delivery),
            (302, .transient, .delivery), (308, .transient, .delivery),
        ])
    func failure(status: Int, kind: Failure.Kind, scope: Failure.Scope) {
        let failure = Self.answers.failure(WebAnswer(status, json, #"{"error":"x","error_description":"why"}"#))
        #expect(failure.kind == kind)
        #expect(failure.scope == scope)
        #expect(failure.summary.hasPrefix("reading the table: "))
    }

    @Test("tell a token without the scope from a table without access")
    func scope() {
        let body = #"{"error":"insufficient_scope","error_description":"no","scope":"data.edit","status":403}"#
        let failure = Self.answers.failure(WebAnswer(403, json, body))
        #expect(failure.kind == .unauthorized)
        #expect(failure.scope == .agent)
        #expect(failure.hint?.contains("data.edit") == true)
    }

    @Test(
        "have words in all formats",
        arguments: [
            (#"{"error":"not_found","error_description":"Not found: x:next","status":404}"#, "Not found: x:next"),
            (#"{"error":{"message":"No such table","status":404}}"#, "No such table"),
            (#"{"error":"not_found"}"#, "not_found"), (#"{"message":"plain"}"#, "plain"),
            ("it is\n gone\u{0} token-123 https://a.test/b", "it is gone <redacted> <address>"),
            (#"{"unrelated":1}"#, #"{"unrelated":1}"#),
        ])
    func words(body: String, words: String) {
        #expect(ServerWords(WebAnswer(404, [], body), secrets: ["token-123"]).text == words)
    }

    @Test("have words in a header where there is no body")
    func headWords() {
        let payload = "%7B%22error%22%3A%22not_found%22%2C%22error_description%22%3A%22Not%20found%22%7D"
        let words = ServerWords(WebAnswer(404, [("X-REDIVIS-ERROR-PAYLOAD", payload)]), secrets: [])
        #expect(words.code == "not_found")
        #expect(words.text == "Not found")
    }

    @Test("that cannot be read are no successes")
    func unreadable() {
        let bodies = ["", "{", "[]", "{}", #"{"results":null}"#, #"{"results":[{"uri":"/x"}]}"#, "\u{FFFD}"]
        for body in bodies {
            let failure = #expect(throws: Failure.self) {
                try Self.answers.read(Page<UploadResource>.self, from: WebAnswer(200, json, body))
            }
            #expect(failure?.kind == .transient, "\(body)")
        }
        let page = #expect(throws: Failure.self) {
            try Self.answers.read(Page<UploadResource>.self, from: WebAnswer(200, html, #"{"results":[]}"#))
        }
        #expect(page?.kind == .transient)
    }

    @Test("list uploads in every spelling")
    func uploads() throws {
        let body = """
            {"results":[
            {"uri":"/tables/t/uploads/1","name":"a","status":"completed","size":5,"hash":"5eb63bbbe01eeed093cb22bb8f5acdc3"},
            {"uri":"/tables/t/uploads/2","name":"b","status":"completed","size":"6","hash":"XrY7u+Ae7tCTyyK7j1rNww=="},
            {"uri":"/tables/t/uploads/3","name":"c","status":"running","size":null,"hash":null},
            {"uri":"/tables/t/uploads/4","name":"d","status":null,"size":-1,"hash":"zz"},
            {"uri":"/tables/t/uploads/5","name":"e","status":"sleeping","size":"x"},
            {"uri":"/tables/t/uploads/6","name":"f","status":"failed","errorMessage":"no variables\\nfound"},
            {"name":null,"status":"queued"}
            ],"nextPageToken":17}
            """
        let page = try Self.answers.read(Page<UploadResource>.self, from: WebAnswer(200, json, body))
        let uploads = page.results.map { $0.upload(failure: nil) }
        #expect(page.nextPageToken == "17")
        #expect(uploads.map(\.size) == [5, 6, nil, nil, nil, nil, nil])
        #expect(
            uploads.map(\.md5) == [StorageAnswersTests.digest, StorageAnswersTests.digest, nil, nil, nil, nil, nil])
        let statuses: [RemoteUpload.Status] = [
            .completed, .completed, .inProgress, .inProgress, .inProgress, .failed("no variables found"), .inProgress,
        ]
        #expect(uploads.map(\.status) == statuses)
        #expect(uploads.last?.name == "")
    }

    @Test("end a list with null, an empty token or none", arguments: ["null", #""""#, nil])
    func lastPage(token: String?) throws {
        let body = #"{"results":[]"# + (token.map { #","nextPageToken":\#($0)"# } ?? "") + "}"
        #expect(try Self.answers.read(Page<UploadResource>.self, from: WebAnswer(200, json, body)).nextPageToken == nil)
    }

    @Test(
        "call a table by one key",
        arguments: [
            ("Demo.stations:ab12:next.readings:9xyz", "Demo.stations:ab12.readings:9xyz"),
            ("Demo.stations:ab12:v1_0.readings:9xyz", "Demo.stations:ab12.readings:9xyz"),
            ("Demo.stations:ab12:v1.0.readings:9xyz", "Demo.stations:ab12.readings:9xyz"),
            ("Demo.stations:ab12:sample:current.readings:9xyz", "Demo.stations:ab12.readings:9xyz"),
            ("Demo.next:next.current", "Demo.next.current"), ("a.b.c", "a.b.c"),
        ])
    func key(reference: String, key: String) throws {
        #expect(TableKey(qualifiedReference: reference)?.value == key)
        #expect(TableKey(uri: "/tables/" + PercentEncoding.segment(reference) + "/uploads")?.value == key)
    }

    @Test("without a reference name no table", arguments: ["", "a", "a.b", "..", "a..b", ".b.c", "/tables/123"])
    func noKey(text: String) {
        #expect(TableKey(qualifiedReference: text) == nil)
        #expect(TableKey(uri: text) == nil)
    }
}
