import Glibc
import SyncCore
import SystemPackage

/// What error numbers mean for a source, as `FileTrouble` of LocalFiles has it: the same kinds and scopes.
enum KernelFailures {
    static func failure(_ error: Errno, _ attempt: String, _ path: RelativePath, in folder: FilePath) -> Failure {
        Failure(kind(of: error), "cannot \(attempt) \(folder)/\(path): \(error)")
    }

    static func failure(_ error: Errno, folder: FilePath) -> Failure {
        Failure(kind(of: error), scope: .destination, "cannot list the folder \(folder): \(error)")
    }

    static func gone(_ path: RelativePath, in folder: FilePath, _ reason: String) -> Failure {
        Failure(.sourceGone, "\(folder)/\(path) \(reason)")
    }

    static func shorter(_ path: RelativePath, in folder: FilePath, end: Int64, expected: Int64) -> Failure {
        Failure(
            .sourceChanged,
            "\(folder)/\(path) ends at byte \(end), where at least \(expected) bytes were expected")
    }

    private static func kind(of error: Errno) -> Failure.Kind {
        switch error.rawValue {
        case ENOENT, ENOTDIR, ELOOP, ENXIO, EXDEV, ESTALE: .sourceGone
        case EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR, EBUSY: .transient
        default: .unreadable
        }
    }
}
