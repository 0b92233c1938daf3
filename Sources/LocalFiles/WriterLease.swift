import CLinux
import Glibc
import SyncCore
import SystemPackage

/// The read-lease probe (`man 2 fcntl`, F_SETLEASE): the kernel grants a read lease only while nobody has the file
/// open for writing, and nobody has it mapped writable.
enum WriterLease {
    /// Observes an open file, and probes it for writers.
    ///
    /// The lease is held only while `fstat` runs: what it says is then true of a moment in which nobody could write.
    /// Whoever opens the file for writing in that moment waits until the lease is given back, some microseconds.
    /// - Returns: `nil` where `fstat` fails, which a disk or an NFS server can make it do.
    static func look(at file: OpenFile) -> (look: FileLook, isRegular: Bool)? {
        let code = -clinux_take_read_lease(file.descriptor)
        let status = file.status()
        if code == 0 { _ = clinux_release_lease(file.descriptor) }
        guard case .success(let status) = status else { return nil }
        let look = FileLook(
            observation: FileObservation(status), links: UInt64(status.st_nlink), writers: probe(from: code))
        return (look, status.isRegularFile)
    }

    /// - Parameter code: the error number of F_SETLEASE; 0 where it was granted.
    static func probe(from code: Int32) -> WriterProbe {
        switch code {
        case 0: .nobody
        case EAGAIN: .somebody
        // EACCES: another user's file without CAP_LEASE. EINVAL, ENOLCK, EOPNOTSUPP: a file system without leases.
        default: .unavailable
        }
    }
}
