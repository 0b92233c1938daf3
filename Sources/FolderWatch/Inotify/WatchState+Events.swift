import Glibc
import SyncCore

/// What the kernel's events mean. No system call is made here.
///
/// The kernel tells the past, and a visit sees the present: by the time an event is read, the names in it may belong
/// to something else, which a visit has long put into the table. So no event of a directory's name changes the table;
/// each brings a visit of that name, and only visits say what is where. Whatever a visit saw that changes afterwards
/// brings another, since the directory above is watched before it is listed; and a directory above that is not
/// watched yet is listed when it is. The last visit of every name sees what stays.
extension WatchState {
    mutating func handle(_ event: KernelEvent) {
        guard !event.has(IN_Q_OVERFLOW) else { return noteOverflow() }
        statistics.eventsRead += 1
        for node in table.owners(of: event.watch) where table.isAlive(node, watch: event.watch) {
            if event.name.isEmpty {
                handleSelf(event, node)
            } else {
                handle(event, in: node)
            }
        }
    }

    // MARK: The watched directory itself

    private mutating func handleSelf(_ event: KernelEvent, _ node: WatchTable.Node) {
        let folder = table.folder(of: node)
        if table.isRoot(node) {
            if event.has(IN_UNMOUNT) {
                depart(folder, .unmounted)
            } else if event.has(IN_MOVE_SELF) {
                depart(folder, .moved)
            } else if event.has(IN_DELETE_SELF) || event.has(IN_IGNORED) {
                depart(folder, .deleted)
            }
        } else if event.has(IN_UNMOUNT) {
            // What was there is not gone; and what was hidden by the mount is there now.
            var visit = Visit(folder: folder, path: table.path(of: node))
            (visit.isForced, visit.tells) = (true, true)
            drop(node)
            add(visit)
            requestWalk(of: folder, .mountsChanged)
        } else if event.has(IN_IGNORED) {
            drop(node)
        }
    }

    // MARK: A name in it

    private mutating func handle(_ event: KernelEvent, in node: WatchTable.Node) {
        let directory = table.path(of: node)
        let bytes = directory.isEmpty ? event.name : directory + [UInt8(ascii: "/")] + event.name
        guard let path = RelativePath(bytes: bytes) else { return }
        let folder = table.folder(of: node)
        if event.has(IN_ISDIR) {
            guard folders[folder]?.isRecursive == true else { return }
            handleDirectory(event, path, in: node, of: folder)
        } else if event.has(IN_CLOSE_WRITE) {
            tell(.closedAfterWriting(path), in: folder)
        } else if event.has(IN_MOVED_TO) {
            tell(.movedIn(path), in: folder)
        } else if event.has(IN_CREATE) {
            tell(.appeared(path), in: folder)
        } else if event.has(IN_DELETE) {
            tell(.deleted(path), in: folder)
        } else if event.has(IN_MOVED_FROM) {
            tell(.movedAway(path), in: folder)
        }
    }

    private mutating func handleDirectory(
        _ event: KernelEvent, _ path: RelativePath, in node: WatchTable.Node, of folder: WatchTable.Folder
    ) {
        var visit = Visit(folder: folder, path: path.bytes)
        visit.tells = true
        // What is created is empty. What moves may have been visited under another path, or have hidden from a visit.
        visit.isForced = !event.has(IN_CREATE)
        if event.has(IN_DELETE) {
            tell(.directoryGone(path), in: folder)
            // Nearly always removed already: its watch has ended by itself (IN_IGNORED).
            if table.child(of: node, event.name) == nil, folders[folder]?.unwatched.count == 0 { return }
        } else if event.has(IN_MOVED_FROM) {
            noteLeaving(path, MoveKey(folder: folder, cookie: event.cookie))
        } else if event.has(IN_MOVED_TO) {
            let other = moves.removeValue(forKey: MoveKey(folder: folder, cookie: event.cookie))
            if let other { tell(.directoryMoved(from: other.from, to: path), in: folder) }
        }
        add(visit)
    }

    private mutating func noteLeaving(_ path: RelativePath, _ key: MoveKey) {
        // The same move seen by two names of one directory (a folder mounted within itself): only one can be paired.
        guard moves[key] == nil else { return tell(.directoryGone(path), in: key.folder) }
        moves[key] = HalfMove(from: path, read: reads)
    }

    /// Directories of which no second half has come are not in their folder any more. The kernel queues both halves
    /// one after the other, but not in one piece (`man 7 inotify`): `isQuiet` says that nothing was left to read.
    mutating func expireMoves(isQuiet: Bool) {
        reads &+= 1
        guard !moves.isEmpty else { return }
        for (key, move) in movesInOrder where isQuiet || reads &- move.read > 8 {
            moves[key] = nil
            tell(.directoryGone(move.from), in: key.folder)
        }
    }

    // MARK: Too much

    mutating func add(_ visit: Visit) {
        agenda.add(visit)
        guard agenda.urgentCount > Agenda.mostUrgent else { return }
        agenda.removeAll(of: visit.folder)
        requestWalk(of: visit.folder, .manyDirectories)
    }

    /// Whatever was dropped may have been a directory, so all are gone through before the scan is asked for.
    private mutating func noteOverflow() {
        statistics.overflows += 1
        for (key, move) in movesInOrder { tell(.directoryGone(move.from), in: key.folder) }
        moves = [:]
        for folder in folders.keys.sorted() { requestWalk(of: folder, .overflow) }
    }

    /// One order for all runs, so that a run can be repeated from its seed.
    private var movesInOrder: [(key: MoveKey, value: HalfMove)] {
        moves.sorted { ($0.key.cookie, $0.key.folder) < ($1.key.cookie, $1.key.folder) }
    }
}
