import Glibc
import SyncCore
import SystemPackage

/// The socket's place in the state directory. Only the agent that holds the directory's lock makes one.
struct ControlSocket: Sendable {
    /// Where it is bound before it is ready for others.
    static let draftName: FilePath.Component = "control.new"

    let path: FilePath
    let draft: FilePath

    /// The longest path that a socket may have, in bytes without the final NUL (`man 7 unix`).
    static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// - Throws: `Failure` of kind `stateUnavailable` where a socket cannot be here, or another agent has one.
    init(in directory: FilePath) throws(Failure) {
        path = directory.appending(ControlWire.socketName)
        draft = directory.appending(Self.draftName)
        let length = path.withPlatformString { strlen($0) }
        guard length <= Self.longestPath else {
            throw Failure(
                .stateUnavailable, scope: .agent,
                "the path of the control socket, \(path), has \(length) bytes, and the system takes "
                    + "\(Self.longestPath)",
                hint: "name a state_directory whose path has at most \(Self.longestDirectory) bytes")
        }
        guard !Self.somebodyListens(at: path) else {
            throw Failure(
                .stateUnavailable, scope: .agent, "another process answers at the control socket \(path)",
                hint: "stop that one first")
        }
    }

    private static var longestDirectory: Int { longestPath - 1 - ControlWire.socketName.utf8.count }

    /// A socket whose process has ended is still there as a file, and refuses.
    private static func somebodyListens(at path: FilePath) -> Bool {
        let descriptor = open()
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return withAddress(of: path) { connect(descriptor, $0, $1) } == 0
    }

    private static func open() -> Int32 {
        socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    }

    private static func withAddress(
        of path: FilePath, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { field in
            path.withPlatformString { text in
                field.copyMemory(from: UnsafeRawBufferPointer(start: text, count: min(strlen(text), field.count - 1)))
            }
        }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// A socket at the draft's place, with its mode from the first instant: bind takes it from the descriptor
    /// (net/unix/af_unix.c, unix_bind_bsd). Nobody is listening on it yet; the caller closes it.
    func bindDraft() throws(Failure) -> Int32 {
        discardDraft()
        let descriptor = Self.open()
        guard descriptor >= 0, fchmod(descriptor, 0o600) == 0,
            Self.withAddress(of: draft, { bind(descriptor, $0, $1) }) == 0
        else {
            let reason = Errno(rawValue: errno)
            if descriptor >= 0 { close(descriptor) }
            throw failure("\(reason)")
        }
        return descriptor
    }

    func failure(_ reason: String) -> Failure {
        Failure(
            .stateUnavailable, scope: .agent, "cannot make the control socket \(path): \(reason)",
            hint: "see that the agent may write in its state directory")
    }

    /// What `publish` made, so that only that is removed.
    struct Published: Sendable {
        let path: FilePath
        fileprivate let device: UInt64
        fileprivate let inode: UInt64

        /// Removes the socket, unless another has taken its place.
        func remove() {
            var status = stat()
            guard path.withPlatformString({ lstat($0, &status) }) == 0, UInt64(status.st_dev) == device,
                UInt64(status.st_ino) == inode
            else { return }
            _ = path.withPlatformString { unlink($0) }
        }
    }

    /// Gives the listening socket its name, and only now: nobody ever finds it half made, and a stale one is replaced
    /// in the same instant.
    func publish() throws(Failure) -> Published {
        var status = stat()
        // Once more, for a kernel that takes it from the umask alone.
        guard draft.withPlatformString({ chmod($0, 0o600) }) == 0,
            draft.withPlatformString({ lstat($0, &status) }) == 0,
            draft.withPlatformString({ old in path.withPlatformString { new in rename(old, new) } }) == 0
        else {
            let reason = Errno(rawValue: errno)
            discardDraft()
            throw failure("\(reason)")
        }
        return Published(path: path, device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    func discardDraft() {
        _ = draft.withPlatformString { unlink($0) }
    }
}
