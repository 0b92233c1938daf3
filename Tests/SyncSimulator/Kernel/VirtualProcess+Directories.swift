import FolderWatch
import Glibc
import SyncCore
import SystemPackage

/// The calls on directories that the agent's scanner and watcher make.
extension VirtualProcess: DirectorySystem {
    package var blocks: Bool { false }

    // MARK: Opening

    package func openFolder(_ path: FilePath, for use: DirectoryUse) -> Int32 {
        call(.open) { () throws(Errno) in open(directory: try folder(path, for: use)) }
    }

    /// What `openFolder` opens.
    func folder(_ path: FilePath, for use: DirectoryUse) throws(Errno) -> VirtualInode {
        let inode = try kernel.inode(at: path.string, isAgent: true)
        guard inode.isDirectory else { throw .notDirectory }
        guard use == .place || inode.isReadable else { throw .permissionDenied }
        return inode
    }

    package func openDirectory(_ path: [UInt8], beneath directory: Int32) -> Int32 {
        call(.open) { () throws(Errno) in
            let inode = try kernel.inode(at: path, beneath: try self.directory(directory))
            guard inode.isDirectory else { throw inode.isLink ? .tooManySymbolicLinkLevels : .notDirectory }
            guard inode.isReadable else { throw .permissionDenied }
            return open(directory: inode)
        }
    }

    package func reopen(_ directory: Int32) -> Int32 {
        call(.open) { () throws(Errno) in
            let inode = try self.directory(directory)
            guard inode.isReadable else { throw .permissionDenied }
            return open(directory: inode)
        }
    }

    package func realPath(_ path: FilePath) -> [UInt8]? {
        guard let inode = try? kernel.inode(at: path.string, isAgent: true), let path = kernel.path(of: inode)
        else { return nil }
        return Array((path.isEmpty ? "/" : path).utf8)
    }

    // MARK: Status

    package func status(of descriptor: Int32, _ status: inout stat) -> Int32 {
        call(.status) { () throws(Errno) in
            status = stat(try directory(descriptor))
            return 0
        }
    }

    package func status(of name: [UInt8], in directory: Int32, _ status: inout stat) -> Int32 {
        call(.status) { () throws(Errno) in
            status = stat(try kernel.inode(at: name, beneath: try self.directory(directory)))
            return 0
        }
    }

    // MARK: Listing

    package func readEntries(of directory: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var filled = 0
        let result = call(.readEntries) { () throws(Errno) in
            let inode = try self.directory(directory)
            // A directory that was removed has no entries, not even the end of a list.
            guard inode.links > 0 else { throw .noSuchFileOrDirectory }
            var last = lastName(of: directory)
            for entry in inode.entries(after: last) {
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                guard let size = Self.encode(entry, rest) else { break }
                filled += size
                last = entry.name
            }
            setLastName(of: directory, to: last)
            return 0
        }
        return result < 0 ? Int(result) : filled
    }

    /// `struct linux_dirent64` (`man 2 getdents64`): the size, or `nil` if it does not fit.
    private static func encode(_ entry: VirtualEntry, _ buffer: UnsafeMutableRawBufferPointer) -> Int? {
        let size = (19 + entry.name.utf8.count + 1 + 7) / 8 * 8
        guard size <= buffer.count else { return nil }
        let type =
            switch entry.inode.kind {
            case .file: DT_REG
            case .directory: DT_DIR
            case .link: DT_LNK
            }
        buffer.storeBytes(of: entry.inode.number, as: UInt64.self)
        buffer.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
        buffer.storeBytes(of: UInt16(size), toByteOffset: 16, as: UInt16.self)
        buffer[18] = UInt8(type)
        for (index, byte) in entry.name.utf8.enumerated() { buffer[19 + index] = byte }
        for index in (19 + entry.name.utf8.count)..<size { buffer[index] = 0 }
        return size
    }

    package func rewind(_ directory: Int32) -> Int32 {
        call(.readEntries) { () throws(Errno) in
            _ = try self.directory(directory)
            setLastName(of: directory, to: nil)
            return 0
        }
    }
}

extension stat {
    init(_ inode: VirtualInode) {
        self.init()
        let kind: mode_t =
            switch inode.kind {
            case .file: S_IFREG
            case .directory: S_IFDIR
            case .link: S_IFLNK
            }
        st_dev = dev_t(inode.device.number)
        st_ino = ino_t(inode.number)
        st_mode = kind | (inode.isReadable ? 0o755 : 0)
        st_nlink = nlink_t(inode.links)
        st_size = Int(inode.size)
        st_mtim = timespec(tv_sec: Int(inode.modified / 1_000_000_000), tv_nsec: Int(inode.modified % 1_000_000_000))
        st_ctim = timespec(tv_sec: Int(inode.changed / 1_000_000_000), tv_nsec: Int(inode.changed % 1_000_000_000))
    }
}

extension VirtualInode {
    /// In bytes, as `stat` says.
    var size: Int64 { Int64(max(0, cells.count + sizeError)) * VirtualKernel.cellSize }

    var observation: FileObservation {
        FileObservation(
            device: device.number, inode: number, size: size, modified: modified, changed: changed)
    }
}
