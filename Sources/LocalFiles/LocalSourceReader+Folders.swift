import CLinux
import Glibc
import SyncCore
import SystemPackage

extension LocalSourceReader {
    public func problem(with folder: FilePath) async -> Failure? {
        do throws(Failure) {
            try await threads(of: folder).run(tries: true) { () throws(Failure) in _ = try Self.listable(folder) }
            return nil
        } catch {
            return error
        }
    }

    public func root(of folder: FilePath) async -> FolderRoot? {
        try? await threads(of: folder).run { () throws(Failure) in
            let root = try Self.listable(folder)
            guard case .success(let status) = root.status() else { throw FileTrouble.failure(errno, folder: folder) }
            return FolderRoot(
                FolderIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)),
                isEmpty: Self.isEmpty(root))
        }
    }

    public func device(above path: RelativePath, in folder: FilePath) async -> UInt64? {
        try? await threads(of: folder).run { () throws(Failure) in
            let nearest = try Self.nearestDirectory(above: path, in: folder)
            guard case .success(let status) = nearest.status() else { throw FileTrouble.failure(errno, folder: folder) }
            return UInt64(status.st_dev)
        }
    }

    /// Down from the folder, as far as there is something.
    static func nearestDirectory(above path: RelativePath?, in folder: FilePath) throws(Failure) -> OpenFile {
        let root = try OpenFile.folder(folder)
        guard let path else { return root }
        var nearest = root
        for (index, byte) in path.bytes.enumerated() where byte == UInt8(ascii: "/") {
            guard let parent = RelativePath(bytes: Array(path.bytes[..<index])),
                case .success(let found) = root.beneath(parent, flags: clinux_o_path() | O_DIRECTORY)
            else { break }
            nearest = found
        }
        return nearest
    }

    /// What `body` says, which asks the file system of the folder; `nil` where that does not answer.
    public func answer<Value: Sendable>(
        of folder: FilePath, _ body: @escaping @Sendable () -> Value
    ) async -> Value? {
        try? await threads(of: folder).run(tries: true) { body() }
    }

    private static func listable(_ folder: FilePath) throws(Failure) -> OpenFile {
        let descriptor = folder.withPlatformString { Glibc.open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw FileTrouble.failure(errno, folder: folder) }
        return OpenFile(descriptor)
    }

    /// The directory that was opened: another may be mounted over it by now.
    private static func isEmpty(_ root: OpenFile) -> Bool {
        let again = openat(root.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard again >= 0, let stream = fdopendir(again) else {
            if again >= 0 { close(again) }
            return false
        }
        // Closes the descriptor, too.
        defer { closedir(stream) }
        var names = 0
        // "." and ".." are always there.
        while names <= 2, readdir(stream) != nil { names += 1 }
        return names <= 2
    }
}
