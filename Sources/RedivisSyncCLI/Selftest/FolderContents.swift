import Glibc
import SystemPackage

/// Small acts on files whose names are bytes.
enum FolderContents {
    /// The names in a directory, in no order.
    static func names(in directory: FilePath) throws(Errno) -> [[UInt8]] {
        guard let stream = directory.withPlatformString({ opendir($0) }) else { throw Errno(rawValue: errno) }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { throw .notSupported }
        while let entry = readdir(stream) {
            // By its place: the record may be shorter than the type says.
            let start = UnsafeRawPointer(entry) + offset
            let name = Array(
                UnsafeRawBufferPointer(start: start, count: strlen(start.assumingMemoryBound(to: CChar.self))))
            if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
        }
        return names
    }

    /// All of a file.
    static func read(_ path: FilePath) throws -> [UInt8] {
        let file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .noFollow])
        return try file.closeAfter {
            var bytes: [UInt8] = []
            var piece = [UInt8](repeating: 0, count: 256 << 10)
            while true {
                let count = try piece.withUnsafeMutableBytes { try file.read(into: $0) }
                guard count > 0 else { return bytes }
                bytes += piece[..<count]
            }
        }
    }

    /// A new file, with the folders that lead to it.
    static func write(_ bytes: [UInt8], to path: FilePath, mode: FilePermissions = .ownerReadWrite) throws {
        try makeFolders(path.removingLastComponent())
        let file = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec], permissions: mode)
        try file.closeAfter { _ = try file.writeAll(bytes) }
    }

    static func makeFolders(_ path: FilePath) throws(Errno) {
        guard path.withPlatformString({ mkdir($0, 0o700) }) != 0 else { return }
        switch Errno(rawValue: errno) {
        case .fileExists: return
        case .noSuchFileOrDirectory:
            try makeFolders(path.removingLastComponent())
            guard path.withPlatformString({ mkdir($0, 0o700) }) == 0 else { throw Errno(rawValue: errno) }
        case let reason: throw reason
        }
    }

    static func rename(_ old: FilePath, to new: FilePath) throws(Errno) {
        try makeFolders(new.removingLastComponent())
        let result = old.withPlatformString { old in new.withPlatformString { Glibc.rename(old, $0) } }
        guard result == 0 else { throw Errno(rawValue: errno) }
    }

    /// In bytes; 0 where it is not there.
    static func size(of path: FilePath) -> Int64 {
        var status = stat()
        guard path.withPlatformString({ lstat($0, &status) }) == 0 else { return 0 }
        return Int64(status.st_size)
    }

    /// Removes a folder with everything in it; links are removed, never followed.
    static func remove(_ path: FilePath) throws(Errno) {
        var status = stat()
        guard path.withPlatformString({ lstat($0, &status) }) == 0 else { throw Errno(rawValue: errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            guard path.withPlatformString({ unlink($0) }) == 0 else { throw Errno(rawValue: errno) }
            return
        }
        for name in try names(in: path) { try remove(path.appending(FilePath(bytes: name).components)) }
        guard path.withPlatformString({ rmdir($0) }) == 0 else { throw Errno(rawValue: errno) }
    }
}
