import FoundationEssentials
import Glibc
import Testing

@testable import RedivisSandbox

/// What a transcript cannot show: the clock, two connections at one session, holes on the disk.
@Suite struct SessionTests {
    private static let day: Int64 = 24 * 3_600_000

    private func session(size: Int64, path: String?) -> ResumableSession {
        ResumableSession(id: "s-1", uploadID: "r-1", size: size, created: 1000, path: path)
    }

    @Test func expiresAfterADayByTheWallClock() throws {
        let session = session(size: 10, path: nil)
        _ = try session.open(.query(total: 10), bodyLength: 0, now: 1000 + Self.day)
        let failure = #expect(throws: StorageFailure.self) {
            try session.open(.query(total: 10), bodyLength: 0, now: 1001 + Self.day)
        }
        #expect(failure?.status == 404)
    }

    @Test func aLaterRequestTakesTheSessionOver() throws {
        let directory = try TemporaryDirectory()
        let session = session(size: 1_048_576, path: directory.path + "/object")
        let range = ContentRange.bytes(first: 0, last: 1_048_575, total: 1_048_576)
        guard case .receive(let old) = try session.open(range, bodyLength: 1_048_576, now: 1000) else {
            Issue.record("the body is not received")
            return
        }
        let piece = Pattern.bytes(0...299_999)
        #expect(try piece.withUnsafeBytes { try session.append($0, to: old) })
        guard case .answer(let standing) = try session.open(.query(total: 1_048_576), bodyLength: 0, now: 1000) else {
            Issue.record("a question is answered")
            return
        }
        #expect(standing == .incomplete(stored: 262_144))
        // What the old connection still delivers changes nothing any more.
        #expect(try !piece.withUnsafeBytes { try session.append($0, to: old) })
        #expect(try session.end(old, isComplete: true, closesAtTotal: true) == .superseded)
        #expect(session.stored == 262_144)
        let rest = ContentRange.bytes(first: 262_144, last: 1_048_575, total: 1_048_576)
        guard case .receive(let new) = try session.open(rest, bodyLength: 786_432, now: 1000) else {
            Issue.record("the rest is not received")
            return
        }
        #expect(try Pattern.bytes(262_144...1_048_575).withUnsafeBytes { try session.append($0, to: new) })
        _ = try session.end(new, isComplete: true, closesAtTotal: true)
        #expect(try Files.read(directory.path + "/object") == Pattern.bytes(0...1_048_575))
    }

    @Test func zerosCostNoDisk() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/object"
        let size: Int64 = 64 << 20
        var writer = ObjectWriter(path: path)
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        for _ in 0..<63 { try zeros.withUnsafeBytes { try writer.append($0) } }
        try Pattern.bytes(0...1_048_575).withUnsafeBytes { try writer.append($0) }
        try writer.settle(at: size)
        let md5 = try writer.finish()
        var status = stat()
        #expect(stat(path, &status) == 0 && Int64(status.st_size) == size)
        #expect(Int64(status.st_blocks) * 512 < 4 << 20)
        // The same bytes read back from the holes have the same digest.
        var reader = ObjectWriter(path: path, written: size)
        #expect(try reader.finish() == md5)
    }
}

@Suite struct SandboxLifeTests {
    @Test func aDirectoryHasOneSandbox() async throws {
        let directory = try TemporaryDirectory()
        var configuration = SandboxConfiguration()
        configuration.directory = directory.path
        let same = configuration
        try await withSandbox(same) { _, _ in
            _ = await #expect(throws: SandboxStartError.self) { try await withSandbox(same) { _, _ in } }
        }
        // Free again once the first has ended.
        try await withSandbox(configuration) { _, _ in }
    }

    @Test func aTakenPortIsSaid() async throws {
        try await withSandbox { _, origins in
            var configuration = SandboxConfiguration()
            configuration.port = Int(origins.api.dropFirst(17).prefix { $0 != "/" }) ?? 0
            let second = configuration
            let error = await #expect(throws: SandboxStartError.self) { try await withSandbox(second) { _, _ in } }
            #expect(error?.description.contains("port \(second.port)") == true)
        }
    }

    @Test func aTemporaryDirectoryGoesWithIt() async throws {
        let path = try await withSandbox { sandbox, _ in
            #expect(Files.size(sandbox.directoryPath + "/log.jsonl") != nil)
            return sandbox.directoryPath
        }
        #expect(Files.size(path) == nil)
    }

    /// Idle, inside a body, and waiting for an answer that a fault holds back: none of them keeps it from ending.
    @Test(.timeLimit(.minutes(1))) func endsWithConnectionsOpen() async throws {
        var configuration = SandboxConfiguration()
        configuration.faults = [try SandboxFault("get-table:1:delay=600000")]
        let held = try await withSandbox(configuration) { sandbox, origins in
            let port = UInt16(origins.api.dropFirst(17).prefix { $0 != "/" }) ?? 0
            let head = "/api/v1/tables/demo.weather.readings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sandbox\r\n"
            let held = try [
                "", "GET \(head)\r\n",
                "POST \(head.replacing(" HTTP", with: "/uploads?name=a HTTP"))Content-Length: 9\r\n\r\nhalf",
            ].map { try RawHTTP.hold(port: port, Array($0.utf8)) }
            while sandbox.firedFaults.first?.count == 0 { try await Task.sleep(for: .milliseconds(5)) }
            return held
        }
        for descriptor in held { close(descriptor) }
    }

    @Test func countsAndRegistrationsCanBeAskedFor() async throws {
        try await withSandbox { sandbox, origins in
            let port = UInt16(origins.api.dropFirst(17).prefix { $0 != "/" }) ?? 0
            let head =
                "POST /api/v1/tables/demo.weather.readings/uploads?name=a.csv HTTP/1.1\r\nHost: x\r\n"
                + "Authorization: Bearer sandbox\r\nContent-Length: 5\r\n\r\n"
            let answer = try await RawHTTP.send(.init(port: port, head: Array(head.utf8), body: Array("hello".utf8)))
            #expect(answer?.status == 201)
            #expect(sandbox.requestCount(.postUploads) == 1)
            let found = await sandbox.registrations()
            #expect(found.map(\.name) == ["a.csv"] && found.first?.md5 == "5d41402abc4b2a76b9719d911017c592")
        }
    }
}
