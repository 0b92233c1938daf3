import Glibc
import SyncCore

/// Setting a watch, and its place in the table, in one step under the lock: no event of the new watch can be read
/// before it is known what it stands for.
extension WatchState {
    enum Placement {
        /// Was watched at this path before.
        case known
        case placed
        /// The same directory is in the table at other paths of this folder: it is to be found out which of them it
        /// has left.
        case contested(by: [[UInt8]])
        /// It is a directory above itself: a bind mount.
        case leadsBack
        /// The directory above is not in the table (any more); whoever puts it there comes here again.
        case orphan
        case refused(Int32)
    }

    /// - Parameters:
    ///   - directory: what was opened at the path of `visit`.
    ///   - left: those of the other paths at which the directory is not any more; `nil` where nobody has looked.
    mutating func place(
        _ visit: Visit, directory: Int32, left: Set<[UInt8]>?, _ system: InotifySystem
    ) -> Placement {
        guard instance >= 0, folders[visit.folder] != nil else { return .orphan }
        guard !visit.path.isEmpty else { return placeRoot(visit.folder, directory, system) }
        let (above, name) = Self.split(visit.path)
        guard let parent = table.node(at: above, in: visit.folder) else { return .orphan }
        let watch = addWatch(directory, KernelEvent.directoryMask, system)
        if let child = table.child(of: parent, name) {
            if table.watch(of: child) == watch { return .known }
            drop(child)
        }
        guard watch >= 0 else { return .refused(-watch) }
        let others = table.owners(of: watch).filter { table.folder(of: $0) == visit.folder }
        guard let left else {
            guard others.isEmpty else { return .contested(by: others.map { table.path(of: $0) }) }
            insert(visit, name, under: parent, watch)
            return .placed
        }
        for other in others where table.isAlive(other, watch: watch) && left.contains(table.path(of: other)) {
            drop(other)
        }
        // The directory above may have gone with them, where the table had it below what is now below it.
        guard let parent = table.node(at: above, in: visit.folder) else { return .orphan }
        if table.owners(of: watch).contains(where: { table.lies(parent, within: $0) }) { return .leadsBack }
        insert(visit, name, under: parent, watch)
        return .placed
    }

    private static func split(_ path: [UInt8]) -> (above: ArraySlice<UInt8>, name: [UInt8]) {
        guard let last = path.lastIndex(of: UInt8(ascii: "/")) else { return ([], path) }
        return (path[..<last], Array(path[(last + 1)...]))
    }

    private mutating func placeRoot(
        _ folder: WatchTable.Folder, _ directory: Int32, _ system: InotifySystem
    ) -> Placement {
        let watch = addWatch(directory, KernelEvent.folderMask, system)
        if let root = table.root(of: folder) {
            if table.watch(of: root) == watch { return .known }
            drop(root)
        }
        guard watch >= 0 else { return .refused(-watch) }
        _ = table.insertRoot(of: folder, watch: watch)
        discards.remove(watch)
        folders[folder]?.unwatched.remove([])
        return .placed
    }

    private mutating func insert(
        _ visit: Visit, _ name: [UInt8], under parent: WatchTable.Node, _ watch: WatchTable.Watch
    ) {
        _ = table.insert(name, under: parent, watch: watch)
        discards.remove(watch)
        folders[visit.folder]?.unwatched.remove(visit.path)
    }

    /// Where there is no room, what is not needed any more makes some.
    private mutating func addWatch(_ directory: Int32, _ mask: UInt32, _ system: InotifySystem) -> Int32 {
        var watch = system.addWatch(instance, directory, mask)
        while watch == -ENOSPC, !discards.isEmpty {
            giveBackDiscards(atMost: 256, system)
            watch = system.addWatch(instance, directory, mask)
        }
        return watch
    }
}
