// Foundation only for Thread.
import Foundation
import Glibc

/// An HTTP/1.1 client on bare sockets: it sends what a test says, well-formed or not, and mends nothing.
enum RawHTTP {
    struct Request: Sendable {
        var port: UInt16
        var head: [UInt8]
        var body: [UInt8] = []
        /// Sends only so many bytes of the body, then closes the connection.
        var cut: Int?
    }

    struct Response: Sendable {
        var status: Int
        var headers: [(name: String, value: String)]
        var body: [UInt8]
        /// Statuses of informational answers that came first.
        var informational: [Int] = []

        func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Nil where the connection ended without an answer.
    static func send(_ request: Request) async throws -> Response? {
        try await withCheckedThrowingContinuation { continuation in
            // A thread of its own: blocked ones must not count against the pools on which the sandbox runs here too.
            Thread.detachNewThread { continuation.resume(with: Swift.Result { try exchange(request) }) }
        }
    }

    /// A connection on which bytes were sent and nothing is read; the caller closes it.
    static func hold(port: UInt16, _ bytes: [UInt8]) throws -> Int32 {
        let descriptor = try open(port)
        _ = write(bytes, descriptor)
        return descriptor
    }

    private static func exchange(_ request: Request) throws -> Response? {
        let descriptor = try open(request.port)
        defer { close(descriptor) }
        let body = request.cut.map { Array(request.body.prefix($0)) } ?? request.body
        // An early answer may close the connection under the body; the answer is what counts then.
        _ = write(request.head, descriptor) && write(body, descriptor)
        if request.cut != nil { return nil }
        return try read(descriptor, isHead: request.head.starts(with: "HEAD ".utf8))
    }

    private static func open(_ port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "socket: \(errno)") }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            close(descriptor)
            throw Failure(description: "connect to port \(port): \(errno)")
        }
        return descriptor
    }

    private static func write(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            done += count
        }
        return true
    }

    private static func read(_ descriptor: Int32, isHead: Bool) throws -> Response? {
        var received: [UInt8] = []
        var informational: [Int] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        func more() throws -> Bool {
            let count = recv(descriptor, &block, block.count, 0)
            if count < 0, errno == EAGAIN { throw Failure(description: "no answer within 20 seconds") }
            if count <= 0 { return false }
            received += block[..<count]
            return true
        }
        while true {
            var end = endOfHead(received)
            while end == nil {
                guard try more() else { return nil }
                end = endOfHead(received)
            }
            var response = try parse(received[..<(end ?? 0)])
            received.removeFirst((end ?? 0) + 4)
            if (100..<200).contains(response.status) {
                informational.append(response.status)
                continue
            }
            let length = isHead ? 0 : response.header("Content-Length").flatMap { Int($0) } ?? 0
            while received.count < length { guard try more() else { return nil } }
            response.body = Array(received.prefix(length))
            response.informational = informational
            return response
        }
    }

    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        let blankLine = Array("\r\n\r\n".utf8)
        return (0...(bytes.count - 4)).first { bytes[$0..<$0 + 4].elementsEqual(blankLine) }
    }

    private static func parse(_ head: ArraySlice<UInt8>) throws -> Response {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
            throw Failure(description: "not a status line: \(lines.first ?? "")")
        }
        let headers = lines.dropFirst().compactMap { line -> (name: String, value: String)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (String(line[..<colon]), String(line[line.index(after: colon)...].drop { $0 == " " }))
        }
        return Response(status: status, headers: headers, body: [])
    }
}
