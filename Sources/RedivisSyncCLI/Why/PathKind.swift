import Glibc
import SyncCore
import SystemPackage

/// What lies at a path below a mapped folder; only a regular file, reached without a symbolic link, is delivered.
enum PathKind: Hashable {
    case missing
    case file(modified: Timestamp)
    case folder
    case symbolicLink
    /// This folder on the way is a symbolic link.
    case throughSymbolicLink(RelativePath)
    case pipe, socket, device
    /// It cannot be looked at: an errno.
    case unreachable(Int32)

    /// As `kind` in `why --json`.
    var name: String {
        switch self {
        case .missing: "missing"
        case .file: "file"
        case .folder: "folder"
        case .symbolicLink: "symbolic_link"
        case .throughSymbolicLink: "through_symbolic_link"
        case .pipe: "pipe"
        case .socket: "socket"
        case .device: "device"
        case .unreachable: "unreachable"
        }
    }

    static let names = [
        "missing", "file", "folder", "symbolic_link", "through_symbolic_link", "pipe", "socket", "device",
        "unreachable",
    ]

    /// Why it is not delivered as it is; `nil` for a regular file.
    var obstacle: String? {
        switch self {
        case .file: nil
        case .missing: "there is no such file"
        case .folder: "it is a folder; name a file in it"
        case .symbolicLink:
            "it is a symbolic link, and links are not followed; map the folder that holds the file itself"
        case .throughSymbolicLink(let link):
            "its folder \(link) is a symbolic link, and links are not followed; map the folder that the link leads to"
        case .pipe: "it is a named pipe, and only regular files are delivered"
        case .socket: "it is a socket, and only regular files are delivered"
        case .device: "it is a device, and only regular files are delivered"
        case .unreachable(let code):
            "it cannot be looked at: \(String(cString: strerror(code))); let this user enter the folders above it"
        }
    }

    static func of(_ path: RelativePath, below folder: FilePath) -> PathKind {
        var walked: [UInt8] = []
        let components = path.components
        for (index, component) in components.enumerated() {
            if !walked.isEmpty { walked.append(UInt8(ascii: "/")) }
            walked += component
            var status = stat()
            let full = FilePath(bytes: folder.bytes + [UInt8(ascii: "/")] + walked)
            guard full.withPlatformString({ lstat($0, &status) }) == 0 else {
                return errno == ENOENT || errno == ENOTDIR ? .missing : .unreachable(errno)
            }
            if index == components.count - 1 { return PathKind(status) }
            if status.st_mode & S_IFMT == S_IFLNK, let link = RelativePath(bytes: walked) {
                return .throughSymbolicLink(link)
            }
        }
        return .missing
    }

    /// `man 7 inode`
    private init(_ status: stat) {
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            let seconds = min(max(Int64(status.st_mtim.tv_sec), -1 << 40), 1 << 40)
            self = .file(
                modified: Timestamp(milliseconds: seconds * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000))
        case S_IFDIR: self = .folder
        case S_IFLNK: self = .symbolicLink
        case S_IFIFO: self = .pipe
        case S_IFSOCK: self = .socket
        default: self = .device
        }
    }
}
