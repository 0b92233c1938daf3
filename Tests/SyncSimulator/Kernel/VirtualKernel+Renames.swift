import SystemPackage

/// `man 2 rename`.
extension VirtualKernel {
    /// Renames a file or directory; what has the new name is replaced.
    @discardableResult
    package func rename(_ path: String, to other: String) -> Int32 {
        code { () throws(Errno) in
            let (from, place) = (try place(path, followsLast: false), try place(other, followsLast: false))
            let entry = try Self.entry(of: from)
            guard !place.name.isEmpty else { throw .resourceBusy }
            // Two names of one file: nothing happens.
            if place.entry?.inode === entry.inode { return }
            try check(entry, place.directory)
            if let victim = place.entry { try check(victim.inode, isReplacedBy: entry) }
            move(entry, place)
        }
    }

    /// Exchanges two names (`man 2 renameat2`, RENAME_EXCHANGE).
    @discardableResult
    package func exchange(_ path: String, with other: String) -> Int32 {
        code { () throws(Errno) in
            let places = (try place(path, followsLast: false), try place(other, followsLast: false))
            let (one, two) = (try Self.entry(of: places.0), try Self.entry(of: places.1))
            guard one.inode !== two.inode, let (first, second) = directories(of: one, two) else { return }
            try check(one, second)
            try check(two, first)
            swap(one, in: first, two, in: second)
        }
    }

    private func directories(of one: VirtualEntry, _ two: VirtualEntry) -> (VirtualInode, VirtualInode)? {
        guard let first = one.directory, let second = two.directory else { return nil }
        return (first, second)
    }

    /// Whether an entry can be moved into a directory.
    private func check(_ entry: VirtualEntry, _ directory: VirtualInode) throws(Errno) {
        guard entry.inode.device === directory.device else { throw .improperLink }
        guard entry.inode.covering == nil else { throw .resourceBusy }
        guard !lies(directory, within: entry.inode) else { throw .invalidArgument }
    }

    private func lies(_ directory: VirtualInode, within ancestor: VirtualInode) -> Bool {
        var current: VirtualInode? = directory
        while let directory = current {
            if directory === ancestor { return true }
            current = directory.entry?.directory
        }
        return false
    }

    private func check(_ victim: VirtualInode, isReplacedBy entry: VirtualEntry) throws(Errno) {
        if let directory = entry.directory, lies(directory, within: victim) { throw .directoryNotEmpty }
        guard victim.covering == nil else { throw .resourceBusy }
        switch (entry.inode.isDirectory, victim.isDirectory) {
        case (true, false): throw .notDirectory
        case (false, true): throw .isDirectory
        case (true, true) where !victim.entries.isEmpty: throw .directoryNotEmpty
        default: break
        }
    }

    private func move(_ entry: VirtualEntry, _ place: VirtualPlace) {
        guard let from = entry.directory else { return }
        let (oldName, victim) = (entry.name, place.entry)
        if let victim {
            tellNames(of: victim.inode, at: path(of: victim), isThere: false)
            place.directory.remove(victim)
            victim.inode.links -= 1
            touchInode(victim.inode)
        }
        tellNames(of: entry.inode, at: path(of: entry), isThere: false)
        from.remove(entry)
        entry.name = place.name
        place.directory.insert(entry)
        tellNames(of: entry.inode, at: path(of: entry), isThere: true)
        for inode in [from, place.directory] { touch(inode) }
        touchInode(entry.inode)
        notifyMove(of: entry.inode, from, oldName, place.directory, place.name)
        if let victim { release(victim.inode) }
        if entry.inode.isLink || victim?.inode.isLink == true { observer?.linksChanged() }
    }

    private func swap(_ one: VirtualEntry, in first: VirtualInode, _ two: VirtualEntry, in second: VirtualInode) {
        let (oneName, twoName) = (one.name, two.name)
        for entry in [one, two] { tellNames(of: entry.inode, at: path(of: entry), isThere: false) }
        first.remove(one)
        second.remove(two)
        (one.name, two.name) = (twoName, oneName)
        second.insert(one)
        first.insert(two)
        for entry in [one, two] { tellNames(of: entry.inode, at: path(of: entry), isThere: true) }
        for inode in [first, second] { touch(inode) }
        for entry in [one, two] { touchInode(entry.inode) }
        notifyMove(of: one.inode, first, oneName, second, twoName)
        notifyMove(of: two.inode, second, twoName, first, oneName)
        if one.inode.isLink || two.inode.isLink { observer?.linksChanged() }
    }

    private func notifyMove(
        of inode: VirtualInode, _ from: VirtualInode, _ oldName: String, _ to: VirtualInode, _ name: String
    ) {
        let cookie = newCookie()
        notify(from, InotifyMask.movedFrom, oldName, isDirectory: inode.isDirectory, cookie: cookie)
        notify(to, InotifyMask.movedTo, name, isDirectory: inode.isDirectory, cookie: cookie)
        notifySelf(inode, InotifyMask.moveSelf)
    }
}
