import CLinux
import Glibc
import SystemPackage

/// What a folder lies on (`man 2 statfs`, f_type).
struct FileSystemType: Hashable, Sendable {
    /// As people call it.
    let name: String
    /// Whether changes may be made elsewhere, of which this kernel tells nothing.
    let isRemote: Bool

    init(_ name: String, isRemote: Bool = false) {
        self.name = name
        self.isRemote = isRemote
    }

    /// `nil` where it cannot be asked.
    static func of(_ path: FilePath) -> FileSystemType? {
        let descriptor = path.withPlatformString { open($0, clinux_o_path() | O_CLOEXEC) }
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var kind: UInt64 = 0
        guard clinux_file_system(descriptor, &kind) == 0 else { return nil }
        return FileSystemType(number: kind)
    }

    init(number: UInt64) {
        self =
            switch number {
            case 0xEF53: .init("ext4")
            case 0x5846_5342: .init("XFS")
            case 0x9123_683E: .init("Btrfs")
            case 0xF2F5_2010: .init("F2FS")
            case 0x2FC1_2FC1: .init("ZFS")
            case 0xCA45_1A4E: .init("bcachefs")
            case 0x0102_1994: .init("tmpfs")
            case 0x794C_7630: .init("overlayfs")
            case 0x4D44: .init("FAT")
            case 0x2011_BAB0: .init("exFAT")
            case 0x7366_746E, 0x5346_544E: .init("NTFS")
            case 0x6969: .init("NFS", isRemote: true)
            case 0x517B, 0xFF53_4D42, 0xFE53_4D42: .init("SMB", isRemote: true)
            case 0x6573_5546: .init("FUSE", isRemote: true)
            case 0x0102_1997: .init("9p", isRemote: true)
            case 0x00C3_6400: .init("Ceph", isRemote: true)
            case 0x5346_414F, 0x6B41_4653: .init("AFS", isRemote: true)
            case 0x0BD0_0BD0: .init("Lustre", isRemote: true)
            case 0x4750_4653: .init("GPFS", isRemote: true)
            case 0x0116_1970: .init("GFS2", isRemote: true)
            case 0x7375_7245: .init("Coda", isRemote: true)
            default: .init("a file system of the kind 0x\(String(number, radix: 16))")
            }
    }
}
