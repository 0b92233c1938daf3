// Foundation only for Thread.
import Foundation
import Glibc
import SystemPackage

/// An HTTP/1.1 client on a bare Unix socket: it sends what a test says, and mends nothing.
enum UnixHTTP {
    struct Answer: Hashable, Sendable {
        var status: Int
        var body: [UInt8]
    }

    struct Trouble: Error, CustomStringConvertible {
        var description: String
    }

    static func post(_ body: [UInt8], to path: String = "/v1/control", method: String = "POST") -> [UInt8] {
        Array(
            "\(method) \(path) HTTP/1.1\r\nHost: agent\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
                .utf8) + body
    }

    /// Nil where the connection ended without an answer.
    static func exchange(_ bytes: [UInt8], at socket: FilePath) async throws -> Answer? {
        try await withCheckedThrowingContinuation { continuation in
            // A thread of its own: blocked ones must not count against the pool on which the server runs here too.
            Thread.detachNewThread {
                continuation.resume(
                    with: Swift.Result {
                        let descriptor = try connected(to: socket)
                        defer { close(descriptor) }
                        write(bytes, descriptor)
                        return answer(in: readAll(descriptor))
                    })
            }
        }
    }

    static func connected(to path: FilePath) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Trouble(description: "socket: \(errno)") }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.string.utf8)) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            let reason = errno
            close(descriptor)
            throw Trouble(description: "connect to \(path): \(reason)")
        }
        return descriptor
    }

    /// A server that has had enough may close in the middle of it.
    static func write(_ bytes: [UInt8], _ descriptor: Int32) {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            done += count
        }
    }

    static func readAll(_ descriptor: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        var slice = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &slice, slice.count, 0)
            if count <= 0 { return bytes }
            bytes += slice.prefix(count)
        }
    }

    private static func answer(in bytes: [UInt8]) -> Answer? {
        let end = Array("\r\n\r\n".utf8)
        guard let head = bytes.firstRange(of: end) else { return nil }
        let line = String(decoding: bytes.prefix { $0 != 13 }, as: UTF8.self).split(separator: " ")
        guard line.count >= 2, let status = Int(line[1]) else { return nil }
        return Answer(status: status, body: Array(bytes[head.upperBound...]))
    }
}
