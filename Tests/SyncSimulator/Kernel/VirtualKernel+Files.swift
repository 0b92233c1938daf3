import SystemPackage

/// A file that a program has open for writing.
package final class VirtualWriter {
    private let kernel: VirtualKernel
    private let entry: VirtualEntry
    package private(set) var isOpen = true

    init(_ kernel: VirtualKernel, _ entry: VirtualEntry) {
        self.kernel = kernel
        self.entry = entry
        kernel.open(entry.inode)
        entry.inode.writers += 1
    }

    /// The file's inode, by the serial that is never used twice.
    package var instance: UInt64 { entry.inode.instance }
    /// In cells.
    package var size: Int { entry.inode.cells.count }

    /// Writes at an offset in cells. What lies between the end and the offset is filled with zeros.
    @discardableResult
    package func write(_ cells: [UInt8], at offset: Int) -> Int32 {
        change { content in
            if content.count < offset + cells.count {
                content += repeatElement(0, count: offset + cells.count - content.count)
            }
            content.replaceSubrange(offset..<(offset + cells.count), with: cells)
        }
    }

    @discardableResult
    package func append(_ cells: [UInt8]) -> Int32 { change { $0 += cells } }

    /// Makes the file as long as said, in cells; cells that are added are zeros.
    @discardableResult
    package func truncate(to count: Int) -> Int32 {
        change { $0 = Array($0.prefix(count)) + repeatElement(0, count: max(0, count - $0.count)) }
    }

    private func change(_ body: (inout [UInt8]) -> Void) -> Int32 {
        guard isOpen else { return Errno.badFileDescriptor.rawValue }
        body(&entry.inode.cells)
        kernel.touch(entry.inode)
        kernel.tellContent(entry.inode)
        return 0
    }

    @discardableResult
    package func close() -> Int32 {
        guard isOpen else { return Errno.badFileDescriptor.rawValue }
        isOpen = false
        kernel.release(entry, from: \.writers)
        return 0
    }
}

/// A writable mapping of a file into a program's memory (`man 2 mmap`, MAP_SHARED).
package final class VirtualMap {
    private let kernel: VirtualKernel
    private let entry: VirtualEntry
    package private(set) var isOpen = true

    init(_ kernel: VirtualKernel, _ entry: VirtualEntry) {
        self.kernel = kernel
        self.entry = entry
        kernel.open(entry.inode)
        entry.inode.maps += 1
        kernel.tellWriters(entry.inode)
    }

    package var instance: UInt64 { entry.inode.instance }

    /// Changes the content without a stamp or an event. Cells beyond the end of the file are lost.
    @discardableResult
    package func store(_ cells: [UInt8], at offset: Int) -> Int32 {
        guard isOpen else { return Errno.badFileDescriptor.rawValue }
        for (index, cell) in cells.enumerated() where offset + index < entry.inode.cells.count {
            entry.inode.cells[offset + index] = cell
        }
        kernel.tellContent(entry.inode)
        return 0
    }

    /// The kernel closes the file that was mapped only now.
    @discardableResult
    package func unmap() -> Int32 {
        guard isOpen else { return Errno.badFileDescriptor.rawValue }
        isOpen = false
        kernel.release(entry, from: \.maps)
        return 0
    }
}

extension VirtualKernel {
    /// Opens a file for writing.
    ///
    /// - Returns: the writer, or `nil` and an error number.
    package func openWriter(
        _ path: String, truncates: Bool, creates: Bool = true, isExclusive: Bool = false
    ) -> (writer: VirtualWriter?, code: Int32) {
        do throws(Errno) {
            return (try open(path, truncates: truncates, creates: creates, isExclusive: isExclusive), 0)
        } catch {
            return (nil, error.rawValue)
        }
    }

    private func open(
        _ path: String, truncates: Bool, creates: Bool, isExclusive: Bool
    ) throws(Errno) -> VirtualWriter {
        let place = try place(path, followsLast: !isExclusive)
        guard !place.name.isEmpty else { throw .isDirectory }
        guard let entry = place.entry else {
            guard creates else { throw .noSuchFileOrDirectory }
            return create(place)
        }
        if creates, isExclusive { throw .fileExists }
        guard entry.inode.isFile else { throw .isDirectory }
        let writer = VirtualWriter(self, entry)
        tellWriters(entry.inode)
        if truncates { writer.truncate(to: 0) }
        return writer
    }

    private func create(_ place: VirtualPlace) -> VirtualWriter {
        let inode = makeInode(.file, on: place.directory.device)
        // The entry must be there before anybody is told of it, and the content before the name.
        inode.writers += 1
        tellContent(inode)
        inode.writers -= 1
        return VirtualWriter(self, add(inode, place.name, to: place.directory))
    }

    /// What held the file open for writing is gone.
    fileprivate func release(_ entry: VirtualEntry, from count: ReferenceWritableKeyPath<VirtualInode, Int>) {
        entry.inode[keyPath: count] -= 1
        tellWriters(entry.inode)
        notifyClosed(entry)
        close(entry.inode)
    }

    private func notifyClosed(_ entry: VirtualEntry) {
        guard let directory = entry.directory else { return }
        notify(directory, InotifyMask.closeWrite, entry.name, isDirectory: false, isLinked: entry.isLinked)
    }

    // MARK: In one go

    /// Opens (and creates), truncates, writes and closes.
    @discardableResult
    package func writeFile(_ path: String, _ cells: [UInt8]) -> Int32 {
        withWriter(path, truncates: true) { writer in if !cells.isEmpty { writer.append(cells) } }
    }

    @discardableResult
    package func appendFile(_ path: String, _ cells: [UInt8]) -> Int32 {
        withWriter(path, truncates: false) { $0.append(cells) }
    }

    /// Writes over the content of an inode, which never gets shorter than both contents on the way.
    @discardableResult
    package func rewriteInPlace(_ path: String, _ cells: [UInt8]) -> Int32 {
        withWriter(path, truncates: false, creates: false) { writer in
            writer.write(cells, at: 0)
            if writer.size > cells.count { writer.truncate(to: cells.count) }
        }
    }

    /// Writes a new file under a temporary name in the same directory and renames it over the old one.
    @discardableResult
    package func replaceByRename(_ path: String, _ cells: [UInt8]) -> Int32 {
        let names = components(path)
        guard let name = names.last else { return Errno.isDirectory.rawValue }
        let temporary = "/" + (names.dropLast() + [".\(name).tmp"]).joined(separator: "/")
        let result = writeFile(temporary, cells)
        return result == 0 ? rename(temporary, to: path) : result
    }

    private func withWriter(
        _ path: String, truncates: Bool, creates: Bool = true, _ body: (VirtualWriter) -> Void
    ) -> Int32 {
        let (writer, code) = openWriter(path, truncates: truncates, creates: creates)
        guard let writer else { return code }
        body(writer)
        return writer.close()
    }

    // MARK: Maps and attributes

    package func mapWritable(_ path: String) -> (map: VirtualMap?, code: Int32) {
        do throws(Errno) {
            let place = try place(path, followsLast: true)
            guard let entry = place.entry else { throw place.name.isEmpty ? .isDirectory : .noSuchFileOrDirectory }
            guard entry.inode.isFile else { throw .isDirectory }
            return (VirtualMap(self, entry), 0)
        } catch {
            return (nil, error.rawValue)
        }
    }

    /// Whether agents may read a file, or list and enter a directory. ctime moves.
    @discardableResult
    package func setReadable(_ isReadable: Bool, _ path: String) -> Int32 {
        code { () throws(Errno) in
            let inode = try inode(at: path)
            inode.isReadable = isReadable
            touchInode(inode)
        }
    }

    /// mtime and ctime are now.
    @discardableResult
    package func touch(_ path: String) -> Int32 {
        code { () throws(Errno) in
            let inode = try inode(at: path)
            touch(inode)
            observer?.modificationTimeSet(of: inode.instance)
        }
    }

    /// Sets mtime, in nanoseconds since 1970; ctime is now (`man 2 utimensat`).
    ///
    /// Only file systems with seconds round what is set: the clock behind stamps is coarse, what they store is not.
    @discardableResult
    package func setModified(_ path: String, to modified: Int64) -> Int32 {
        code { () throws(Errno) in
            let inode = try inode(at: path)
            inode.modified = inode.device.granularity >= 1_000_000_000 ? inode.device.stamp(modified) : modified
            touchInode(inode)
            observer?.modificationTimeSet(of: inode.instance)
        }
    }

    /// From now on `stat` says that the file has so many cells more (or fewer) than can be read.
    @discardableResult
    package func setStatError(_ cells: Int, _ path: String) -> Int32 {
        code { () throws(Errno) in try file(at: path).sizeError = cells }
    }
}
