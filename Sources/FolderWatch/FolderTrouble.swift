import Glibc
import SyncCore
import SystemPackage

/// What the kernel's error numbers mean while a folder is listed.
enum FolderTrouble {
    /// Trouble with the mapped folder itself.
    static func failure(_ code: Int32, _ folder: FilePath) -> Failure {
        let bytes = folder.withPlatformString { start in
            Array(UnsafeRawBufferPointer(start: start, count: strlen(start)))
        }
        let summary = "cannot list the folder \(RelativePath.printable(bytes)): \(Errno(rawValue: code).description)"
        let kind: Failure.Kind = isGone(code) ? .sourceGone : .unreadable
        return Failure(
            kind, scope: .destination, summary,
            hint: kind == .sourceGone
                ? "mount or create the folder, or correct `folder` in the mapping file" : remedy(code))
    }

    /// In words, with the remedy where there is one.
    static func reason(_ code: Int32) -> String {
        let words = Errno(rawValue: code).description
        return remedy(code).map { "\(words); \($0)" } ?? words
    }

    /// Whether the name is simply not there any more, or is no directory by now: nothing to report.
    static func isGone(_ code: Int32) -> Bool {
        switch code {
        case ENOENT, ENOTDIR, ELOOP, ESTALE: true
        default: false
        }
    }

    private static func remedy(_ code: Int32) -> String? {
        switch code {
        case EACCES, EPERM: "let the agent's user read and enter it (chmod, chgrp or setfacl)"
        case EMFILE, ENFILE: "raise the limit of open files (LimitNOFILE in the unit, or fs.file-max)"
        case EIO: "check the disk or the network file system (journalctl -k)"
        default: nil
        }
    }
}

extension FileObservation {
    init(_ status: stat) {
        self.init(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            modified: Self.nanoseconds(status.st_mtim.tv_sec, status.st_mtim.tv_nsec),
            changed: Self.nanoseconds(status.st_ctim.tv_sec, status.st_ctim.tv_nsec))
    }
}
