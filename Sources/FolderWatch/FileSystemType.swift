import CLinux
import Glibc
import SystemPackage

/// What a folder lies on, and what that means for watching: the one list for the watcher, which polls where the kernel
/// does not hear of every change, and for those who tell people why.
public struct FileSystemType: Hashable, Sendable {
    /// As people call it.
    public let name: String
    /// Whether changes may be made elsewhere, of which this kernel tells nothing; also where nobody knows.
    public let isRemote: Bool

    public init(_ name: String, isRemote: Bool = false) {
        self.name = name
        self.isRemote = isRemote
    }

    /// `nil` where it cannot be asked.
    public static func of(_ path: FilePath) -> FileSystemType? {
        let descriptor = path.withPlatformString { open($0, clinux_o_path() | O_CLOEXEC) }
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var kind: UInt64 = 0
        guard clinux_file_system(descriptor, &kind) == 0 else { return nil }
        return FileSystemType(number: kind)
    }

    /// - Parameter number: as `man 2 statfs` has it in f_type (<linux/magic.h>, and the file systems' own headers);
    ///   `nil` where it could not be asked.
    public init(number: UInt64?) {
        guard let number else {
            self.init("a file system of unknown kind", isRemote: true)
            return
        }
        if let name = Self.local[number] {
            self.init(name)
        } else if let name = Self.remote[number] {
            self.init(name, isRemote: true)
        } else {
            self.init("a file system of unknown kind 0x\(String(number, radix: 16))", isRemote: true)
        }
    }

    /// Every change goes through this kernel, which tells of it.
    private static let local: [UInt64: String] = [
        0xEF53: "ext4", 0x5846_5342: "XFS", 0x9123_683E: "Btrfs", 0xF2F5_2010: "F2FS", 0x2FC1_2FC1: "ZFS",
        0x0102_1994: "tmpfs", 0x8584_58F6: "ramfs", 0x794C_7630: "overlayfs", 0xCA45_1A4E: "bcachefs",
        0x3153_464A: "JFS", 0x5265_4973: "ReiserFS", 0x4D44: "FAT", 0x2011_BAB0: "exFAT", 0x5346_544E: "NTFS",
        0x7366_746E: "NTFS", 0x4244: "HFS", 0x482B: "HFS+", 0x9660: "ISO 9660", 0x1501_3346: "UDF",
        0xE0F5_E1E2: "EROFS", 0x3434: "NILFS2", 0x2405_1905: "UBIFS", 0x7371_7368: "SquashFS", 0xF15F: "eCryptfs",
    ]

    /// Changes come from elsewhere, or may.
    private static let remote: [UInt64: String] = [
        0x6969: "NFS", 0x517B: "SMB", 0xFF53_4D42: "SMB", 0xFE53_4D42: "SMB", 0x6573_5546: "FUSE", 0x0102_1997: "9p",
        0x00C3_6400: "Ceph", 0x5346_414F: "AFS", 0x6B41_4653: "AFS", 0x0BD0_0BD0: "Lustre", 0x4750_4653: "GPFS",
        0x4750_4D46: "GPFS", 0x0116_1970: "GFS2", 0x7461_636F: "OCFS2",
        0x786F_4256: "a virtual machine's shared folder", 0xBACB_ACBC: "a virtual machine's shared folder",
        0x7375_7245: "Coda", 0x564C: "NCP",
    ]
}
