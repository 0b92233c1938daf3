import Glibc
import SyncCore
import SystemPackage

/// `receipts.jsonl`: appended to, line by line, and synced.
struct ReceiptFile: ~Copyable {
    let path: FilePath
    private let descriptor: FileDescriptor

    init(_ path: FilePath) throws(Failure) {
        self.path = path
        do {
            descriptor = try FileDescriptor.open(
                path, .readWrite, options: [.create, .append, .closeOnExec], permissions: .ownerReadWrite)
        } catch {
            throw Self.failure(path, "open", error)
        }
    }

    deinit {
        try? descriptor.close()
    }

    /// Appends and returns when the bytes are on disk (`man 2 fdatasync`).
    func append(_ bytes: [UInt8]) throws(Failure) {
        do {
            try descriptor.writeAll(bytes)
        } catch {
            throw Self.failure(path, "write to", error)
        }
        guard fdatasync(descriptor.rawValue) == 0 else {
            throw Self.failure(path, "sync", Errno(rawValue: errno))
        }
    }

    /// Cuts off what follows the last newline: a line that a crash tore.
    func cutTornLine() throws(Failure) {
        do {
            let end = try descriptor.seek(offset: 0, from: .end)
            let keep = try endOfLastLine(before: end)
            if keep < end { try descriptor.resize(to: keep) }
        } catch {
            throw Self.failure(path, "repair", error)
        }
    }

    /// The last whole line, without its newline; `nil` in an empty file.
    func lastLine() throws(Failure) -> [UInt8]? {
        do {
            let end = try descriptor.seek(offset: 0, from: .end)
            let keep = try endOfLastLine(before: end)
            guard keep > 0 else { return nil }
            let start = try endOfLastLine(before: keep - 1)
            return try read(start, keep - 1)
        } catch {
            throw Self.failure(path, "read", error)
        }
    }

    /// The last whole lines, without their newlines; fewer where there are fewer.
    func lastLines(_ count: Int) throws(Failure) -> [[UInt8]] {
        do {
            let end = try descriptor.seek(offset: 0, from: .end)
            var lines: [[UInt8]] = []
            var keep = try endOfLastLine(before: end)
            while keep > 0, lines.count < count {
                let start = try endOfLastLine(before: keep - 1)
                lines.append(try read(start, keep - 1))
                keep = start
            }
            return lines.reversed()
        } catch {
            throw Self.failure(path, "read", error)
        }
    }

    /// One past the last newline that lies before `end`; 0 where there is none.
    private func endOfLastLine(before end: Int64) throws -> Int64 {
        var position = end
        while position > 0 {
            let start = max(0, position - 65536)
            let block = try read(start, position)
            if let newline = block.lastIndex(of: UInt8(ascii: "\n")) { return start + Int64(newline) + 1 }
            position = start
        }
        return 0
    }

    private func read(_ start: Int64, _ end: Int64) throws -> [UInt8] {
        let length = Int(end - start)
        return try [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            count = 0
            while count < length {
                let rest = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(buffer)[count..<length])
                let got = try descriptor.read(fromAbsoluteOffset: start + Int64(count), into: rest)
                guard got > 0 else { break }
                count += got
            }
        }
    }

    static func failure(_ path: FilePath, _ doing: String, _ error: any Error) -> Failure {
        let reason = (error as? Errno).map { "\($0)" } ?? "\(error)"
        return Failure(
            .stateUnavailable, scope: .agent, "cannot \(doing) \(path): \(reason)",
            hint:
                "free space there, or make it writable; the receipts are safe in the database and follow by themselves"
        )
    }
}
