import Glibc
import SyncCore
import SystemPackage

/// What the kernel's error numbers mean for a source, in one table (`man 2 open`, `man 2 openat2`, `man 2 read`).
enum FileTrouble {
    /// Trouble with a file: what was tried, on which path, why, and the remedy.
    static func failure(_ code: Int32, _ attempt: String, _ path: RelativePath, in folder: FilePath) -> Failure {
        let file = "\(RelativePath.printable(bytes(of: folder)))/\(path)"
        return Failure(kind(of: code), "cannot \(attempt) \(file): \(words(for: code))", hint: hint(for: code))
    }

    /// Trouble with the mapped folder itself: it concerns every file of the mapping.
    static func failure(_ code: Int32, folder: FilePath) -> Failure {
        let shown = RelativePath.printable(bytes(of: folder))
        let kind = kind(of: code)
        let hint =
            kind == .sourceGone
            ? "mount or create the folder, or correct `folder` in the mapping file" : hint(for: code)
        return Failure(
            kind, scope: .destination, "cannot list the folder \(shown): \(words(for: code))", hint: hint)
    }

    /// Calls into the folder do not come back: no statement about any of its files.
    static func silence(of folder: FilePath) -> Failure {
        Failure(
            .sourceGone, scope: .destination,
            "the folder \(RelativePath.printable(bytes(of: folder))) does not answer",
            hint: "look after its disk or file server (journalctl -k); it is gone on with as soon as it answers")
    }

    static func gone(_ path: RelativePath, in folder: FilePath, _ reason: String) -> Failure {
        let file = "\(RelativePath.printable(bytes(of: folder)))/\(path)"
        return Failure(.sourceGone, "\(file) \(reason)", hint: "nothing to do: what is there now is looked at anew")
    }

    static func shorter(_ path: RelativePath, in folder: FilePath, end: Int64, expected: Int64) -> Failure {
        let file = "\(RelativePath.printable(bytes(of: folder)))/\(path)"
        return Failure(
            .sourceChanged, "\(file) ends at byte \(end), where at least \(expected) bytes were expected",
            hint: "nothing to do: it is looked at again until it no longer changes")
    }

    static func kind(of code: Int32) -> Failure.Kind {
        switch code {
        // ENXIO: a socket. EXDEV: the path leads out of the folder. ESTALE: an NFS server has forgotten the file.
        case ENOENT, ENOTDIR, ELOOP, ENXIO, EXDEV, ESTALE: .sourceGone
        // EAGAIN: another program holds a lease (a file server, say) and is being asked to give it back.
        case EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR, EBUSY: .transient
        default: .unreadable
        }
    }

    static func words(for code: Int32) -> String { Errno(rawValue: code).description }

    private static func hint(for code: Int32) -> String? {
        switch code {
        case EACCES, EPERM:
            "let the agent's user read it, and enter the folders above it (chmod, chgrp or setfacl)"
        case EMFILE, ENFILE:
            "raise the limit of open files (LimitNOFILE in the unit, or fs.file-max)"
        case EIO:
            "check the disk or the network file system (journalctl -k)"
        default:
            nil
        }
    }

    /// A path's bytes: `FilePath` keeps what is not UTF-8, its `description` does not.
    static func bytes(of folder: FilePath) -> [UInt8] {
        folder.withPlatformString { start in
            Array(UnsafeRawBufferPointer(start: start, count: strlen(start)))
        }
    }
}
