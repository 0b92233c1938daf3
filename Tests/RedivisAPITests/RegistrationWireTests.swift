import SyncCore
import SyncTestSupport
import Synchronization
import Testing

@testable import RedivisAPI

private let shortPatience: Patience = {
    var patience = Patience()
    patience.connect = .seconds(4)
    patience.answer = .seconds(4)
    patience.wholeAnswer = .seconds(6)
    return patience
}()

@Suite("A registration on the wire", .serialized, .timeLimit(.minutes(2)))
struct RegistrationWireTests {
    static func request(_ endpoint: Endpoint = .resumableUpload, _ format: UploadFormat = UploadFormat())
        -> RegistrationRequest
    {
        RegistrationRequest(
            table: ContractTests.table, name: "a \"b\"/ü.csv",
            content: .session(
                UploadSession(
                    endpoint: endpoint, transport: .resumable, uploadID: "u1",
                    url: Secret("https://storage.test/o?upload_id=SECRETSECRET"), openedAt: someTime,
                    openedAtServer: nil)),
            format: format)
    }

    static func register(
        _ request: RegistrationRequest = request(),
        to script: @escaping @Sendable (inout RawServer.Connection) async throws -> Void
    ) async throws -> (Result<RemoteUpload, Failure>, [RawServer.Request]) {
        try await RawServer.serve(script) { server, port in
            try await withRemote("http://127.0.0.1:\(port)/api/v1", patience: shortPatience) { remote in
                do throws(Failure) {
                    return (.success(try await remote.register(request)), server.requests)
                } catch {
                    return (.failure(error), server.requests)
                }
            }
        }
    }

    @Test("posts what is set, and nothing else")
    func body() async throws {
        let bodies = Mutex<[String]>([])
        var format = UploadFormat()
        format.delimiter = ";"
        format.hasHeaderRow = false
        format.nullMarkers = ["", "NA"]
        for request in [Self.request(), Self.request(.tempUploads, format)] {
            let (upload, requests) = try await Self.register(request) { connection in
                let head = try await connection.head()
                let body = String(decoding: try await connection.body(head.bodyLength), as: UTF8.self)
                bodies.withLock { $0.append(body) }
                try await connection.answer(
                    "201 Created", ["Content-Type: application/json"], #"{"uri":"/u/1","name":"x","status":"queued"}"#)
            }
            #expect(try upload.get().uri == "/u/1")
            #expect(requests.first?.method == "POST")
            #expect(requests.first?.target == "/api/v1/tables/demo.weather%3Anext.readings/uploads")
            #expect(requests.first?.fields["authorization"] == "Bearer sandbox")
            #expect(requests.first?.fields["content-type"] == "application/json")
        }
        #expect(
            bodies.withLock { $0 } == [
                #"{"name":"a \"b\"/ü.csv","resumableUploadId":"u1"}"#,
                #"{"delimiter":";","hasHeaderRow":false,"name":"a \"b\"/ü.csv","nullMarkers":["","NA"],"tempUploadId":"u1"}"#,
            ])
    }

    @Test("posts a file inside as two parts, named as the vendor's client names them")
    func inline() async throws {
        let file: [UInt8] = [0, 13, 10, 45, 45, 255]
        let request = RegistrationRequest(
            table: ContractTests.table, name: "a \"b\"/ü.csv", content: .inline(file), format: UploadFormat())
        let sent = Mutex<[UInt8]>([])
        let (upload, requests) = try await Self.register(request) { connection in
            let head = try await connection.head()
            let body = try await connection.body(head.bodyLength)
            sent.withLock { $0 = Array(body) }
            try await connection.answer(
                "201 Created", ["Content-Type: application/json"], #"{"uri":"/u/1","name":"x","status":"queued"}"#)
        }
        #expect(try upload.get().uri == "/u/1")
        let type = try #require(requests.first?.fields["content-type"])
        let boundary = try #require(type.split(separator: "boundary=").last)
        #expect(type == "multipart/form-data; boundary=\(boundary)")
        func part(_ name: String, _ content: [UInt8]) -> [UInt8] {
            Array(
                "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"; filename=\"\(name)\"\r\n\r\n".utf8)
                + content + Array("\r\n".utf8)
        }
        let expected =
            part("metadata", Array(#"{"name":"a \"b\"/ü.csv"}"#.utf8)) + part("data", file)
            + Array("--\(boundary)--\r\n".utf8)
        #expect(sent.withLock { $0 } == expected)
    }

    enum Loss: CaseIterable, Sendable {
        case resetAtOnce, closeAtOnce, closeAfterHead, closeAfterBody, resetAfterBody, silent, halfAnswer, halfBody
        case trickle, nonsense
    }

    @Test("that is lost on the way is ambiguous, and sent once", arguments: Loss.allCases)
    func lost(loss: Loss) async throws {
        let (result, requests) = try await Self.register { connection in
            switch loss {
            case .resetAtOnce: return try await connection.reset()
            case .closeAtOnce: return
            case .closeAfterHead, .closeAfterBody, .resetAfterBody, .silent, .halfAnswer, .halfBody, .trickle,
                .nonsense:
                break
            }
            let head = try await connection.head()
            if loss == .closeAfterHead { return }
            _ = try await connection.body(head.bodyLength)
            switch loss {
            case .resetAfterBody: try await connection.reset()
            case .silent: try await connection.silence()
            case .halfAnswer: try await connection.write("HTTP/1.1 201 Cre")
            case .halfBody: try await connection.write("HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{\"uri\":")
            case .trickle:
                try await connection.write("HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n")
                while true {
                    try await connection.write(" ")
                    try await Task.sleep(for: .milliseconds(200))
                }
            case .nonsense: try await connection.write("\0\0\0\0\r\n\r\n")
            case .resetAtOnce, .closeAtOnce, .closeAfterHead, .closeAfterBody: break
            }
        }
        guard case .failure(let failure) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(failure.kind == .ambiguous)
        #expect(requests.count <= 1)
    }

    @Test("that is interrupted is ambiguous")
    func cancelled() async throws {
        let hasArrived = Mutex(false)
        try await RawServer.serve { connection in
            let head = try await connection.head()
            _ = try await connection.body(head.bodyLength)
            hasArrived.withLock { $0 = true }
            try await connection.silence()
        } _: { _, port in
            try await withRemote("http://127.0.0.1:\(port)") { remote in
                let posting = Task { try await remote.register(Self.request()) }
                while !hasArrived.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(10)) }
                posting.cancel()
                let failure = await #expect(throws: Failure.self) { try await posting.value }
                #expect(failure?.kind == .ambiguous)
            }
        }
    }

    @Test("of which nothing was sent is transient")
    func notSent() async throws {
        // A port that was free a moment ago refuses.
        let port = try await RawServer.serve { _ in
        } _: { _, port in
            port
        }
        for api in ["http://127.0.0.1:\(port)", "http://localhost:\(port)", "https://nowhere.invalid/api/v1"] {
            try await withRemote(api, patience: shortPatience) { remote in
                let failure = await #expect(throws: Failure.self) { try await remote.register(Self.request()) }
                #expect(failure?.kind == .transient, "\(api): \(failure.map(String.init(describing:)) ?? "")")
                #expect(failure?.scope == .agent)
            }
        }
        let cancelled = Task {
            try await withRemote("http://127.0.0.1:\(port)") { remote in
                withUnsafeCurrentTask { $0?.cancel() }
                return try await remote.register(Self.request())
            }
        }
        let failure = await #expect(throws: Failure.self) { try await cancelled.value }
        #expect(failure?.kind == .transient)
    }

    @Test("over TLS with a server that speaks none is transient: no byte of it was sent")
    func noTLS() async throws {
        try await RawServer.serve { connection in
            try await connection.write("HTTP/1.1 400 Bad Request\r\n\r\n")
            try await connection.silence()
        } _: { server, port in
            try await withRemote("https://127.0.0.1:\(port)", patience: shortPatience) { remote in
                let failure = await #expect(throws: Failure.self) { try await remote.register(Self.request()) }
                #expect(failure?.kind == .transient)
            }
            #expect(server.requests.isEmpty)
        }
    }

    @Test("on a pooled connection that the server has closed is sent once")
    func stale() async throws {
        let (_, requests) = try await RawServer.serve { connection in
            _ = try await connection.head()
            try await connection.answer("404 Not Found", ["Content-Type: application/json"], "{}")
            let head = try await connection.head()
            _ = try await connection.body(head.bodyLength)
            // Closed without a word.
        } _: { server, port in
            try await withRemote("http://127.0.0.1:\(port)", patience: shortPatience) { remote in
                await #expect(throws: Failure.self) {
                    try await remote.tableResource(ContractTests.table, as: "demo.weather.readings")
                }
                let failure = await #expect(throws: Failure.self) { try await remote.register(Self.request()) }
                #expect(failure?.kind == .ambiguous)
            }
            return (server, server.requests)
        }
        #expect(requests.map(\.method) == ["GET", "POST"])
    }

    @Test("is not sent with a token that is none", arguments: ["", "two words", "line\nbreak", "ü"])
    func badToken(token: String) async throws {
        try await RawServer.serve { connection in
            _ = try await connection.head()
        } _: { server, port in
            try await withRemote("http://127.0.0.1:\(port)", token: token) { remote in
                let failure = try #require(
                    await #expect(throws: Failure.self) { try await remote.register(Self.request()) })
                #expect(failure.kind == .unauthorized)
                #expect(token.isEmpty || !failure.description.contains(token))
            }
            #expect(server.requests.isEmpty)
        }
    }
}
