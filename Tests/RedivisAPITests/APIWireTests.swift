import Glibc
import Logging
import SyncCore
import SyncTestSupport
import Synchronization
import Testing

@testable import RedivisAPI

@Suite("The API on the wire", .timeLimit(.minutes(2)))
struct APIWireTests {
    static let request = SessionRequest(
        table: ContractTests.table, endpoint: .resumableUpload, size: 10, name: "a.csv", now: someTime)

    /// A server that gives the answers in turn, each to the request whose target contains its key.
    @discardableResult
    static func answering<Result: Sendable>(
        _ answers: [(String, WebAnswer)], _ body: @escaping @Sendable (RedivisRemote, RawServer) async throws -> Result
    ) async throws -> Result {
        let left = Mutex(answers)
        return try await RawServer.serve { connection in
            while true {
                let head = try await connection.head()
                _ = try await connection.body(head.bodyLength)
                let answer = left.withLock { left in
                    left.firstIndex { head.target.contains($0.0) }.map { left.remove(at: $0).1 }
                }
                let given = answer ?? WebAnswer(418, [], "no answer is left for \(head.target)")
                let fields = ["Content-Type: \(given.fields.one("content-type") ?? "application/json")"]
                try await connection.answer("\(given.status) X", fields, String(decoding: given.body, as: UTF8.self))
            }
        } _: { server, port in
            try await withRemote("http://127.0.0.1:\(port)/api/v1") { try await body($0, server) }
        }
    }

    @Test("a session is opened to the letter")
    func openResumable() async throws {
        let opened = WebAnswer(201, [], #"{"kind":"resumableUpload","id":"r1","url":"https://storage.test/o?id=S"}"#)
        try await Self.answering([("resumableUpload", opened)]) { remote, server in
            let session = try await remote.openSession(Self.request)
            #expect(session.uploadID == "r1")
            #expect(session.url.revealed == "https://storage.test/o?id=S")
            #expect(session.transport == .resumable)
            #expect(session.openedAt == someTime)
            let request = try #require(server.requests.first)
            #expect(request.method == "POST")
            #expect(request.target == "/api/v1/tables/demo.weather%3Anext.readings/resumableUpload?size=10")
            #expect(request.fields["content-length"] == "0")
            #expect(request.fields["content-type"] == nil)
            #expect(request.fields["authorization"] == "Bearer sandbox")
        }
    }

    @Test("a missing endpoint is told from a missing table", arguments: [404, 405, 410])
    func missingEndpoint(status: Int) async throws {
        let missing = ("Upload", WebAnswer(status, html, "Cannot POST"))
        for endpoint in Endpoint.allCases {
            let request = SessionRequest(
                table: ContractTests.table, endpoint: endpoint, size: 10, name: "a.csv", now: someTime)
            let there = try await Self.answering([missing, ("/tables/", WebAnswer(200, [], "{}"))]) { remote, _ in
                await #expect(throws: Failure.self) { try await remote.openSession(request) }
            }
            #expect(there?.kind == .endpointMissing)
            let gone = try await Self.answering([missing, ("/tables/", WebAnswer(404, [], "{}"))]) { remote, _ in
                await #expect(throws: Failure.self) { try await remote.openSession(request) }
            }
            #expect(gone?.kind == .forbidden)
        }
    }

    @Test(
        "an upload address that bytes may not go to is refused",
        arguments: ["http://storage.test/o", "ftp://storage.test/o", "storage.test/o", "https://u:p@storage.test/", ""])
    func badAddress(url: String) async throws {
        let failure = try await Self.answering([("resumableUpload", WebAnswer(200, [], #"{"id":"1","url":"\#(url)"}"#))]
        ) {
            remote, _ in await #expect(throws: Failure.self) { try await remote.openSession(Self.request) }
        }
        #expect(failure?.kind == .rejected)
        #expect(url.isEmpty || failure?.description.contains(url) == false)
    }

    @Test("large pages are given up where they are refused")
    func pageSize() async throws {
        let list = WebAnswer(200, [], #"{"results":[],"nextPageToken":null}"#)
        try await Self.answering([
            ("maxResults=1000", WebAnswer(400)), ("maxResults=100", list), ("maxResults=100", list),
        ]) {
            remote, server in
            for _ in 0..<2 { _ = try await remote.uploads(of: ContractTests.table, in: .draft, page: "a b&c") }
            let targets = server.requests.map(\.target)
            #expect(targets.count == 3)
            #expect(targets.last?.hasSuffix("uploads?maxResults=100&pageToken=a%20b%26c") == true)
        }
    }

    @Test("a page that names itself as the next one ends in a failure, not in a circle")
    func circle() async throws {
        let list = WebAnswer(200, [], #"{"results":[],"nextPageToken":"x"}"#)
        try await Self.answering([("uploads", list)]) { remote, _ in
            await #expect(throws: Failure.self) {
                try await remote.uploads(of: ContractTests.table, in: .draft, page: "x")
            }
        }
    }

    @Test("what the token may not see is not taken for nothing")
    func invisible() async throws {
        let gone = WebAnswer(404, [], #"{"error":"not_found"}"#)
        let open = WebAnswer(200, [], #"{"nextVersion":{"tag":"next"},"version":{"tag":"v1.0"}}"#)
        let closed = WebAnswer(200, [], #"{"nextVersion":null,"version":{"tag":"v1.0"}}"#)
        let tag = TableVersion.released(VersionTag(major: 1, minor: 0))
        let cases: [(TableVersion, [(String, WebAnswer)], Failure.Kind?)] = [
            (.draft, [("uploads", gone), ("datasets", gone), ("datasets", gone)], .forbidden),
            (tag, [("uploads", gone), ("datasets", gone), ("datasets", gone)], .forbidden),
            (.draft, [("uploads", gone), ("datasets", open)], .forbidden),
            (.draft, [("uploads", gone), ("datasets", closed)], nil),
            (tag, [("uploads", gone), ("datasets", open)], nil),
            (tag, [("uploads", WebAnswer(404, html, "portal"))], .transient),
            (tag, [("uploads", WebAnswer(200, html, "portal"))], .transient),
            (tag, [("uploads", WebAnswer(200, [], "{}"))], .transient),
            (tag, [("uploads", WebAnswer(403, [], "{}"))], .forbidden),
        ]
        for (version, answers, kind) in cases {
            try await Self.answering(answers) { remote, _ in
                do throws(Failure) {
                    let page = try await remote.uploads(of: ContractTests.table, in: version, page: nil)
                    #expect(kind == nil && page.uploads.isEmpty)
                } catch {
                    #expect(error.kind == kind)
                }
            }
        }
    }

    @Test("only an upload's own address is deleted")
    func withdrawGuard() async throws {
        let uris = [
            "", "/", "/tables/a.b.c", "/tables/a.b.c/uploads", "/tables/a.b.c/uploads/", "https://evil.test/uploads/1",
            "//evil.test/uploads/1", "tables/a.b.c/uploads/1",
        ]
        try await Self.answering([]) { remote, server in
            for uri in uris {
                let failure = await #expect(throws: Failure.self) { try await remote.withdraw(uri: uri) }
                #expect(failure?.kind == .rejected, "\(uri)")
            }
            #expect(server.requests.isEmpty)
        }
        try await Self.answering([("a.b:next.c d/uploads/1", WebAnswer(404)), ("uploads/2", WebAnswer(200, [], "{}"))])
        {
            remote, server in
            // As written by the server, but for what a request line cannot carry.
            await #expect(throws: Failure.self) { try await remote.withdraw(uri: "/tables/a.b:next.c d/uploads/1") }
            #expect(server.requests.map(\.target) == ["/api/v1/tables/a.b:next.c%20d/uploads/1"])
            try await remote.withdraw(uri: "/api/v1/tables/a.b.c/uploads/2")
            #expect(server.requests.last?.target == "/api/v1/tables/a.b.c/uploads/2")
            #expect(server.requests.last?.method == "DELETE")
        }
    }

    @Test("a warning is logged once for each text, and the rate limit is remembered")
    func warnings() async throws {
        let lines = LogLines()
        let next = Mutex(0)
        try await RawServer.serve { connection in
            // A slow machine may open another connection in between: what comes next is not told by the connection.
            while true {
                _ = try await connection.head()
                let warning = next.withLock { next in
                    next += 1
                    return ["old", "old", "older sandbox"][min(next, 3) - 1]
                }
                let fields = ["X-REDIVIS-WARNING: \(warning)", "X-RateLimit-Limit: 1000", "X-RateLimit-Remaining: 700"]
                try await connection.answer("404 Not Found", fields, "{}")
            }
        } _: { _, port in
            let remote = try RedivisRemote(
                .init(api: "http://127.0.0.1:\(port)"), token: { Secret("sandbox") },
                logger: Logger(label: "test", factory: { _ in lines }), wallClock: { someTime })
            for _ in 0..<3 {
                await #expect(throws: Failure.self) {
                    try await remote.tableResource(ContractTests.table, as: "demo.weather.readings")
                }
            }
            #expect(remote.rateLimit == .init(limit: 1000, remaining: 700))
            await remote.shutdown()
        }
        #expect(lines.warnings == ["old", "older <redacted>"])
    }

    @Test("a GET is repeated once where the connection was closed, and no more")
    func stale() async throws {
        try await RawServer.serve { connection in
            _ = try await connection.head()
        } _: { server, port in
            try await withRemote("http://127.0.0.1:\(port)") { remote in
                let failure = await #expect(throws: Failure.self) { try await remote.table(ContractTests.table) }
                #expect(failure?.kind == .transient)
            }
            #expect(server.requests.count == 2)
        }
    }

    @Test("other calls than GET are sent once")
    func once() async throws {
        try await RawServer.serve { connection in
            _ = try await connection.head()
        } _: { server, port in
            try await withRemote("http://127.0.0.1:\(port)") { remote in
                await #expect(throws: Failure.self) { try await remote.openSession(Self.request) }
                await #expect(throws: Failure.self) { try await remote.withdraw(uri: "/tables/a.b.c/uploads/1") }
            }
            #expect(server.requests.map(\.method) == ["POST", "DELETE"])
        }
    }

    @Test("an answer without an end does not fill the memory")
    func endless() async throws {
        try await RawServer.serve { connection in
            _ = try await connection.head()
            try await connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "10000\r\n" + String(repeating: " ", count: 65_536) + "\r\n"
            while true { try await connection.write(chunk) }
        } _: { _, port in
            try await withRemote("http://127.0.0.1:\(port)") { remote in
                let failure = await #expect(throws: Failure.self) { try await remote.table(ContractTests.table) }
                #expect(failure?.kind == .transient)
            }
        }
    }

    @Test("a header without an end is refused")
    func endlessHeader() async throws {
        try await RawServer.serve { connection in
            _ = try await connection.head()
            try await connection.write("HTTP/1.1 200 OK\r\nX: ")
            while true { try await connection.write(String(repeating: "x", count: 65_536)) }
        } _: { _, port in
            try await withRemote("http://127.0.0.1:\(port)") { remote in
                await #expect(throws: Failure.self) { try await remote.table(ContractTests.table) }
            }
        }
    }

    @Test("only a trusted certificate is spoken to, and ca_file adds one")
    func tls() async throws {
        let folder = "/tmp/redivis-api-tests-\(getpid())"
        mkdir(folder, 0o700)
        defer {
            unlink("\(folder)/ca.pem")
            rmdir(folder)
        }
        let file = try #require(fopen("\(folder)/ca.pem", "w"))
        fputs(TestCertificate.certificate, file)
        fclose(file)
        let pem = TestCertificate.certificate + "\n" + TestCertificate.key
        try await RawServer.serve(tls: pem) { connection in
            while true {
                _ = try await connection.head()
                try await connection.answer(
                    "404 Not Found", ["Content-Type: application/json"], #"{"error":"not_found"}"#)
            }
        } _: { server, port in
            try await withRemote("https://127.0.0.1:\(port)") { remote in
                let failure = await #expect(throws: Failure.self) {
                    try await remote.register(RegistrationWireTests.request())
                }
                #expect(failure?.kind == .transient)
                #expect(failure?.summary.contains("certificate") == true)
            }
            #expect(server.requests.isEmpty)
            for host in ["127.0.0.1", "localhost"] {
                try await withRemote("https://\(host):\(port)", certificateAuthorities: "\(folder)/ca.pem") { remote in
                    let failure = await #expect(throws: Failure.self) { try await remote.table(ContractTests.table) }
                    #expect(failure?.kind == .forbidden, "\(failure.map(String.init(describing:)) ?? "")")
                }
            }
        }
        for path in ["\(folder)/none.pem", "/dev/null"] {
            let failure = await #expect(throws: Failure.self) {
                try await withRemote("https://127.0.0.1:1", certificateAuthorities: path) { _ in }
            }
            #expect(failure?.kind == .rejected)
        }
    }

    @Test(
        "an address that the API cannot have is refused",
        arguments: ["", "redivis.com", "http://redivis.com/api/v1", "ftp://redivis.com", "https://a.test/?x=1"])
    func badAPI(text: String) async throws {
        let failure = await #expect(throws: Failure.self) { try await withRemote(text) { _ in } }
        #expect(failure?.scope == .agent)
    }
}

extension LogLines {
    /// The words of warnings.
    fileprivate var warnings: [String] {
        events.filter { $0.level == .warning }.compactMap { $0.metadata?["words"].map { "\($0)" } }
    }
}
