import SyncCore
import SyncTestSupport
import Testing

@testable import RedivisAPI

@Suite("Redirects", .timeLimit(.minutes(2)))
struct RedirectTests {
    private static func session(_ port: Int) -> UploadSession {
        UploadSession(
            endpoint: .resumableUpload, transport: .resumable, uploadID: "u1",
            url: Secret("http://127.0.0.1:\(port)/up?upload_id=SECRETSECRET"), openedAt: someTime, openedAtServer: nil)
    }

    /// One of each class of request: what it is called, and how it is made.
    private static let requests: [(String, @Sendable (RedivisRemote, Int) async throws -> Void)] = [
        ("table", { remote, _ in _ = try await remote.table(ContractTests.table) }),
        ("version", { remote, _ in try await remote.openVersion(of: ContractTests.table) }),
        ("list", { remote, _ in _ = try await remote.uploads(of: ContractTests.table, in: .draft, page: nil) }),
        ("open", { remote, _ in _ = try await remote.openSession(APIWireTests.request) }),
        (
            "temp",
            { remote, _ in
                _ = try await remote.openSession(
                    SessionRequest(
                        table: ContractTests.table, endpoint: .tempUploads, size: 10, name: "a.csv", now: someTime))
            }
        ),
        ("post", { remote, _ in _ = try await remote.register(RegistrationWireTests.request()) }),
        ("delete", { remote, _ in try await remote.withdraw(uri: "/tables/a.b.c/uploads/1") }),
        (
            "chunk",
            { remote, port in
                _ = try await remote.send(
                    SourceSlices([UInt8](repeating: 7, count: 10)), range: 0..<10, total: 20, to: session(port))
            }
        ),
        (
            "whole",
            { remote, port in
                let whole = UploadSession(
                    endpoint: .tempUploads, transport: .whole, uploadID: "u1", url: session(port).url,
                    openedAt: someTime,
                    openedAtServer: nil)
                _ = try await remote.send(
                    SourceSlices([UInt8](repeating: 7, count: 10)), range: 0..<10, total: 10, to: whole)
            }
        ),
        ("status", { remote, port in _ = try await remote.status(of: session(port), total: 20) }),
    ]

    @Test(
        "none is followed by any request, so no token and no byte goes elsewhere",
        arguments: ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"])
    func never(status: String) async throws {
        try await RawServer.serve { connection in
            while true {
                let head = try await connection.head()
                _ = try await connection.body(head.bodyLength)
                try await connection.answer("200 OK", ["Content-Type: application/json"], "{}")
            }
        } _: { elsewhere, otherPort in
            try await RawServer.serve { connection in
                while true {
                    let head = try await connection.head()
                    _ = try await connection.body(head.bodyLength)
                    try await connection.answer(status, ["Location: http://127.0.0.1:\(otherPort)/stolen"])
                }
            } _: { server, port in
                try await withRemote("http://127.0.0.1:\(port)/api/v1", token: "SECRETTOKEN") { remote in
                    for (name, request) in Self.requests {
                        let before = server.requests.count
                        do {
                            try await request(remote, port)
                            Issue.record("\(name) took a redirect for an answer")
                        } catch let failure as Failure {
                            #expect(!failure.description.contains("SECRET"), "\(name)")
                            #expect(failure.kind != .sessionLost, "\(name)")
                            // Carried out or not: a registration's redirect says neither.
                            #expect((failure.kind == .ambiguous) == (name == "post"), "\(name): \(failure.kind)")
                        }
                        #expect(server.requests.count == before + 1, "\(name)")
                    }
                }
            }
            #expect(elsewhere.requests.isEmpty)
        }
    }
}
