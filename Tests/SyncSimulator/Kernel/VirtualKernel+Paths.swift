import SystemPackage

/// Where a path leads.
struct VirtualPlace {
    /// The directory that holds the last name; for the root directory itself, and behind "..", that directory.
    let directory: VirtualInode
    /// Empty if the path ends at `directory` itself.
    let name: String
    /// `nil` if there is nothing of that name.
    let entry: VirtualEntry?
}

extension VirtualKernel {
    private static let mostLinks = 40

    /// Agents ask for the same paths again and again.
    private static let mostKnownPaths = 4096

    func components(_ path: String) -> [String] {
        if let known = knownPaths[path] { return known }
        let components = path.utf8.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
        if knownPaths.count >= Self.mostKnownPaths { knownPaths = [:] }
        knownPaths[path] = components
        return components
    }

    // MARK: Resolution

    /// Follows an absolute path (`man 7 path_resolution`).
    ///
    /// - Parameters:
    ///   - followsLast: whether a symbolic link as the last name is followed.
    ///   - isAgent: whether directories that agents may not enter are in the way.
    func place(_ path: String, followsLast: Bool, isAgent: Bool = false) throws(Errno) -> VirtualPlace {
        guard path.utf8.first == UInt8(ascii: "/") else { throw .invalidArgument }
        var names = components(path)
        var (next, current, links) = (0, root, 0)
        while next < names.count {
            let name = names[next]
            next += 1
            guard current.isDirectory else { throw .notDirectory }
            if isAgent, !current.isReadable { throw .permissionDenied }
            if name == "." { continue }
            if name == ".." {
                current = parent(of: current)
                continue
            }
            let entry = current.entry(named: name)
            if next == names.count, entry.map({ !followsLast || !$0.inode.isLink }) ?? true {
                return VirtualPlace(directory: current, name: name, entry: entry)
            }
            guard let inode = entry?.inode else { throw .noSuchFileOrDirectory }
            guard case .link(let target) = inode.kind else {
                current = top(of: inode)
                continue
            }
            links += 1
            guard links <= Self.mostLinks else { throw .tooManySymbolicLinkLevels }
            if target.utf8.first == UInt8(ascii: "/") { current = root }
            (names, next) = (components(target) + names[next...], 0)
        }
        return VirtualPlace(directory: current, name: "", entry: nil)
    }

    /// What an absolute path names, links followed.
    func inode(at path: String, isAgent: Bool = false) throws(Errno) -> VirtualInode {
        let place = try place(path, followsLast: true, isAgent: isAgent)
        guard !place.name.isEmpty else { return place.directory }
        guard let entry = place.entry else { throw .noSuchFileOrDirectory }
        return top(of: entry.inode)
    }

    /// The entry at a path, the last link not followed.
    func entry(at path: String) throws(Errno) -> VirtualEntry {
        try Self.entry(of: try place(path, followsLast: false))
    }

    static func entry(of place: VirtualPlace) throws(Errno) -> VirtualEntry {
        guard !place.name.isEmpty else { throw .resourceBusy }
        guard let entry = place.entry else { throw .noSuchFileOrDirectory }
        return entry
    }

    func file(at path: String) throws(Errno) -> VirtualInode {
        let inode = try inode(at: path)
        guard inode.isFile else { throw inode.isDirectory ? .isDirectory : .invalidArgument }
        return inode
    }

    /// What lies at a relative path below a directory for an agent; no link is followed (`clinux_open_beneath`).
    func inode(at path: [UInt8], beneath directory: VirtualInode) throws(Errno) -> VirtualInode {
        var current = directory
        var start = 0
        while start < path.count {
            let end = path[start...].firstIndex(of: UInt8(ascii: "/")) ?? path.count
            guard current.isDirectory else { throw current.isLink ? .tooManySymbolicLinkLevels : .notDirectory }
            guard current.isReadable else { throw .permissionDenied }
            guard let entry = current.entry(named: String(decoding: path[start..<end], as: UTF8.self)) else {
                throw .noSuchFileOrDirectory
            }
            current = top(of: entry.inode)
            start = end + 1
        }
        return current
    }

    /// The root of what is mounted over a directory, or the directory.
    func top(of inode: VirtualInode) -> VirtualInode {
        var inode = inode
        while let above = inode.covering?.root { inode = above }
        return inode
    }

    private func parent(of directory: VirtualInode) -> VirtualInode {
        if let above = directory.entry?.directory { return above }
        guard let point = directory.device.point, directory === directory.device.root else { return directory }
        return parent(of: point)
    }

    // MARK: Back to paths

    /// The path of a directory without links; empty for the root, `nil` if it is not in the tree (any more).
    func path(of directory: VirtualInode) -> String? {
        if directory === root { return "" }
        if directory === directory.device.root { return directory.device.point.flatMap { path(of: $0) } }
        guard let entry = directory.entry, entry.isLinked, let above = entry.directory.flatMap({ path(of: $0) })
        else { return nil }
        return above + "/" + entry.name
    }

    /// All files below a directory that can be reached, in the order of their paths.
    func forEachFile(below directory: VirtualInode, _ path: String, _ body: (VirtualEntry, String) -> Void) {
        for entry in directory.entries {
            if entry.inode.isFile { body(entry, path + "/" + entry.name) }
            if entry.inode.isDirectory {
                forEachFile(below: top(of: entry.inode), path + "/" + entry.name, body)
            }
        }
    }

    /// Tells of all files below a directory, or of the one file.
    func tellNames(of inode: VirtualInode, at path: @autoclosure () -> String?, isThere: Bool) {
        guard let observer, !inode.isLink, let path = path() else { return }
        func tell(_ inode: VirtualInode, _ path: String) {
            if isThere {
                observer.nameAppeared(inode.instance, at: path)
            } else {
                observer.nameDisappeared(inode.instance, at: path)
            }
        }
        guard inode.isDirectory else { return tell(inode, path) }
        forEachFile(below: top(of: inode), path) { tell($0.inode, $1) }
    }

    func path(of entry: VirtualEntry) -> String? {
        entry.directory.flatMap { path(of: $0) }.map { $0 + "/" + entry.name }
    }
}

extension VirtualInode {
    var isLink: Bool { if case .link = kind { true } else { false } }
}
