import Glibc
import SystemPackage

extension StateDirectory {
    /// In bytes: what a database that has just been made takes up, with its journal.
    private static let least = 256 << 10

    /// Whether nothing can be written there for want of room (or of a quota), found out by writing. Where the directory
    /// is not there yet, the nearest one above it counts.
    public static func lacksRoom(_ path: FilePath) -> Bool {
        var place = path
        while access(place.string, F_OK) != 0, errno == ENOENT, place.removeLastComponent() {}
        let file = place.appending(".room-\(getpid())")
        do {
            let descriptor = try FileDescriptor.open(
                file, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
            defer {
                try? descriptor.close()
                unlink(file.string)
            }
            try descriptor.writeAll([UInt8](repeating: 0, count: least))
            guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
            return false
        } catch {
            let reason = error as? Errno
            return reason == .noSpace || reason == .diskQuotaExceeded
        }
    }
}
