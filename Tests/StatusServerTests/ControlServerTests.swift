import FoundationEssentials
import Glibc
import StatusServer
import Synchronization
import SyncCore
import SystemPackage
import Testing

/// The socket's whole contract, held through real sockets.
@Suite(.timeLimit(.minutes(1))) struct ControlServerTests {
    private static func body(_ request: ControlRequest) throws -> [UInt8] { Array(try JSONEncoder().encode(request)) }

    private static func ask(_ request: ControlRequest, at socket: FilePath) async throws -> ControlAnswer {
        let answer = try #require(try await UnixHTTP.exchange(UnixHTTP.post(body(request)), at: socket))
        #expect(answer.status == 200)
        return try JSONDecoder().decode(ControlAnswer.self, from: Data(answer.body))
    }

    private static func expect(
        _ answer: ControlAnswer, to request: ControlRequest, at socket: FilePath,
        _ place: SourceLocation = #_sourceLocation
    ) async throws {
        let told = try await ask(request, at: socket)
        #expect(told == answer, sourceLocation: place)
    }

    private static func expectSilence(
        after bytes: [UInt8], at socket: FilePath, _ place: SourceLocation = #_sourceLocation
    ) async throws {
        let answer = try await UnixHTTP.exchange(bytes, at: socket)
        #expect(answer == nil, sourceLocation: place)
    }

    private static let requests: [ControlRequest] = [
        .retry(paths: [ControlPath(absolute: Array("/a/caf".utf8) + [0xE9, 0xFF], typed: [0xFF, 10])]), .retryAll,
        .forget(paths: []), .resolve(paths: [], decision: .ignore), .pause(mapping: MappingID("weather")),
        .pause(mapping: nil), .resume(mapping: MappingID("weather")), .acceptPlan(edit: "3f9c2a7d1e55"),
        .acceptPlan(edit: nil), .reload, .status,
    ]

    @Test func everyRequestArrivesAsItWasAndEveryAnswerComesBack() async throws {
        var status = AgentStatus(
            startedAt: Timestamp(milliseconds: 5), version: "1", processID: 7,
            mappingFile: .init(path: PathBytes([47, 0xFF]), problems: ["a:1:1: no; yes"]))
        status.mappings = [.init(id: try #require(MappingID("weather")), folder: PathBytes([47]), table: "a.b.c")]
        status.transfers = [.init(delivery: DeliveryID(3), path: PathBytes([1]), sent: 1, total: 2)]
        status.problems = [.init(.watcher, "few watches", remedy: "sysctl")]
        status.watcher = WatcherStatus(watches: 1)
        var outcome = ControlOutcome()
        outcome.change("a: queued")
        outcome.refuse("b: never seen")
        let answers: [ControlAnswer] = [
            .done(outcome), .status(status), .refused(.init(.unavailable, "not now", remedy: "later")),
        ]
        let agent = FakeAgent { request in answers[(Self.requests.firstIndex(of: request) ?? 0) % answers.count] }
        try await withServer(agent) { socket, _ in
            for (number, request) in Self.requests.enumerated() {
                try await Self.expect(answers[number % answers.count], to: request, at: socket)
            }
        }
        #expect(agent.asked == Self.requests)
    }

    @Test func theSocketIsForItsOwnerAlone() async throws {
        try await withServer { socket, _ in
            var status = stat()
            #expect(lstat(socket.string, &status) == 0)
            #expect(status.st_mode & S_IFMT == S_IFSOCK)
            #expect(status.st_mode & 0o777 == 0o600)
        }
    }

    @Test func theSocketIsGoneAfterwards() async throws {
        let place = try await withServer { socket, _ in socket }
        #expect(access(place.string, F_OK) != 0)
        #expect(access(place.removingLastComponent().appending("control.new").string, F_OK) != 0)
    }

    @Test func aStaleSocketOfADeadAgentIsReplaced() async throws {
        let directory = try TemporaryDirectory()
        let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = directory.path.appending("control.sock")
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.string.utf8)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(stale, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(bound == 0)
        close(stale)
        try await withServer(in: directory) { socket, _ in
            try await Self.expect(FakeAgent.refusal, to: .status, at: socket)
        }
    }

    @Test func aSecondServerIsRefusedAndDisturbsNothing() async throws {
        let directory = try TemporaryDirectory()
        try await withServer(in: directory) { socket, _ in
            await #expect(throws: Failure.self) {
                try await ControlServer(in: directory.path, control: FakeAgent()).run()
            }
            try await Self.expect(FakeAgent.refusal, to: .status, at: socket)
        }
    }

    @Test func aPathThatIsTooLongForASocketIsToldWithItsRemedy() async throws {
        let directory = FilePath("/tmp/" + String(repeating: "long", count: 30))
        let failure = await #expect(throws: Failure.self) {
            try await ControlServer(in: directory, control: FakeAgent()).run()
        }
        #expect(failure?.kind == .stateUnavailable)
        #expect(failure?.hint?.contains("at most 94 bytes") == true)
    }

    @Test(arguments: [
        (UnixHTTP.post([], to: "/elsewhere"), 404), (UnixHTTP.post([], method: "GET"), 405),
        (UnixHTTP.post(Array("nonsense".utf8)), 400), (UnixHTTP.post(Array(#"{"fly":{}}"#.utf8)), 400),
        (UnixHTTP.post(Array(#"{"forget":{"paths":[{"absolute":"%","typed":""}]}}"#.utf8)), 400),
        (UnixHTTP.post([UInt8](repeating: 32, count: 5000)), 413),
    ])
    func whatIsNoRequestIsRefusedInWords(_ bytes: [UInt8], _ status: Int) async throws {
        let agent = FakeAgent()
        var limits = ControlServer.Limits()
        limits.body = 4096
        try await withServer(agent, limits: limits) { socket, _ in
            let answer = try #require(try await UnixHTTP.exchange(bytes, at: socket))
            #expect(answer.status == status)
            let told = try JSONDecoder().decode(ControlAnswer.self, from: Data(answer.body))
            guard case .refused(let refusal) = told else { return #expect(Bool(false), "\(told)") }
            #expect(refusal.kind == .wrongRequest)
            #expect(!refusal.words.isEmpty)
        }
        #expect(agent.asked.isEmpty)
    }

    @Test func aBodyWithoutEndIsCutOff() async throws {
        var limits = ControlServer.Limits()
        limits.body = 4096
        limits.time = .milliseconds(300)
        try await withServer(limits: limits) { socket, _ in
            // Says that a gigabyte comes, and sends none of it.
            let head = "POST /v1/control HTTP/1.1\r\nHost: agent\r\nContent-Length: 1000000000\r\n\r\n"
            try await Self.expectSilence(after: Array(head.utf8), at: socket)
            try await Self.expect(FakeAgent.refusal, to: .status, at: socket)
        }
    }

    @Test func aConnectionOnWhichNothingComesIsClosed() async throws {
        var limits = ControlServer.Limits()
        limits.time = .milliseconds(300)
        try await withServer(limits: limits) { socket, _ in
            try await Self.expectSilence(after: [], at: socket)
            try await Self.expectSilence(after: Array("POST /v1/con".utf8), at: socket)
        }
    }

    @Test func anAgentThatTakesTooLongIsToldToBeAtIt() async throws {
        var limits = ControlServer.Limits()
        limits.patience = .milliseconds(200)
        let agent = FakeAgent { _ in
            try? await Task.sleep(for: .seconds(60))
            return FakeAgent.refusal
        }
        try await withServer(agent, limits: limits) { socket, _ in
            guard case .refused(let refusal) = try await Self.ask(.status, at: socket) else {
                return #expect(Bool(false), "an answer")
            }
            #expect(refusal.kind == .unavailable)
            #expect(refusal.words.contains("still at it"))
        }
    }

    @Test func anotherUserIsCutOffBeforeAWord() async throws {
        let agent = FakeAgent()
        // For root everybody is another user only as far as the rule goes, so the rule is asked about this process.
        try await withServer(agent, owner: geteuid() &+ 1) { socket, _ in
            let answer = try await UnixHTTP.exchange(UnixHTTP.post(Self.body(.status)), at: socket)
            #expect((answer == nil) == (geteuid() != 0))
        }
        #expect(agent.asked.isEmpty == (geteuid() != 0))
    }

    @Test func itEndsPromptlyWithConnectionsOpenAndARequestUnderWay() async throws {
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let agent = FakeAgent { _ in
            begin.yield()
            // Not one that a cancellation ends.
            await withCheckedContinuation { continuation in
                Task.detached {
                    try? await Task.sleep(for: .seconds(20))
                    continuation.resume()
                }
            }
            return FakeAgent.refusal
        }
        let clock = ContinuousClock()
        let held = Mutex<[Int32]>([])
        let cancelled = try await withServer(agent) { socket, _ in
            // One that says nothing, one in the middle of a request, one that waits for its answer.
            for bytes in [[], Array("POST /v1".utf8), UnixHTTP.post(try Self.body(.status))] {
                let descriptor = try UnixHTTP.connected(to: socket)
                UnixHTTP.write(bytes, descriptor)
                held.withLock { $0.append(descriptor) }
            }
            for await _ in begun { break }
            return clock.now
        }
        #expect(clock.now - cancelled < .seconds(5))
        held.withLock { $0.forEach { close($0) } }
    }

    /// Connections that come in the very instant that the server ends, again and again.
    @Test func itEndsInOrderWheneverSomebodyConnects() async throws {
        let directory = try TemporaryDirectory()
        for _ in 0..<100 {
            let held = Mutex<[Int32]>([])
            try await withServer(in: directory) { socket, _ in
                for _ in 0..<3 {
                    let descriptor = try UnixHTTP.connected(to: socket)
                    held.withLock { $0.append(descriptor) }
                }
            }
            held.withLock { $0.forEach { close($0) } }
        }
    }
}
