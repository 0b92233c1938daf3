import SyncCore
import Testing

@testable import RedivisAPI

@Suite("T-22: answers of the storage host")
struct StorageAnswersTests {
    static let md5 = "XrY7u+Ae7tCTyyK7j1rNww=="
    static let digest = Digest(hex: "5eb63bbbe01eeed093cb22bb8f5acdc3")

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let answer: WebAnswer
        let reply: TransferReply

        init(_ name: String, _ answer: WebAnswer, _ reply: TransferReply) {
            (testDescription, self.answer, self.reply) = (name, answer, reply)
        }
    }

    static let replies: [Row] = [
        Row("308 with Range", WebAnswer(308, [("Range", "bytes=0-42")]), .stored(43)),
        Row("308 with a Range in capitals", WebAnswer(308, [("range", "Bytes=0-262143")]), .stored(262_144)),
        Row("308 with one byte", WebAnswer(308, [("Range", "bytes=0-0")]), .stored(1)),
        Row("308 without Range", WebAnswer(308), .stored(nil)),
        Row("308 with another unit", WebAnswer(308, [("Range", "items=0-42")]), .stored(nil)),
        Row("308 with another start", WebAnswer(308, [("Range", "bytes=5-42")]), .stored(nil)),
        Row("308 with half a Range", WebAnswer(308, [("Range", "bytes=0-")]), .stored(nil)),
        Row("308 with a negative Range", WebAnswer(308, [("Range", "bytes=0--1")]), .stored(nil)),
        Row("308 with a Range too large", WebAnswer(308, [("Range", "bytes=0-9223372036854775807")]), .stored(nil)),
        Row("308 with a Range beyond all", WebAnswer(308, [("Range", "bytes=0-99999999999999999999")]), .stored(nil)),
        Row("308 with words", WebAnswer(308, [("Range", "all of it")]), .stored(nil)),
        Row("308 with two Ranges", WebAnswer(308, [("Range", "bytes=0-4"), ("Range", "bytes=0-9")]), .stored(nil)),
        Row("308 with Range and Location", WebAnswer(308, [("Range", "bytes=0-4"), ("Location", "/x")]), .stored(5)),
        Row(
            "200 that stands for 308",
            WebAnswer(200, [("X-HTTP-Status-Code-Override", "308"), ("Range", "bytes=0-99")]), .stored(100)),
        Row("201 that stands for 308", WebAnswer(201, [("x-http-status-code-override", "308")]), .stored(nil)),
        Row("200, empty", WebAnswer(200), .finished(size: nil, md5: nil)),
        Row("201, empty", WebAnswer(201), .finished(size: nil, md5: nil)),
        Row(
            "200 with the stored length", WebAnswer(200, [("x-goog-stored-content-length", "77")]),
            .finished(size: 77, md5: nil)),
        Row(
            "200 with a nonsense length", WebAnswer(200, [("x-goog-stored-content-length", "-7")]),
            .finished(size: nil, md5: nil)),
        Row(
            "200 with hashes in one field",
            WebAnswer(200, [("x-goog-hash", "crc32c=n03x6A==,md5=\(md5)"), ("x-goog-stored-content-length", "11")]),
            .finished(size: 11, md5: digest)),
        Row(
            "200 with hashes in two fields",
            WebAnswer(200, [("x-goog-hash", "crc32c=n03x6A=="), ("x-goog-hash", "md5=\(md5)")]),
            .finished(size: nil, md5: digest)),
        Row("200 with a broken hash", WebAnswer(200, [("x-goog-hash", "md5=abc")]), .finished(size: nil, md5: nil)),
        Row(
            "200 with the object, size as text",
            WebAnswer(200, json, #"{"kind":"storage#object","size":"11","md5Hash":"\#(md5)"}"#),
            .finished(size: 11, md5: digest)),
        Row(
            "200 with the object, size as number", WebAnswer(200, json, #"{"size":11}"#), .finished(size: 11, md5: nil)),
        Row(
            "200 with other text", WebAnswer(200, [("Content-Type", "text/plain")], "OK"),
            .finished(size: nil, md5: nil)),
    ]

    @Test("are replies", arguments: replies)
    func reply(row: Row) throws {
        let answers = StorageAnswers(question: .resumable, now: someTime, secrets: [])
        #expect(try answers.read(row.answer).reply == row.reply)
    }

    @Test(
        "are failures by their remedy",
        arguments: [
            (404, Failure.Kind.sessionLost), (410, .sessionLost), (499, .sessionLost), (401, .sessionRefused),
            (403, .sessionRefused), (408, .transient), (425, .transient), (407, .transient), (429, .throttled),
            (500, .transient), (502, .transient), (503, .transient), (504, .transient), (599, .transient),
            (400, .rejected), (411, .rejected), (412, .rejected), (413, .tooLarge), (416, .rejected),
            (405, .rejected), (422, .rejected), (301, .rejected), (302, .rejected), (307, .rejected),
            (304, .rejected), (202, .transient), (204, .transient), (206, .transient),
        ])
    func failure(status: Int, kind: Failure.Kind) throws {
        let answers = StorageAnswers(question: .resumable, now: someTime, secrets: [])
        let failure = #expect(throws: Failure.self) { try answers.read(WebAnswer(status)) }
        #expect(failure?.kind == kind)
        #expect(failure?.summary.contains(String(status)) == true)
    }

    @Test("that are web pages finish nothing", arguments: [200, 201, 204])
    func webPage(status: Int) {
        for question in [StorageAnswers.Question.resumable, .whole(size: 4)] {
            let answers = StorageAnswers(question: question, now: someTime, secrets: [])
            let failure = #expect(throws: Failure.self) {
                try answers.read(WebAnswer(status, html, "<html>Log in</html>"))
            }
            #expect(failure?.kind == .transient)
        }
    }

    @Test("that redirect are not followed, 308 with a Location included")
    func redirect() {
        let answers = StorageAnswers(question: .resumable, now: someTime, secrets: [])
        let answer = WebAnswer(308, [("Location", "https://elsewhere.test/")])
        let failure = #expect(throws: Failure.self) { try answers.read(answer) }
        #expect(failure?.kind == .rejected)
    }

    @Test("to one PUT of all are the whole or nothing")
    func whole() throws {
        let answers = StorageAnswers(question: .whole(size: 9), now: someTime, secrets: [])
        for status in [200, 201, 204] {
            #expect(try answers.read(WebAnswer(status)).reply == .finished(size: 9, md5: nil))
        }
        let short = WebAnswer(200, [("x-goog-stored-content-length", "8")])
        #expect(try answers.read(short).reply == .finished(size: 8, md5: nil))
        let failure = #expect(throws: Failure.self) { try answers.read(WebAnswer(308, [("Range", "bytes=0-3")])) }
        #expect(failure?.kind == .rejected)
    }

    @Test("tell the server's time")
    func serverTime() throws {
        let answers = StorageAnswers(question: .resumable, now: someTime, secrets: [])
        let answer = WebAnswer(308, [("Date", "Tue, 14 Nov 2023 22:13:20 GMT")])
        #expect(try answers.read(answer).serverTime == someTime)
    }

    @Test("ask for patience by Retry-After")
    func patience() {
        let answers = StorageAnswers(question: .resumable, now: someTime, secrets: [])
        for status in [429, 503] {
            let failure = #expect(throws: Failure.self) { try answers.read(WebAnswer(status, [("Retry-After", "7")])) }
            #expect(failure?.kind == .throttled)
            #expect(failure?.retryAfter == .seconds(7))
        }
    }

    @Test("keep the server's words, short and without secrets")
    func words() throws {
        let url = "https://storage.test/upload/bucket-name/object?upload_id=ABCDEFGHIJKL&x=1"
        let address = try #require(WebAddress(url))
        let secrets = Secrets.spellings(token: Secret("token-123"), session: address)
        let answers = StorageAnswers(question: .resumable, now: someTime, secrets: secrets)
        let xml = """
            <?xml version='1.0'?><Error><Code>InvalidArgument</Code><Message>Invalid \u{1B}[31m \(url)
            and ABCDEFGHIJKL for token-123</Message></Error>
            """
        let failure = try #require(#expect(throws: Failure.self) { try answers.read(WebAnswer(400, [], xml)) })
        #expect(failure.summary.contains("InvalidArgument"))
        for secret in ["token-123", "ABCDEFGHIJKL", "upload_id", "\u{1B}", "\n"] {
            #expect(!failure.description.contains(secret))
        }
        let long = #expect(throws: Failure.self) {
            try answers.read(WebAnswer(400, [], String(repeating: "ab ", count: 999)))
        }
        #expect((long?.summary.count ?? 0) < 360)
    }
}
