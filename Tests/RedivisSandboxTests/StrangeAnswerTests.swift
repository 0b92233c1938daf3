// Foundation only for Thread.
import Foundation
import Glibc
import Testing

@testable import RedivisSandbox

/// What a well-behaved client of HTTP cannot show: bytes as they come, or do not come, on a real socket.
@Suite struct StrangeAnswerTests {
    private static let request =
        "GET /api/v1/tables/demo.weather.readings HTTP/1.1\r\nHost: x\r\n"
        + "Authorization: Bearer sandbox\r\n\r\n"

    /// Plays one request against a sandbox with one fault; `body` gets the connection.
    private func meet(
        _ fault: String, _ request: String = request, _ body: @escaping @Sendable (Int32) throws -> Void
    ) async throws -> [FaultHit] {
        var configuration = SandboxConfiguration()
        configuration.faults = [try SandboxFault(fault)]
        return try await withSandbox(configuration) { sandbox, origins in
            let port = origins.api.split(separator: ":").last?.prefix { $0.isNumber } ?? ""
            let descriptor = try RawHTTP.hold(port: try #require(UInt16(port)), Array(request.utf8))
            defer { close(descriptor) }
            // A thread of its own: a blocked one must not count against the pools on which the sandbox runs here too.
            try await withCheckedThrowingContinuation { continuation in
                Thread.detachNewThread { continuation.resume(with: Swift.Result { try body(descriptor) }) }
            }
            return sandbox.hits
        }
    }

    /// At most `limit` bytes, until the end or until nothing comes for a while.
    private static func read(_ descriptor: Int32, limit: Int, patience: Int32 = 5000) -> (bytes: [UInt8], ended: Bool) {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < limit {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, patience) == 1 else { return (bytes, false) }
            let count = recv(descriptor, &block, min(block.count, limit - bytes.count), 0)
            guard count > 0 else { return (bytes, true) }
            bytes += block[..<count]
        }
        return (bytes, false)
    }

    @Test func headersWithoutAnEnd() async throws {
        let hits = try await meet("get-table:1:endless-headers") { descriptor in
            let (bytes, ended) = Self.read(descriptor, limit: 3_000_000)
            #expect(bytes.count == 3_000_000 && !ended)
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 200 OK\r\nX-Filling-0: xxx"))
            #expect(!text.contains("\r\n\r\n"))
        }
        #expect(hits == [FaultHit(fault: "endless-headers", request: .getTable, times: 1)])
    }

    @Test func aBodyWithoutAnEnd() async throws {
        _ = try await meet("get-table:1:endless-body") { descriptor in
            let (bytes, ended) = Self.read(descriptor, limit: 8_000_000)
            #expect(bytes.count == 8_000_000 && !ended)
            #expect(String(decoding: bytes.prefix(200), as: UTF8.self).contains("Transfer-Encoding: chunked"))
        }
    }

    @Test func anAnswerByteByByte() async throws {
        _ = try await meet("get-table:1:trickle=60") { descriptor in
            // Whoever sends at once fills a read at once.
            let (bytes, ended) = Self.read(descriptor, limit: 100, patience: 30)
            #expect(bytes.count < 3 && !ended)
            let (more, _) = Self.read(descriptor, limit: 10)
            #expect(String(decoding: bytes + more, as: UTF8.self).hasPrefix("HTTP/1.1 "))
        }
    }

    @Test func nothingIsReadAndNothingAnswered() async throws {
        let head =
            "POST /api/v1/tables/demo.weather.readings/uploads?name=a HTTP/1.1\r\nHost: x\r\n"
            + "Authorization: Bearer sandbox\r\nContent-Length: 90000000\r\n\r\n"
        _ = try await meet("post-uploads:1:never-read=1500", head) { descriptor in
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            let block = [UInt8](repeating: 0x61, count: 1 << 20)
            var sent = 0
            // The kernel's buffers take some; then it stands still.
            for _ in 0..<40 {
                let count = send(descriptor, block, block.count, Int32(MSG_NOSIGNAL))
                if count > 0 { sent += count }
                usleep(10_000)
            }
            #expect(sent < 20 << 20)
            #expect(Self.read(descriptor, limit: 1).bytes.isEmpty)
        }
    }

    @Test func whoIsNotAnsweredHangsUpWhenHeLikes() async throws {
        for fault in ["never-answer", "never-read", "trickle=60000", "endless-body", "endless-headers"] {
            let begun = ContinuousClock.now
            _ = try await meet("get-table:1:\(fault)") { descriptor in
                let (bytes, ended) = Self.read(descriptor, limit: 1, patience: 200)
                #expect(!ended && (bytes.isEmpty || fault.hasPrefix("endless")))
            }
            // The sandbox stops at once, also in the midst of these.
            #expect(ContinuousClock.now - begun < .seconds(15), "\(fault)")
        }
    }

    @Test func theCountsOutliveTheSandbox() async throws {
        let directory = try TemporaryDirectory()
        for turn in 1...2 {
            var configuration = SandboxConfiguration()
            configuration.directory = directory.path
            configuration.faults = [try SandboxFault("get-table:1-2:503,retry-after={date+9}")]
            try await withSandbox(configuration) { sandbox, origins in
                let port = try #require(UInt16(origins.api.split(separator: ":").last?.prefix { $0.isNumber } ?? ""))
                for _ in 1...3 {
                    _ = try await RawHTTP.send(RawHTTP.Request(port: port, head: Array(Self.request.utf8)))
                }
                #expect(sandbox.hits.map(\.times) == [2 * turn])
            }
            let json = try JSONParser.parse(try #require(try Files.read(directory.path + "/faults.json")))
            let rows: JSON = [
                ["fault": "503,retry-after: date", "class": "get-table", "times": .integer(Int64(2 * turn))]
            ]
            #expect(json["hits"] == rows && json["chaos"]?.isNull == true)
        }
    }
}

@Suite struct RetryAfterTextTests {
    @Test(arguments: [
        ("7", "7", "seconds"), ("-5", "-5", "negative"), ("soon", "soon", "other"),
        ("{date+5}", "Thu, 01 Jan 1970 00:02:05 GMT", "date"),
        ("{epoch+5}", "125", "epoch"), ("1000000000000000", "1000000000000000", "absurd"),
        ("{date+x}", "{date+x}", "date"),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", "date"),
    ]) func saysWhenToComeBack(_ text: String, _ sent: String, _ form: String) {
        #expect(RetryAfterText.expanded(text, now: 120_500) == sent)
        #expect(RetryAfterText.form(of: text) == form)
    }

    @Test func aDateOfOurTime() {
        #expect(RetryAfterText.expanded("{date+0}", now: 1_445_412_480_000) == "Wed, 21 Oct 2015 07:28:00 GMT")
    }
}
