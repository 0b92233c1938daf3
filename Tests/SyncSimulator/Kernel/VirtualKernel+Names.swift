import SystemPackage

/// Directories and names.
extension VirtualKernel {
    /// Carries out `body` and returns its error number.
    func code(_ body: () throws(Errno) -> Void) -> Int32 {
        do throws(Errno) {
            try body()
            return 0
        } catch {
            return error.rawValue
        }
    }

    /// Puts a new name into a directory, which everybody is told of.
    @discardableResult
    func add(_ inode: VirtualInode, _ name: String, to directory: VirtualInode) -> VirtualEntry {
        let entry = VirtualEntry(name, inode)
        inode.links += 1
        directory.insert(entry)
        touch(directory)
        notify(directory, InotifyMask.create, name, isDirectory: inode.isDirectory)
        tellNames(of: inode, at: path(of: entry), isThere: true)
        if inode.isLink { observer?.linksChanged() }
        return entry
    }

    private func vacancy(at path: String) throws(Errno) -> VirtualPlace {
        let place = try place(path, followsLast: false)
        guard !place.name.isEmpty, place.entry == nil else { throw .fileExists }
        return place
    }

    /// Makes a directory, and those above it that are missing (`mkdir -p`). That it is there already is no error.
    @discardableResult
    package func makeDirectory(_ path: String) -> Int32 {
        code { () throws(Errno) in
            var above = ""
            for name in components(path) {
                above += "/" + name
                if let known = try? inode(at: above), known.isDirectory { continue }
                let place = try vacancy(at: above)
                add(makeInode(.directory, on: place.directory.device), place.name, to: place.directory)
            }
        }
    }

    /// Makes a second name of a file.
    @discardableResult
    package func link(_ path: String, as other: String) -> Int32 {
        code { () throws(Errno) in
            let inode = try entry(at: path).inode
            let place = try vacancy(at: other)
            guard !inode.isDirectory else { throw .notPermitted }
            guard inode.device === place.directory.device else { throw .improperLink }
            touchInode(inode)
            add(inode, place.name, to: place.directory)
        }
    }

    /// - Parameter target: absolute, or relative to the directory that holds the link.
    @discardableResult
    package func makeLink(at path: String, to target: String) -> Int32 {
        code { () throws(Errno) in
            let place = try vacancy(at: path)
            add(makeInode(.link(target: target), on: place.directory.device), place.name, to: place.directory)
        }
    }

    /// Makes a symbolic link point elsewhere, by a new link that is renamed over it (`ln -sfn` of some systems).
    @discardableResult
    package func redirectLink(at path: String, to target: String) -> Int32 {
        let other = path + ".new"
        let result = makeLink(at: other, to: target)
        return result == 0 ? rename(other, to: path) : result
    }

    // MARK: Removing

    @discardableResult
    package func unlink(_ path: String) -> Int32 {
        code { () throws(Errno) in
            let entry = try entry(at: path)
            guard !entry.inode.isDirectory else { throw .isDirectory }
            remove(entry)
        }
    }

    @discardableResult
    package func removeDirectory(_ path: String) -> Int32 {
        code { () throws(Errno) in
            let entry = try entry(at: path)
            guard entry.inode.isDirectory else { throw .notDirectory }
            guard entry.inode.covering == nil else { throw .resourceBusy }
            guard entry.inode.entries.isEmpty else { throw .directoryNotEmpty }
            remove(entry)
        }
    }

    /// Removes a directory with everything in it, names in ascending order. Does not cross mounts.
    @discardableResult
    package func removeTree(_ path: String) -> Int32 {
        code { () throws(Errno) in try removeTree(try entry(at: path)) }
    }

    private func removeTree(_ entry: VirtualEntry) throws(Errno) {
        guard entry.inode.covering == nil else { throw .resourceBusy }
        for below in entry.inode.entries { try removeTree(below) }
        remove(entry)
    }

    private func remove(_ entry: VirtualEntry) {
        guard let directory = entry.directory else { return }
        tellNames(of: entry.inode, at: path(of: entry), isThere: false)
        directory.remove(entry)
        entry.inode.links -= 1
        touch(directory)
        touchInode(entry.inode)
        // The end of a directory is told to its own watches first, since nobody else holds it.
        release(entry.inode)
        notify(directory, InotifyMask.delete, entry.name, isDirectory: entry.inode.isDirectory)
        if entry.inode.isLink { observer?.linksChanged() }
    }
}
