import Glibc
import StatusServer
import Synchronization
import SyncCore
import SystemPackage

/// Answers as a test says, and remembers what it was asked.
final class FakeAgent: AgentControl {
    static let refusal = ControlAnswer.refused(.init(.unavailable, "a test's agent"))

    private let requests = Mutex<[ControlRequest]>([])
    private let respond: @Sendable (ControlRequest) async -> ControlAnswer

    init(respond: @escaping @Sendable (ControlRequest) async -> ControlAnswer = { _ in FakeAgent.refusal }) {
        self.respond = respond
    }

    var asked: [ControlRequest] { requests.withLock { $0 } }

    func answer(to request: ControlRequest) async -> ControlAnswer {
        requests.withLock { $0.append(request) }
        return await respond(request)
    }
}

/// Removed with its content when it is let go.
final class TemporaryDirectory: Sendable {
    let path: FilePath

    init() throws {
        // Short: a socket's path has room for 107 bytes.
        var template = Array("/tmp/control-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw UnixHTTP.Trouble(description: "mkdtemp: \(errno)") }
        path = FilePath(String(cString: made))
    }

    deinit {
        for name in ["control.sock", "control.new"] { unlink(path.appending(name).string) }
        rmdir(path.string)
    }
}

/// Runs a server for the length of `body`, and returns when it has ended.
func withServer<Result: Sendable>(
    _ agent: FakeAgent = FakeAgent(), in directory: TemporaryDirectory? = nil,
    limits: ControlServer.Limits = ControlServer.Limits(), owner: UInt32 = geteuid(),
    _ body: @escaping @Sendable (FilePath, TemporaryDirectory) async throws -> Result
) async throws -> Result {
    let directory = try directory ?? TemporaryDirectory()
    let server = ControlServer(in: directory.path, control: agent, limits: limits, owner: owner)
    let (listening, announce) = AsyncStream.makeStream(of: Void.self)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { announce.finish() }
            try await server.run { announce.yield() }
        }
        guard await listening.first(where: { true }) != nil else {
            try await group.next()
            throw UnixHTTP.Trouble(description: "the server ended before it listened")
        }
        let result = try await body(directory.path.appending(ControlWire.socketName), directory)
        group.cancelAll()
        try await group.waitForAll()
        return result
    }
}
