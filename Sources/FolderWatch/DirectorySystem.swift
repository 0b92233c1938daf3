import CLinux
import Glibc
import SystemPackage

/// The system calls on directories that scanning and watching make. The agent uses `LinuxDirectorySystem`; a test can
/// pass a kernel of its own.
///
/// Every call returns a negative errno on failure.
package protocol DirectorySystem: Sendable {
    /// Whether a call may take as long as a disk or a file server. If so, callers make it on a thread of their own.
    var blocks: Bool { get }
    /// Opens a directory by its absolute path and follows links (`man 2 open`). The caller closes it.
    func openFolder(_ path: FilePath, for use: DirectoryUse) -> Int32
    /// Opens a directory below an open directory for listing and follows no link (`clinux_open_beneath`).
    ///
    /// - Parameter path: names joined by single slashes.
    func openDirectory(_ path: [UInt8], beneath directory: Int32) -> Int32
    /// Opens the directory that a descriptor stands for once more, for listing.
    func reopen(_ directory: Int32) -> Int32
    /// `man 2 fstat`; 0 on success.
    func status(of descriptor: Int32, _ status: inout stat) -> Int32
    /// `man 2 fstatat` with AT_SYMLINK_NOFOLLOW; 0 on success.
    func status(of name: [UInt8], in directory: Int32, _ status: inout stat) -> Int32
    /// `man 2 getdents64`: the number of bytes filled, 0 at the end.
    func readEntries(of directory: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int
    /// Goes back to the first entry; 0 on success.
    func rewind(_ directory: Int32) -> Int32
    func close(_ descriptor: Int32)
    /// `man 3 realpath`; `nil` if the path cannot be resolved.
    func realPath(_ path: FilePath) -> [UInt8]?
}

/// What a folder is opened for.
package enum DirectoryUse: Sendable {
    /// To start paths from (O_PATH). Needs no permission on the folder itself.
    case place
    case listing
}

extension DirectorySystem {
    /// Runs `body`, which makes calls that may block, without keeping a cooperative thread waiting.
    func offload<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        blocks ? await onOwnThread(body) : body()
    }

    /// The same for a task that may be cancelled while the calls do not come back.
    func offloadUnlessCancelled<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async throws -> Value {
        blocks ? try await onOwnThreadUnlessCancelled(body) : body()
    }
}

/// The kernel that this program runs on.
package struct LinuxDirectorySystem: DirectorySystem {
    package var blocks: Bool { true }

    package init() {}

    package func openFolder(_ path: FilePath, for use: DirectoryUse) -> Int32 {
        let access = use == .place ? clinux_o_path() : O_RDONLY
        let descriptor = path.withPlatformString { Glibc.open($0, access | O_DIRECTORY | O_CLOEXEC) }
        return descriptor >= 0 ? descriptor : -errno
    }

    package func openDirectory(_ path: [UInt8], beneath directory: Int32) -> Int32 {
        path.withUnsafeBytes {
            clinux_open_beneath(
                directory, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count,
                O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC)
        }
    }

    package func reopen(_ directory: Int32) -> Int32 {
        let descriptor = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC)
        return descriptor >= 0 ? descriptor : -errno
    }

    package func status(of descriptor: Int32, _ status: inout stat) -> Int32 {
        fstat(descriptor, &status) == 0 ? 0 : -errno
    }

    package func status(of name: [UInt8], in directory: Int32, _ status: inout stat) -> Int32 {
        (name + [0]).withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return -EINVAL }
            let name = start.assumingMemoryBound(to: CChar.self)
            return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno
        }
    }

    package func readEntries(of directory: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        clinux_read_directory(directory, buffer.baseAddress, buffer.count)
    }

    package func rewind(_ directory: Int32) -> Int32 {
        lseek(directory, 0, SEEK_SET) < 0 ? -errno : 0
    }

    package func close(_ descriptor: Int32) { Glibc.close(descriptor) }

    package func realPath(_ path: FilePath) -> [UInt8]? {
        guard let resolved = path.withPlatformString({ realpath($0, nil) }) else { return nil }
        defer { free(resolved) }
        return Array(UnsafeRawBufferPointer(start: resolved, count: strlen(resolved)))
    }
}
