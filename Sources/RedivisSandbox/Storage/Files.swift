import Glibc

/// A failed system call on one of the sandbox's own files.
struct FileFailure: Error, CustomStringConvertible {
    var operation: String
    var path: String
    var code: Int32

    init(_ operation: String, _ path: String) {
        self.operation = operation
        self.path = path
        code = errno
    }

    var description: String { "cannot \(operation) \(path): \(String(cString: strerror(code)))" }
}

/// The few file operations that the sandbox needs, on Glibc alone. Nothing is synced to the disk: what is written
/// outlives the process, not the machine.
enum Files {
    static func makeDirectory(_ path: String) throws(FileFailure) {
        var prefix = path.hasPrefix("/") ? "/" : ""
        for piece in path.split(separator: "/") {
            prefix += prefix.isEmpty || prefix.hasSuffix("/") ? String(piece) : "/" + piece
            if mkdir(prefix, 0o755) != 0, errno != EEXIST { throw FileFailure("make the directory", prefix) }
        }
    }

    static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o644) throws(FileFailure) -> Int32 {
        while true {
            let descriptor = Glibc.open(path, flags | O_CLOEXEC, mode)
            if descriptor >= 0 { return descriptor }
            if errno != EINTR { throw FileFailure("open", path) }
        }
    }

    static func writeAll(_ descriptor: Int32, _ bytes: [UInt8], path: String) throws(FileFailure) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { throw FileFailure("write", path) }
            done += count
        }
    }

    /// Replaces a small file as a whole: a reader sees the old or the new one, never a part.
    static func replace(_ path: String, with bytes: [UInt8], mode: mode_t = 0o644) throws(FileFailure) {
        let temporary = path + ".new"
        let descriptor = try open(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
        defer { Glibc.close(descriptor) }
        try writeAll(descriptor, bytes, path: temporary)
        if rename(temporary, path) != 0 { throw FileFailure("rename", temporary) }
    }

    /// The whole content, or nil where there is no such file.
    static func read(_ path: String) throws(FileFailure) -> [UInt8]? {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw FileFailure("open", path)
        }
        defer { Glibc.close(descriptor) }
        var content: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = Glibc.read(descriptor, &block, block.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw FileFailure("read", path) }
            if count == 0 { return content }
            content += block[..<count]
        }
    }

    /// Bytes in the file, or nil where there is none.
    static func size(_ path: String) -> Int64? {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : nil
    }

    static func names(in directory: String) throws(FileFailure) -> [String] {
        guard let stream = opendir(directory) else { throw FileFailure("list", directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
