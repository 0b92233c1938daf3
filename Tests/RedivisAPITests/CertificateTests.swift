import NIOSSL
import SyncCore
import SyncTestSupport
import Testing

@testable import RedivisAPI

@Suite("Certificates", .serialized, .timeLimit(.minutes(1)))
struct CertificateTests {
    private static func notFound(_ connection: inout RawServer.Connection) async throws {
        while true {
            _ = try await connection.head()
            try await connection.answer("404 Not Found", ["Content-Type: application/json"], #"{"error":"not_found"}"#)
        }
    }

    private static func asking(
        _ pem: String, trusting file: String? = nil, at host: String = "127.0.0.1"
    ) async throws -> (Failure?, requests: Int) {
        try await RawServer.serve(tls: pem, notFound) { server, port in
            try await withRemote("https://\(host):\(port)", certificateAuthorities: file) { remote in
                let failure = await #expect(throws: Failure.self) {
                    try await remote.register(RegistrationWireTests.request())
                }
                return (failure, server.requests.count)
            }
        }
    }

    @Test(
        "each trouble has its own words, and nothing is sent",
        arguments: [
            (TestCertificate.server(TestCertificate.expired), nil, "has expired (on 2002-01-01)", "renew"),
            (
                TestCertificate.server(TestCertificate.expired), TestCertificate.expired, "has expired (on 2002-01-01)",
                "clock"
            ),
            (
                TestCertificate.server(TestCertificate.future), TestCertificate.future,
                "is not valid yet (only from 2090-01-01 on)", "clock"
            ),
            (TestCertificate.server(TestCertificate.certificate), nil, "is signed by itself", "`ca_file`"),
            (
                TestCertificate.server(TestCertificate.signed), nil, "signed by an authority that is not known here",
                "`ca_file`"
            ),
            (
                TestCertificate.server(TestCertificate.signed, TestCertificate.authority), TestCertificate.certificate,
                "signed by an authority that is not known here", "`ca_file`"
            ),
            (
                TestCertificate.server(TestCertificate.ofAnotherHost), TestCertificate.ofAnotherHost,
                "is for another host",
                "proxy"
            ),
        ] as [(String, String?, String, String)])
    func words(pem: String, trusted: String?, words: String, remedy: String) async throws {
        let file = try trusted.map { try PEMFile($0) }
        for host in ["127.0.0.1", "localhost"] {
            let (failure, requests) = try await Self.asking(pem, trusting: file?.path, at: host)
            // Before a handshake is done nothing is sent, so a registration is in no doubt; and it passes by itself
            // once the certificate or the clock is put right.
            #expect(failure?.kind == .transient && failure?.scope == .agent)
            #expect(failure?.summary.contains(words) == true, "\(failure.map(String.init(describing:)) ?? "")")
            #expect(failure?.summary.contains(host) == true)
            #expect(failure?.hint?.contains(remedy) == true, "\(failure?.hint ?? "")")
            #expect(requests == 0)
        }
    }

    @Test("the authority in ca_file is believed, and so is one that takes its place there")
    func rotation() async throws {
        let file = try PEMFile(TestCertificate.certificate)
        try await RawServer.serve(tls: TestCertificate.server(TestCertificate.signed), Self.notFound) { server, port in
            try await withRemote("https://127.0.0.1:\(port)", certificateAuthorities: file.path) { remote in
                func failure() async -> Failure? {
                    await #expect(throws: Failure.self) { try await remote.table(ContractTests.table) }
                }
                #expect(await failure()?.kind == .transient)
                #expect(try remote.trust(file.path) == false)
                try file.replace(with: TestCertificate.authority)
                #expect(try remote.trust(file.path))
                #expect(try remote.trust(file.path) == false)
                // 404 of the table: the server was spoken to.
                #expect(await failure()?.kind == .forbidden)
                try file.replace(with: "half a certi")
                #expect(throws: Failure.self) { try remote.trust(file.path) }
                #expect(await failure()?.kind == .forbidden, "what was believed stays")
                #expect(try remote.trust(nil))
                #expect(await failure()?.kind == .transient, "a pooled connection must not outlive its trust")
            }
        }
    }

    @Test("IPv6 and IPv4, by address and by name", arguments: ["[::1]", "127.0.0.1", "localhost"])
    func families(host: String) async throws {
        let file = try PEMFile(TestCertificate.authority)
        let pem = TestCertificate.server(TestCertificate.signed)
        for isEncrypted in [false, true] {
            try await RawServer.serve(
                tls: isEncrypted ? pem : nil, host: host == "[::1]" ? "::1" : "127.0.0.1", Self.notFound
            ) { server, port in
                let scheme = isEncrypted ? "https" : "http"
                try await withRemote("\(scheme)://\(host):\(port)", certificateAuthorities: file.path) { remote in
                    let failure = await #expect(throws: Failure.self) { try await remote.table(ContractTests.table) }
                    #expect(failure?.kind == .forbidden, "\(failure.map(String.init(describing:)) ?? "")")
                }
                #expect(server.requests.first?.fields["host"]?.hasPrefix(host) == true)
            }
        }
    }

    @Test("a name whose address changes between two requests is followed there")
    func changedAddress() async throws {
        // `localhost` is both ::1 and 127.0.0.1; the server moves from the one to the other.
        let port = try await RawServer.serve(host: "127.0.0.1", Self.notFound) { server, port in
            try await withRemote("http://localhost:\(port)") { remote in
                let before = await #expect(throws: Failure.self) { try await remote.table(ContractTests.table) }
                #expect(before?.kind == .forbidden)
            }
            return port
        }
        try await RawServer.serve(host: "127.0.0.1", port: port) { connection in
            _ = try await connection.head()
            try await connection.answer("404 Not Found", ["Content-Type: application/json"], "{}")
        } _: { first, port in
            try await withRemote("http://localhost:\(port)") { remote in
                _ = try? await remote.table(ContractTests.table)
                #expect(first.requests.count >= 1)
                try await RawServer.serve(host: "::1", port: port, Self.notFound) { second, _ in
                    // The first closes each connection after one answer; a new one may go to either, and both answer.
                    let after = await #expect(throws: Failure.self) { try await remote.table(ContractTests.table) }
                    #expect(after?.kind == .forbidden)
                    #expect(first.requests.count + second.requests.count >= 2)
                }
            }
        }
    }

    @Test(
        "a name that has no address passes by itself, with words",
        arguments: ["no-such-host.invalid", "redivis.invalid"])
    func names(host: String) async throws {
        try await withRemote("https://\(host)/api/v1") { remote in
            for _ in 0..<3 {
                let failure = await #expect(throws: Failure.self) {
                    try await remote.register(RegistrationWireTests.request())
                }
                #expect(failure?.kind == .transient && failure?.scope == .agent)
                #expect(failure?.summary.contains("the name \(host) cannot be resolved") == true)
                #expect(failure?.hint?.contains("DNS") == true)
            }
        }
    }

    // MARK: Reading certificates

    @Test("who a certificate names is read out of any bytes without harm")
    func der() throws {
        func bytes(_ pem: String) throws -> [UInt8] {
            try #require(try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8)).first).toDERBytes()
        }
        let own = try bytes(TestCertificate.certificate)
        #expect(CertificateNames.areEqual(in: own))
        #expect(CertificateNames.areEqual(in: try bytes(TestCertificate.authority)))
        #expect(!CertificateNames.areEqual(in: try bytes(TestCertificate.signed)))
        for count in 0..<own.count { _ = CertificateNames.areEqual(in: Array(own.prefix(count))) }
        var generator = SeededRandom(seed: 7)
        for _ in 0..<5000 {
            var spoilt = own
            for _ in 0..<3 {
                spoilt[Int.random(in: 0..<own.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            _ = CertificateNames.areEqual(in: spoilt)
        }
        #expect(!CertificateNames.areEqual(in: [0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]))
    }
}
