import Glibc
import SyncCore

/// Setting a watch, and its place in the table, in one step under the lock: no event of the new watch can be read
/// before it is known what it stands for.
extension WatchState {
    enum Placement {
        /// Was watched at this path before.
        case known
        case placed
        /// It was in the table elsewhere, with what is below it.
        case placedAnew
        /// The same directory is in the table at another path of this folder.
        case contested(by: [UInt8])
        /// It is a directory above itself: a bind mount.
        case leadsBack
        /// The directory above is not in the table (any more); whoever puts it there comes here again.
        case orphan
        case refused(Int32)
    }

    /// What was found out about a contested directory.
    enum Ruling {
        case none
        /// It can be reached at both paths.
        case shared
        /// It is not at the other path any more.
        case moved(from: [UInt8])
    }

    mutating func place(
        _ visit: Visit, directory: Int32, ruling: Ruling, _ system: InotifySystem
    ) -> Placement {
        guard instance >= 0, folders[visit.folder] != nil else { return .orphan }
        guard let last = visit.path.lastIndex(of: UInt8(ascii: "/")) else {
            return visit.path.isEmpty
                ? placeRoot(visit.folder, directory, system)
                : place(visit, under: table.root(of: visit.folder), visit.path, directory, ruling, system)
        }
        let parent = table.node(at: visit.path[..<last], in: visit.folder)
        return place(visit, under: parent, Array(visit.path[(last + 1)...]), directory, ruling, system)
    }

    private mutating func placeRoot(
        _ folder: WatchTable.Folder, _ directory: Int32, _ system: InotifySystem
    ) -> Placement {
        let watch = system.addWatch(instance, directory, KernelEvent.folderMask)
        guard watch >= 0 else { return .refused(-watch) }
        if let root = table.root(of: folder) {
            if table.watch(of: root) == watch { return .known }
            drop(root)
        }
        _ = table.insertRoot(of: folder, watch: watch)
        discards.remove(watch)
        return .placed
    }

    private mutating func place(
        _ visit: Visit, under parent: WatchTable.Node?, _ name: [UInt8], _ directory: Int32, _ ruling: Ruling,
        _ system: InotifySystem
    ) -> Placement {
        guard let parent else { return .orphan }
        let watch = system.addWatch(instance, directory, KernelEvent.directoryMask)
        guard watch >= 0 else { return .refused(-watch) }
        if let child = table.child(of: parent, name) {
            if table.watch(of: child) == watch { return .known }
            drop(child)
        }
        if let other = table.owners(of: watch).first(where: { table.folder(of: $0) == visit.folder }) {
            switch ruling {
            case .none:
                return .contested(by: table.path(of: other))
            case .shared:
                if table.lies(parent, within: other) { return .leadsBack }
            case .moved(let from):
                // Ruled about another one, and the table has changed since: ask again.
                guard table.path(of: other) == from else { return .contested(by: table.path(of: other)) }
                guard !table.isRoot(other), !table.lies(parent, within: other) else {
                    if !table.isRoot(other) { drop(other) }
                    return .orphan
                }
                table.move(other, to: parent, as: name)
                discards.remove(watch)
                return .placedAnew
            }
        }
        _ = table.insert(name, under: parent, watch: watch)
        discards.remove(watch)
        return .placed
    }
}
