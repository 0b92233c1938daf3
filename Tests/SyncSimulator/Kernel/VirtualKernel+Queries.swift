import SystemPackage

/// A file as it is now.
package struct VirtualFile: Sendable {
    package let path: String
    /// The inode, by the serial that is never used twice.
    package let instance: UInt64
    package let cells: [UInt8]
    /// Whether agents may read it.
    package let isReadable: Bool
    /// Open writers and writable maps.
    package let writers: Int
    package let links: Int
}

/// What is there now, for those who judge the agents.
extension VirtualKernel {
    /// The file that an absolute path leads to, links followed.
    package func file(_ path: String) -> VirtualFile? {
        do throws(Errno) { return describe(try file(at: path), path) } catch { return nil }
    }

    /// All files below a directory, found as an agent finds them: links on the way to the directory are followed, links
    /// below it are not. The paths are relative to it and in ascending order. `nil` if there is no such directory.
    ///
    /// - Parameter enteringAll: also below directories that agents may not enter.
    package func files(below path: String, enteringAll: Bool = false) -> [VirtualFile]? {
        guard let directory = try? inode(at: path), directory.isDirectory else { return nil }
        var files: [VirtualFile] = []
        collect(directory, "", enteringAll, &files)
        return files
    }

    private func collect(
        _ directory: VirtualInode, _ prefix: String, _ enteringAll: Bool, _ files: inout [VirtualFile]
    ) {
        guard enteringAll || directory.isReadable else { return }
        for entry in directory.entries {
            if entry.inode.isFile { files.append(describe(entry.inode, prefix + entry.name)) }
            if entry.inode.isDirectory {
                collect(top(of: entry.inode), "\(prefix)\(entry.name)/", enteringAll, &files)
            }
        }
    }

    private func describe(_ inode: VirtualInode, _ path: String) -> VirtualFile {
        VirtualFile(
            path: path, instance: inode.instance, cells: inode.cells, isReadable: inode.isReadable,
            writers: inode.writersAndMaps, links: inode.links)
    }

    /// `st_dev` and `st_ino` of what a path leads to.
    package func identity(_ path: String) -> (device: UInt64, inode: UInt64)? {
        (try? inode(at: path)).map { ($0.device.number, $0.number) }
    }

    /// mtime and ctime of what a path leads to, in nanoseconds since 1970.
    package func stamps(_ path: String) -> (modified: Int64, changed: Int64)? {
        (try? inode(at: path)).map { ($0.modified, $0.changed) }
    }

    /// The whole tree, one line for each name.
    package func describe() -> String {
        var lines: [String] = []
        describe(root, "", &lines)
        return lines.joined(separator: "\n")
    }

    private func describe(_ directory: VirtualInode, _ prefix: String, _ lines: inout [String]) {
        for entry in directory.entries {
            let inode = top(of: entry.inode)
            let path = "\(prefix)/\(entry.name)"
            let identity = "#\(inode.instance) \(inode.device.number):\(inode.number)"
            let permission = inode.isReadable ? "" : " unreadable"
            switch inode.kind {
            case .file:
                let size = inode.sizeError == 0 ? "\(inode.cells.count)" : "\(inode.cells.count)+\(inode.sizeError)"
                lines.append(
                    "\(path) \(identity) size=\(size) links=\(inode.links) writers=\(inode.writersAndMaps)"
                        + " mtime=\(inode.modified) ctime=\(inode.changed)\(permission)")
            case .link(let target):
                lines.append("\(path) \(identity) -> \(target)")
            case .directory:
                lines.append("\(path)/ \(identity)\(inode === entry.inode ? "" : " mounted")\(permission)")
                describe(inode, path, &lines)
            }
        }
    }
}
