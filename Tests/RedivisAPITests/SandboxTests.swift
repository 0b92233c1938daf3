import RedivisSandbox
import SyncCore
import SyncTestSupport
import Testing

@testable import RedivisAPI

@Suite("Redivis as the sandbox plays it", .timeLimit(.minutes(2)))
struct SandboxTests {
    static func with(
        _ change: (inout SandboxConfiguration) -> Void = { _ in },
        _ body: @escaping @Sendable (Sandbox, RemoteContract.Subject) async throws -> Void
    ) async throws {
        var configuration = SandboxConfiguration()
        change(&configuration)
        try await withSandbox(configuration) { sandbox, origins in
            try await withRemote(origins.api) { remote in
                try await body(
                    sandbox,
                    .init(remote: remote, table: ContractTests.table, missingTable: ContractTests.missing, release: {}))
            }
        }
    }

    @Test("a registration whose answer is lost is ambiguous, and was carried out once")
    func lostReply() async throws {
        for fault in ["post-uploads:1:lose-reply", "post-uploads:1:500,after", "post-uploads:1:503,after"] {
            try await Self.with { sandbox, subject in
                sandbox.add(try SandboxFault(fault))
                let session = try await subject.transfer([1, 2, 3])
                let failure = await #expect(throws: Failure.self) { try await subject.register(session, as: "a.csv") }
                #expect(failure?.kind == .ambiguous)
                #expect(try await subject.uploads().map(\.name) == ["a.csv"])
                #expect(sandbox.requestCount(.postUploads) == 1)
            }
        }
    }

    @Test("a failed import has Redivis's words, though the list leaves them out, and they are asked once")
    func importFailure() async throws {
        try await Self.with { sandbox, subject in
            sandbox.add(try SandboxFault("post-uploads:1:import-failed=no variables found"))
            _ = try await subject.register(try await subject.transfer([1]), as: "a.csv")
            let upload = try await subject.imported("a.csv")
            #expect(upload.status == .failed("no variables found"))
            _ = try await subject.uploads()
            #expect(sandbox.requestCount(.getUpload) == 1)
        }
    }

    @Test("a web page in the place of any answer moves nothing on")
    func portal() async throws {
        try await Self.with { sandbox, subject in
            let session = try await subject.open(3)
            sandbox.add(try SandboxFault("any:*:portal"))
            var kinds: [Failure.Kind] = []
            func note(_ body: () async throws -> Void) async throws {
                kinds.append(try await RemoteContract.failure(body).kind)
            }
            try await note { _ = try await subject.remote.table(subject.table) }
            try await note { try await subject.remote.openVersion(of: subject.table) }
            try await note { _ = try await subject.uploads() }
            try await note { _ = try await subject.open(3) }
            try await note { _ = try await subject.open(3, by: .tempUploads) }
            try await note { _ = try await subject.send([1, 2, 3], to: session) }
            try await note { _ = try await subject.status(session, 3) }
            try await note { try await subject.remote.withdraw(uri: "/tables/a.b.c/uploads/1") }
            #expect(kinds == [Failure.Kind](repeating: .transient, count: 8))
            let registration = try await RemoteContract.failure { _ = try await subject.register(session, as: "a") }
            #expect(registration.kind == .ambiguous)
        }
    }

    @Test("a token without rights is the agent's matter")
    func readOnly() async throws {
        try await withSandbox { _, origins in
            for token in ["sandbox-readonly", "wrong"] {
                try await withRemote(origins.api, token: token) { remote in
                    let failure = await #expect(throws: Failure.self) {
                        try await remote.openSession(APIWireTests.request)
                    }
                    #expect(failure?.kind == .unauthorized)
                    #expect(failure?.scope == .agent)
                    #expect(failure?.description.contains(token) == false)
                }
            }
        }
    }

    @Test("no failure's text holds the token or a session's address")
    func secrets() async throws {
        let actions = ["400", "401", "403", "404", "409", "410", "429", "500", "503", "portal", "reset", "lose-reply"]
        for action in actions {
            try await Self.with { sandbox, subject in
                let session = try await subject.open(3)
                sandbox.add(try SandboxFault("any:*:\(action)"))
                var texts: [String] = []
                func note(_ body: () async throws -> Void) async {
                    do { try await body() } catch { texts += ["\(error)", String(reflecting: error)] }
                }
                await note { _ = try await subject.remote.table(subject.table) }
                await note { _ = try await subject.uploads() }
                await note { _ = try await subject.open(3) }
                await note { _ = try await subject.open(3, by: .tempUploads) }
                await note { _ = try await subject.send([1, 2, 3], to: session) }
                await note { _ = try await subject.status(session, 3) }
                await note { _ = try await subject.register(session, as: "a.csv") }
                #expect(texts.count >= 12)
                let address = try #require(WebAddress(session.url.revealed))
                for text in texts {
                    #expect(!text.contains("Bearer") && !text.contains(address.target) && !text.contains("http://"))
                }
            }
        }
    }
}
