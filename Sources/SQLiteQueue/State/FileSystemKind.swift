import Glibc
import SystemPackage

/// What kind of file system a path lies on, as the mount table tells it (`man 5 proc_pid_mountinfo`).
public enum FileSystemKind {
    /// The name of the network file system that holds `path`; `nil` for local ones, and where the mount table cannot
    /// be read or does not say.
    public static func network(_ path: FilePath) throws(StateProblem) -> String? {
        let device = try StateDirectory.status(path).st_dev
        guard let table = try? SmallFile.read("/proc/self/mountinfo", limit: 4 << 20) else { return nil }
        return network(device: UInt64(device), mountTable: String(decoding: table, as: UTF8.self))
    }

    /// The kind of the file system with this device number, where it is a network one.
    static func network(device: UInt64, mountTable: String) -> String? {
        // The C library packs a device number so (`man 3 makedev`).
        let major = (device >> 8) & 0xFFF | (device >> 32) & ~0xFFF
        let minor = device & 0xFF | (device >> 12) & ~0xFF
        for line in mountTable.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 2, fields[2] == "\(major):\(minor)" else { continue }
            guard let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count else { continue }
            return networkName(String(fields[dash + 1]))
        }
        return nil
    }

    /// FUSE by itself counts as local: containers without root keep everything on it. Its known network kinds do not.
    static func networkName(_ type: String) -> String? {
        switch type {
        case "nfs", "nfs4": "NFS"
        case "cifs", "smb3", "smbfs": "SMB"
        case "9p", "afs", "ceph", "coda", "lustre", "gpfs", "beegfs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs",
            "fuse.gcsfuse", "fuse.rclone", "davfs", "fuse.davfs2":
            type
        default: nil
        }
    }
}
