import Glibc
import SyncCore
import Testing

@testable import RedivisAPI

@Suite("How far this machine gets", .timeLimit(.minutes(1)))
struct GreetingTests {
    private static let answer = "Date: Sun, 06 Nov 1994 08:49:37 GMT"

    private func serving(
        tls: String? = nil, _ fields: [String], _ body: @escaping @Sendable (RawServer, Int) async throws -> Void
    ) async throws {
        try await RawServer.serve(tls: tls) { connection in
            while true {
                _ = try await connection.head()
                try await connection.answer("404 Not Found", fields)
            }
        } _: { server, port in
            try await body(server, port)
        }
    }

    @Test("any answer is one, and nobody sees the token")
    func plain() async throws {
        try await serving([Self.answer, "Content-Type: text/html"]) { server, port in
            try await withRemote("http://127.0.0.1:\(port)/api/v1") { remote in
                let greeting = try await remote.greet()
                #expect(greeting.status == 404 && greeting.isWebPage && greeting.encryption == nil)
                #expect(greeting.serverTime == Timestamp(milliseconds: 784_111_777_000))
                #expect(remote.server == RedivisRemote.Server(host: "127.0.0.1", port: port, usesTLS: false))
            }
            let request = try #require(server.requests.first)
            #expect(request.target == "/api/v1/" && request.fields["authorization"] == nil)
        }
    }

    @Test("the certificate is told")
    func encrypted() async throws {
        var template = Array("/tmp/redivis-sync-ca-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        let path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unlink(path) }
        let text = Array(TestCertificate.certificate.utf8)
        #expect(write(descriptor, text, text.count) == text.count)
        close(descriptor)
        try await serving(tls: TestCertificate.certificate + "\n" + TestCertificate.key, []) { _, port in
            try await withRemote("https://127.0.0.1:\(port)", certificateAuthorities: path) { remote in
                let greeting = try await remote.greet()
                // 2120-01-01, as TestCertificate says.
                let ends = Timestamp(milliseconds: 4_733_510_400_000)
                #expect(greeting.encryption == RedivisRemote.Encryption(version: "TLS 1.3", certificateEnds: ends))
                #expect(greeting.serverTime == nil)
            }
            try await withRemote("https://localhost:\(port)") { remote in
                let failure = await #expect(throws: Failure.self) { try await remote.greet() }
                #expect(failure?.summary.contains("certificate") == true)
            }
        }
    }

    @Test("names are looked up")
    func names() async throws {
        try await withRemote("http://localhost:1") { remote in
            let addresses = try await remote.addresses()
            #expect(!Set(addresses).isDisjoint(with: ["127.0.0.1", "::1"]))
        }
        try await withRemote("http://[::1]:1") { remote in
            #expect(remote.server.host == "::1")
        }
    }
}
