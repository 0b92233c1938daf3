import Glibc
import SyncCore

/// Says of a folder that this process watches it, and hears of others who do: an abstract socket (`man 7 unix`) whose
/// name is made of the folder's device and inode. Nothing is written or locked in the folder, nothing keeps its file
/// system busy, and the kernel takes the sign down when the process ends.
///
/// It is seen within one network namespace of one machine only, and any local user could put up such a name: it is good
/// for a word to people, never for a decision.
public final class FolderSign: Sendable {
    public enum Outcome {
        /// As long as it is kept.
        case up(FolderSign)
        /// By this process, where the kernel tells.
        case taken(by: Int32?)
        /// With the error number.
        case failed(Int32)
    }

    private let descriptor: Int32
    /// What a watching agent says, so that those who only ask are not taken for one.
    private static let word: [UInt8] = Array("watching\n".utf8)

    private init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Puts up the sign, where nobody else has; else says to who has it that this process watches, too.
    public static func put(on folder: FolderIdentity) -> Outcome {
        let descriptor = socket()
        guard descriptor >= 0 else { return .failed(errno) }
        guard withAddress(of: folder, { bind(descriptor, $0, $1) }) == 0 else {
            let reason = errno
            close(descriptor)
            return reason == EADDRINUSE ? .taken(by: call(folder, saying: word)?.process) : .failed(reason)
        }
        guard listen(descriptor, 64) == 0 else {
            let reason = errno
            close(descriptor)
            return .failed(reason)
        }
        return .up(FolderSign(descriptor))
    }

    /// The process whose sign is on the folder; `nil` where there is none. 0 where the kernel does not tell.
    public static func owner(of folder: FolderIdentity) -> Int32? {
        call(folder, saying: []).map { $0.process ?? 0 }
    }

    /// The processes that have said since the last call that they watch the folder, too.
    public func callers() -> Set<Int32> {
        var callers: Set<Int32> = []
        // Bounded: who calls without end must not keep this process busy.
        for _ in 0..<256 {
            let caller = accept(descriptor, nil, nil)
            guard caller >= 0 else { break }
            defer { close(caller) }
            var said = [UInt8](repeating: 0, count: Self.word.count)
            let count = recv(caller, &said, said.count, Int32(MSG_DONTWAIT))
            if count == said.count, said == Self.word { callers.insert(Self.peer(of: caller) ?? 0) }
        }
        return callers
    }

    // MARK: System calls

    private struct Answer {
        let process: Int32?
    }

    /// - Returns: `nil` where nobody is there.
    private static func call(_ folder: FolderIdentity, saying word: [UInt8]) -> Answer? {
        let descriptor = socket()
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard withAddress(of: folder, { connect(descriptor, $0, $1) }) == 0 else {
            // So many call at once that there is no place in the queue.
            return errno == EAGAIN ? Answer(process: nil) : nil
        }
        if !word.isEmpty { send(descriptor, word, word.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT)) }
        return Answer(process: peer(of: descriptor))
    }

    private static func socket() -> Int32 {
        Glibc.socket(
            AF_UNIX,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    }

    private static func withAddress(
        of folder: FolderIdentity, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        let name = [0] + Array("redivis-sync/folder/\(folder.device)-\(folder.inode)".utf8)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// `struct ucred` of <sys/socket.h>, which needs _GNU_SOURCE there and so is not in Glibc's module.
    private struct Credentials {
        var process: Int32 = 0
        var user: UInt32 = 0
        var group: UInt32 = 0
    }

    /// `nil` where the process is none of this PID namespace's.
    private static func peer(of descriptor: Int32) -> Int32? {
        var credentials = Credentials()
        var length = socklen_t(MemoryLayout<Credentials>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0, credentials.process > 0
        else { return nil }
        return credentials.process
    }
}
