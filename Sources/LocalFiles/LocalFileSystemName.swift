import CLinux
import Glibc
import SyncCore
import SystemPackage

/// What a mounted file system is called for good.
enum LocalFileSystemName {
    /// Whose `f_fsid` (`man 2 statfs`) is made of their UUID: ext2 to ext4, Btrfs (each subvolume its own), ZFS, bcachefs,
    /// GFS2, OCFS2. Others make it of the device number, or of nothing.
    private static let withOwnID: Set<UInt64> = [
        0xEF53, 0x9123_683E, 0x2FC1_2FC1, 0xCA45_1A4E, 0x0116_1970, 0x7461_636F,
    ]
    private static let xfs: UInt64 = 0x5846_5342
    /// What comes from a server, by the names of `man 5 proc_pid_mountinfo`.
    private static let remote: Set<String> = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "lustre", "afs"]

    /// - Parameters:
    ///   - directory: an open directory; O_PATH does.
    ///   - device: its `st_dev`.
    static func of(_ directory: Int32, device: UInt64) -> String? {
        // Asked first: a server that is away is not asked for its kind.
        if let mount = mount(of: device, in: mountinfo()), remote.contains(mount.type) {
            return "source:\(mount.type):\(mount.source)"
        }
        var (kind, id): (UInt64, UInt64) = (0, 0)
        guard clinux_file_system_id(directory, &kind, &id) == 0 else { return nil }
        if withOwnID.contains(kind), id != 0 { return "fsid:\(String(kind, radix: 16)):\(String(id, radix: 16))" }
        if kind == xfs, let uuid = xfsUUID(directory) { return "uuid:\(uuid)" }
        return blockDeviceUUID(device).map { "uuid:\($0)" }
    }

    private static func xfsUUID(_ directory: Int32) -> String? {
        let readable = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard readable >= 0 else { return nil }
        defer { close(readable) }
        var uuid = [UInt8](repeating: 0, count: 16)
        guard clinux_xfs_uuid(readable, &uuid) == 0, uuid.contains(where: { $0 != 0 }) else { return nil }
        return uuid.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// What udev calls the block device of this number: FAT, exFAT, NTFS, F2FS, HFS+.
    private static func blockDeviceUUID(_ device: UInt64) -> String? {
        // Device numbers whose major part is 0 belong to no block device.
        guard major(device) != 0, let directory = opendir("/dev/disk/by-uuid") else { return nil }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            var status = stat()
            guard !name.hasPrefix("."), fstatat(dirfd(directory), name, &status, 0) == 0 else { continue }
            if UInt64(status.st_rdev) == device, status.st_mode & S_IFMT == S_IFBLK { return name }
        }
        return nil
    }

    // MARK: The mount table

    struct Mount: Equatable {
        let type: String
        let source: String
    }

    /// The first line of `/proc/self/mountinfo` about a device number.
    static func mount(of device: UInt64, in mountinfo: [UInt8]) -> Mount? {
        let number = "\(major(device)):\(minor(device))"
        for line in mountinfo.split(separator: UInt8(ascii: "\n")) {
            let fields = String(decoding: line, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count > 3, fields[2] == number, let dash = fields.firstIndex(of: "-"), fields.count > dash + 2
            else { continue }
            return Mount(type: String(fields[dash + 1]), source: String(fields[dash + 2]))
        }
        return nil
    }

    /// `man 3 makedev`.
    static func major(_ device: UInt64) -> UInt64 { (device >> 8 & 0xFFF) | (device >> 32 & ~0xFFF) }
    static func minor(_ device: UInt64) -> UInt64 { (device & 0xFF) | (device >> 12 & 0xFFFF_FF00) }

    private static func mountinfo() -> [UInt8] {
        let file = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while content.count < 16 << 20 {
            let count = read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            content += buffer.prefix(count)
        }
        return content
    }
}

extension LocalSourceReader: FileSystemNaming {
    public func fileSystem(above path: RelativePath?, in folder: FilePath) async -> NamedFileSystem? {
        try? await threads(of: folder).run { () throws(Failure) in
            let nearest = try Self.nearestDirectory(above: path, in: folder)
            guard case .success(let status) = nearest.status() else { throw FileTrouble.failure(errno, folder: folder) }
            let device = UInt64(status.st_dev)
            return NamedFileSystem(
                device: device, name: LocalFileSystemName.of(nearest.descriptor, device: device))
        }
    }
}
