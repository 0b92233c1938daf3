import CLinux
import Glibc

/// The system calls of watching, so that their errors can be made to come. Every call returns a negative errno.
struct InotifySystem: Sendable {
    /// A new instance, as a descriptor.
    var makeInstance: @Sendable () -> Int32 = { clinux_inotify() }
    /// Watches an open directory: the watch descriptor.
    var addWatch: @Sendable (_ instance: Int32, _ directory: Int32, _ mask: UInt32) -> Int32 = {
        clinux_watch_directory($0, $1, $2)
    }
    var removeWatch: @Sendable (_ instance: Int32, _ watch: Int32) -> Int32 = {
        inotify_rm_watch($0, $1) == 0 ? 0 : -errno
    }
    /// The kind of file system of an open file, as `statfs(2)` numbers it; `nil` where it cannot be asked.
    var fileSystem: @Sendable (_ file: Int32) -> UInt64? = { file in
        var kind: UInt64 = 0
        return clinux_file_system(file, &kind) == 0 ? kind : nil
    }
    /// A number below /proc/sys, by its name with dots.
    var sysctl: @Sendable (_ name: String) -> Int64? = { ProcessFiles.number(ofSysctl: $0) }
    /// What is mounted (`/proc/self/mountinfo`, `man 5 proc_pid_mountinfo`).
    var mounts: @Sendable () -> [UInt8] = { ProcessFiles.read("/proc/self/mountinfo", atMost: 16 << 20) ?? [] }

    init() {}
}

enum ProcessFiles {
    static func number(ofSysctl name: String) -> Int64? {
        let path = "/proc/sys/" + String(name.map { $0 == "." ? "/" : $0 })
        guard let bytes = read(path, atMost: 64) else { return nil }
        return Int64(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    static func read(_ path: String, atMost limit: Int) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: min(limit, 64 << 10))
        while content.count < limit {
            let count = Glibc.read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            content += buffer.prefix(count)
        }
        return content
    }
}

/// What a file system's number means for watching.
enum FileSystemKind: Hashable {
    /// Every change goes through this kernel, which tells of it.
    case local
    /// Changes come from elsewhere, or it is not known whether they do.
    case elsewhere(String)

    init(_ number: UInt64?) {
        switch number {
        case 0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x2FC1_2FC1: self = .local  // ext, xfs, btrfs, f2fs, zfs
        case 0x0102_1994, 0x8584_58F6, 0x794C_7630: self = .local  // tmpfs, ramfs, overlayfs
        case 0xCA45_1A4E, 0x3153_464A, 0x5265_4973: self = .local  // bcachefs, jfs, reiserfs
        case 0x4D44, 0x2011_BAB0, 0x5346_544E, 0x7366_746E: self = .local  // vfat, exfat, ntfs (old), ntfs3
        case 0x4244, 0x482B, 0x9660, 0x1501_3346, 0xE0F5_E1E2: self = .local  // hfs, hfs+, isofs, udf, erofs
        case 0x3434, 0x24051905, 0x7371_7368, 0xF15F: self = .local  // nilfs2, ubifs, squashfs, ecryptfs
        case 0x6969: self = .elsewhere("NFS")
        case 0x517B, 0xFF53_4D42, 0xFE53_4D42: self = .elsewhere("SMB/CIFS")
        case 0x6573_5546: self = .elsewhere("FUSE")
        case 0x0102_1997: self = .elsewhere("9p")
        case 0x00C3_6400: self = .elsewhere("Ceph")
        case 0x5346_414F, 0x6B41_4653: self = .elsewhere("AFS")
        case 0x0BD0_0BD0: self = .elsewhere("Lustre")
        case 0x4750_4653, 0x4750_4D46: self = .elsewhere("GPFS")
        case 0x0116_1970: self = .elsewhere("GFS2")
        case 0x7461_636F: self = .elsewhere("OCFS2")
        case 0x786F_4256, 0xBACB_ACBC: self = .elsewhere("a virtual machine's shared folder")
        case 0x7375_7245: self = .elsewhere("Coda")
        case 0x564C: self = .elsewhere("NCP")
        case .some(let number): self = .elsewhere("a file system of unknown kind 0x" + String(number, radix: 16))
        case nil: self = .elsewhere("a file system of unknown kind")
        }
    }
}
