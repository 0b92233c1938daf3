import Glibc
import SystemPackage

/// Why a file could not be read.
struct FileFailure: Error, Hashable {
    /// Goes on after the file's name.
    let what: String
    let remedy: String
    let isMissing: Bool
}

/// Reads files that are small by their nature: the mapping file, the token.
enum SmallFile {
    /// At most `limit` bytes from the start; whether more follow can be seen by asking for one more than is wanted.
    ///
    /// Opened without blocking, since a FIFO would wait for a writer for ever.
    static func read(_ path: FilePath, atMost limit: Int) throws(FileFailure) -> (bytes: [UInt8], mode: UInt32) {
        do {
            let file = try FileDescriptor.open(path, .readOnly, options: [.nonBlocking, .closeOnExec])
            return try file.closeAfter {
                var status = stat()
                guard fstat(file.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
                guard status.st_mode & S_IFMT == S_IFREG else { throw Errno.isDirectory }
                return (try slurp(file, limit), status.st_mode)
            }
        } catch let error as Errno {
            throw failure(error)
        } catch {
            throw FileFailure(what: "cannot be read", remedy: "look at the file", isMissing: false)
        }
    }

    private static func slurp(_ file: FileDescriptor, _ limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var slice = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < limit {
            let count = try slice.withUnsafeMutableBytes { try file.read(into: $0) }
            guard count > 0 else { break }
            bytes += slice[..<min(count, limit - bytes.count)]
        }
        return bytes
    }

    private static func failure(_ error: Errno) -> FileFailure {
        switch error {
        case .noSuchFileOrDirectory, .notDirectory:
            FileFailure(what: "is not there", remedy: "name one that is", isMissing: true)
        case .permissionDenied, .notPermitted:
            FileFailure(
                what: "must not be read by this user",
                remedy: "run as its owner, or give this user the right to read it",
                isMissing: false)
        case .isDirectory:
            FileFailure(what: "is a directory or a special file", remedy: "name a regular file", isMissing: false)
        default:
            FileFailure(what: "cannot be read (\(error))", remedy: "look at the disk and the path", isMissing: false)
        }
    }
}
