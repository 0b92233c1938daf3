import SyncCore
import SyncTestSupport
import Synchronization
import Testing

@testable import RedivisAPI

/// Short enough for a test, long enough for a busy machine.
private let shortPatience: Patience = {
    var patience = Patience()
    patience.connect = .seconds(5)
    patience.stall = .seconds(2)
    patience.wholeAnswer = .seconds(3)
    return patience
}()

@Suite("T-24: a transfer on the wire", .serialized, .timeLimit(.minutes(2)))
struct TransferWireTests {
    static func session(_ port: Int, transport: UploadSession.Transport = .resumable) -> UploadSession {
        UploadSession(
            endpoint: .resumableUpload, transport: transport, uploadID: "u1",
            url: Secret("http://127.0.0.1:\(port)/up%2Fload?upload_id=SECRETSECRET"), openedAt: someTime,
            openedAtServer: nil)
    }

    static func send(
        _ count: Int, slice: Int = 1 << 20, total: Int64? = nil, from first: Int64 = 0,
        transport: UploadSession.Transport = .resumable, then failure: Failure? = nil, bytes: Int? = nil,
        patience: Patience = Patience(),
        to script: @escaping @Sendable (inout RawServer.Connection) async throws -> Void
    ) async throws -> (Result<TransferReply, Failure>, [RawServer.Request]) {
        try await RawServer.serve(script) { server, port in
            try await withRemote("http://127.0.0.1:1/api", patience: patience) { remote in
                let slices = SourceSlices([UInt8](repeating: 7, count: bytes ?? count), slice: slice, then: failure)
                let session = session(port, transport: transport)
                do throws(Failure) {
                    let answer = try await remote.send(
                        slices, range: first..<(first + Int64(count)), total: total ?? Int64(count), to: session)
                    return (.success(answer.reply), server.requests)
                } catch {
                    #expect(!error.description.contains("SECRETSECRET"))
                    #expect(!error.description.contains("upload_id"))
                    return (.failure(error), server.requests)
                }
            }
        }
    }

    @Test("a chunk has its range, its length, no token, and all its bytes")
    func chunk() async throws {
        let received = Mutex(0)
        let (reply, requests) = try await Self.send(600_000, slice: 250_001, total: 2_000_000, from: 524_288) {
            connection in
            let head = try await connection.head()
            let body = try await connection.body(head.bodyLength)
            received.withLock { $0 = body.count }
            try await connection.answer("308 Resume Incomplete", ["Range: bytes=0-1124287"])
        }
        #expect(reply == .success(.stored(1_124_288)))
        #expect(received.withLock { $0 } == 600_000)
        let request = try #require(requests.first)
        #expect(request.method == "PUT")
        #expect(request.target == "/up%2Fload?upload_id=SECRETSECRET")
        #expect(request.fields["content-range"] == "bytes 524288-1124287/2000000")
        #expect(request.fields["content-length"] == "600000")
        #expect(request.fields["user-agent"] == "redivis-sync/test")
        #expect(request.fields["authorization"] == nil)
        #expect(request.fields["transfer-encoding"] == nil)
        #expect(request.fields["expect"] == nil)
    }

    @Test("a status query is empty, with a length of 0")
    func status() async throws {
        try await RawServer.serve { connection in
            _ = try await connection.head()
            try await connection.answer("308 Resume Incomplete")
        } _: { server, port in
            try await withRemote("http://127.0.0.1:1/api") { remote in
                let answer = try await remote.status(of: Self.session(port), total: 5_000_000_000)
                #expect(answer.reply == .stored(nil))
            }
            #expect(server.requests.first?.fields["content-range"] == "bytes */5000000000")
            #expect(server.requests.first?.fields["content-length"] == "0")
        }
    }

    @Test(
        "an answer that comes before the body is whole is taken, and sending stops",
        arguments: [
            ("503 Service Unavailable", [String](), Failure.Kind.transient), ("404 Not Found", [], .sessionLost),
            ("403 Forbidden", ["Connection: close"], .sessionRefused), ("400 Bad Request", [], .rejected),
        ])
    func early(status: String, fields: [String], kind: Failure.Kind) async throws {
        let (reply, requests) = try await Self.send(64 << 20) { connection in
            _ = try await connection.head()
            _ = try await connection.body(300_000)
            try await connection.answer(status, fields)
            if fields.isEmpty { try await connection.silence() }
        }
        guard case .failure(let failure) = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(failure.kind == kind)
        #expect(requests.count == 1)
    }

    @Test("an early 308 and an early 200 are taken too")
    func earlySuccess() async throws {
        let (partial, _) = try await Self.send(64 << 20) { connection in
            _ = try await connection.head()
            _ = try await connection.body(300_000)
            try await connection.answer("308 Resume Incomplete", ["Range: bytes=0-262143"])
            try await connection.silence()
        }
        #expect(partial == .success(.stored(262_144)))
        let (finished, _) = try await Self.send(64 << 20) { connection in
            _ = try await connection.head()
            _ = try await connection.body(300_000)
            try await connection.answer("200 OK", ["x-goog-stored-content-length: 5"])
            try await connection.silence()
        }
        #expect(finished == .success(.finished(size: 5, md5: nil)))
    }

    @Test("one PUT of all that is answered before all was sent is not finished")
    func earlyWhole() async throws {
        let (reply, _) = try await Self.send(64 << 20, transport: .whole) { connection in
            _ = try await connection.head()
            _ = try await connection.body(300_000)
            try await connection.answer("200 OK")
            try await connection.silence()
        }
        #expect(throws: Failure.self) { try reply.get() }
        let (whole, requests) = try await Self.send(300_000, transport: .whole) { connection in
            let head = try await connection.head()
            _ = try await connection.body(head.bodyLength)
            try await connection.answer("200 OK")
        }
        #expect(whole == .success(.finished(size: 300_000, md5: nil)))
        #expect(requests.first?.fields["content-range"] == nil)
    }

    enum Breach: CaseIterable, Sendable {
        case resetAtOnce, closeAtOnce, resetInBody, closeInBody, resetAfterBody, closeAfterBody, nonsense, halfHead
        case silentAtOnce, silentAfterBody, oneByteAMinute
    }

    @Test("a broken or silent connection is transient, and nothing is sent twice", arguments: Breach.allCases)
    func broken(breach: Breach) async throws {
        let (reply, requests) = try await Self.send(32 << 20, patience: shortPatience) { connection in
            switch breach {
            case .silentAtOnce: try await connection.silence()
            case .resetAtOnce: try await connection.reset()
            case .closeAtOnce: return
            case .resetInBody, .closeInBody, .resetAfterBody, .closeAfterBody, .nonsense, .halfHead, .silentAfterBody,
                .oneByteAMinute:
                break
            }
            let head = try await connection.head()
            switch breach {
            case .resetInBody:
                _ = try await connection.body(300_000)
                try await connection.reset()
            case .closeInBody: _ = try await connection.body(300_000)
            case .resetAfterBody:
                _ = try await connection.body(head.bodyLength)
                try await connection.reset()
            case .closeAfterBody: _ = try await connection.body(head.bodyLength)
            case .nonsense:
                _ = try await connection.body(head.bodyLength)
                try await connection.write("SMTP ready\r\n\r\n")
            case .halfHead:
                _ = try await connection.body(head.bodyLength)
                try await connection.write("HTTP/1.1 200 OK\r\nContent-Le")
            case .silentAfterBody:
                _ = try await connection.body(head.bodyLength)
                try await connection.silence()
            case .oneByteAMinute:
                _ = try await connection.body(head.bodyLength)
                try await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                while true {
                    try await connection.write("x")
                    try await Task.sleep(for: .milliseconds(300))
                }
            case .silentAtOnce, .resetAtOnce, .closeAtOnce: break
            }
        }
        guard case .failure(let failure) = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(failure.kind == .transient)
        #expect(requests.count <= 1)
    }

    @Test("a server that takes bytes slowly is not cut off")
    func slow() async throws {
        let (reply, _) = try await Self.send(8 << 20, patience: shortPatience) { connection in
            let head = try await connection.head()
            // In all more than three times the time-out, never longer than half of it without a byte.
            for _ in 0..<16 {
                _ = try await connection.body(head.bodyLength / 16)
                try await Task.sleep(for: .milliseconds(400))
            }
            try await connection.answer("200 OK")
        }
        #expect(reply == .success(.finished(size: nil, md5: nil)))
    }

    @Test("a source that fails comes out as its own failure, and is not read on")
    func source() async throws {
        let own = Failure(.sourceGone, "the file is gone")
        let (reply, _) = try await Self.send(4 << 20, then: own, bytes: 1 << 20) { connection in
            let head = try await connection.head()
            _ = try await connection.body(head.bodyLength)
        }
        #expect(reply == .failure(own))
    }

    @Test("a source with too few or too many bytes is unreadable", arguments: [1 << 20, 3 << 20])
    func sourceLength(count: Int) async throws {
        let (reply, _) = try await Self.send(2 << 20, bytes: count) { connection in
            let head = try await connection.head()
            _ = try await connection.body(head.bodyLength)
            try await connection.silence()
        }
        guard case .failure(let failure) = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(failure.kind == .unreadable)
    }

    @Test("the source is at rest when sending has ended")
    func rest() async throws {
        let reading = Mutex((now: 0, sinceReturn: 0, hasReturned: false))
        try await RawServer.serve { connection in
            _ = try await connection.head()
            _ = try await connection.body(100_000)
            try await connection.answer("503 Service Unavailable")
            try await connection.silence()
        } _: { _, port in
            try await withRemote("http://127.0.0.1:1/api") { remote in
                let slices = SourceSlices {
                    SourceSlices.AsyncIterator {
                        reading.withLock { state in
                            state.now += 1
                            if state.hasReturned { state.sinceReturn += 1 }
                        }
                        // A slow disk that does not hear of cancellation.
                        await Task.detached { try? await Task.sleep(for: .milliseconds(100)) }.value
                        reading.withLock { $0.now -= 1 }
                        return [UInt8](repeating: 1, count: 200_000)
                    }
                }
                await #expect(throws: Failure.self) {
                    try await remote.send(slices, range: 0..<(64 << 20), total: 64 << 20, to: Self.session(port))
                }
                let now = reading.withLock { state in
                    state.hasReturned = true
                    return state.now
                }
                #expect(now == 0)
                try await Task.sleep(for: .milliseconds(300))
            }
        }
        #expect(reading.withLock(\.sinceReturn) == 0)
    }

    @Test("cancelling ends a transfer soon")
    func cancellation() async throws {
        try await RawServer.serve { connection in
            _ = try await connection.head()
            try await connection.silence()
        } _: { _, port in
            try await withRemote("http://127.0.0.1:1/api") { remote in
                let sending = Task {
                    try await remote.send(
                        SourceSlices([UInt8](repeating: 7, count: 64 << 20)), range: 0..<(64 << 20), total: 64 << 20,
                        to: Self.session(port))
                }
                try await Task.sleep(for: .milliseconds(200))
                let began = ContinuousClock.now
                sending.cancel()
                await #expect(throws: Failure.self) { try await sending.value }
                #expect(ContinuousClock.now - began < .seconds(5))
            }
        }
    }
}
