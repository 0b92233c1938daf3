import Logging
import NIOHTTP1
import RedivisSandbox
import SyncCore
import SyncTestSupport
import Testing

@testable import RedivisAPI

extension RemoteContract: CustomTestStringConvertible {
    public var testDescription: String { name }
}

@Suite("The contract of a remote")
struct ContractTests {
    static let table = TableReference(
        owner: "demo", dataset: .init(name: "weather", id: nil), table: .init(name: "readings", id: nil))
    static let missing = TableReference(
        owner: "demo", dataset: .init(name: "weather", id: nil), table: .init(name: "nowhere", id: nil))

    @Test("is kept by the fake", arguments: RemoteContract.all)
    func fake(contract: RemoteContract) async throws {
        var switches = FakeRemote.Switches()
        switches.tablesOnDemand = false
        switches.pageSize = 3
        let fake = FakeRemote(switches)
        fake.addTable(TableKey("demo.weather:ab12.readings:9xyz"), spelled: [Self.table])
        try await contract.check(
            .init(remote: fake, table: Self.table, missingTable: Self.missing) { fake.release(Self.table) })
    }

    /// Answers to what nobody knows of the real server, each with its opposite somewhere.
    struct Reading: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let switches: [String]
        static let all = [
            Reading(testDescription: "the plain reading", switches: []),
            Reading(
                testDescription: "the other spellings",
                switches: [
                    "hash=base64", "size=string", "hash-when=at-once", "post-status=200", "error-format=nested",
                    "chunk-answer=override-200", "upload-uri=name", "uri-encoding=encoded", "released-write=404",
                    "second-version=existing",
                ]),
            Reading(
                testDescription: "the API's own origin keeps the bytes, and wants the token",
                switches: ["storage-origin=api", "storage-token=require", "post-status=201", "released-write=403"]),
            Reading(
                testDescription: "one PUT for all temp uploads, and no token at the storage host",
                switches: ["resumable-flag=false", "storage-token=refuse"]),
        ]
    }

    @Test(
        "is kept by the adapter, against the sandbox", .timeLimit(.minutes(2)), arguments: RemoteContract.all,
        Reading.all)
    func adapter(contract: RemoteContract, reading: Reading) async throws {
        var configuration = SandboxConfiguration()
        for text in reading.switches { try configuration.switches.apply(text) }
        configuration.strictTables = true
        configuration.datasets = ["demo.weather=draft"]
        configuration.pageSizeCap = 3
        try await withSandbox(configuration) { sandbox, origins in
            try await sandbox.createTable("demo.weather.readings")
            try await withRemote(origins.api) { remote in
                try await contract.check(
                    .init(remote: remote, table: Self.table, missingTable: Self.missing) {
                        let release = remote.apiAddress("/datasets/demo.weather%3Anext/versions/next/release")
                        let answer = try await remote.call(.POST, release, body: .json(Array("{}".utf8)))
                        try #require(answer.status < 300, "\(ServerWords(answer, secrets: []))")
                    })
            }
        }
    }
}

/// Runs `body` with an adapter and shuts it down, whatever happens.
func withRemote<Result>(
    _ api: String, patience: Patience = Patience(), token: String = "sandbox", sendTokenTo: [String] = [],
    certificateAuthorities: String? = nil, apiRate: RequestRate = .auto, proxies: ProxySettings = .none,
    _ body: (RedivisRemote) async throws -> Result
) async throws -> Result {
    let settings = RedivisRemote.Settings(
        api: api, sendTokenTo: sendTokenTo, certificateAuthorities: certificateAuthorities,
        apiRate: apiRate, proxies: proxies, version: "test", patience: patience)
    let remote = try RedivisRemote(
        settings, token: { Secret(token) }, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
        wallClock: { someTime })
    do {
        let result = try await body(remote)
        await remote.shutdown()
        return result
    } catch {
        await remote.shutdown()
        throw error
    }
}
