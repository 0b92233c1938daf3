import Glibc
import SyncCore

/// What the kernel does not tell of, and what could not be watched, looked at again on the thread that lists.
extension WatchCenter {
    private func known() -> [(id: WatchTable.Folder, folder: WatchedFolder)] {
        state.withLock { state in
            state.folders.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        }
    }

    /// Something was mounted or unmounted. A bind mount goes without a word to the watches on its directories.
    func verifyFolders() {
        let mountinfo = system.mounts()
        for (id, folder) in known() where folder.fileSystemGap == nil {
            switch OpenedDirectory([], below: folder.path, that: folder.identity, system.directories) {
            case .open(let descriptor):
                system.directories.close(descriptor)
                let mounts = MountPoints.below(folder.realPath, in: mountinfo)
                guard mounts != folder.mounts else { continue }
                state.withLock { state in
                    state.folders[id]?.mounts = mounts
                    state.requestWalk(of: id, .mountsChanged)
                }
            case .folderMissing:
                state.withLock { $0.depart(id, .missing) }
            case .folderReplaced:
                state.withLock { $0.depart(id, .replaced) }
            case .failed:
                break
            }
        }
    }

    func retry() {
        state.withLock { state in
            let lacked = state.instance < 0
            start(&state)
            guard lacked, state.instance >= 0 else { return }
            for folder in state.folders.keys.sorted() { state.requestWalk(of: folder, .watchesRestored) }
        }
        for (id, folder) in known() where folder.walk == nil && folder.fileSystemGap == nil {
            let (count, some) = (folder.unwatched.count, folder.unwatched.some)
            if some.isEmpty && count > 0 || some.contains(where: { hasRoom(for: $0, of: folder) }) {
                state.withLock { $0.requestWalk(of: id, .watchesRestored) }
            } else {
                retrySetAside(id, folder.nextToRetry())
            }
        }
    }

    private func retrySetAside(_ folder: WatchTable.Folder, _ paths: [[UInt8]]) {
        state.withLock { state in
            state.folders[folder]?.retriedUpTo = paths.last ?? []
            for path in paths {
                state.folders[folder]?.setAside[path] = nil
                var visit = Visit(folder: folder, path: path)
                (visit.isForced, visit.tells) = (true, true)
                state.add(visit)
            }
        }
    }

    /// Whether one of the directories that are not watched could be by now; where it is gone, the walk finds others.
    private func hasRoom(for path: [UInt8], of folder: WatchedFolder) -> Bool {
        switch OpenedDirectory(path, below: folder.path, that: folder.identity, system.directories) {
        case .open(let descriptor):
            defer { system.directories.close(descriptor) }
            return hasRoom(for: descriptor)
        case .failed(let code):
            return FolderTrouble.isGone(code)
        case .folderMissing, .folderReplaced:
            return true
        }
    }

    private func hasRoom(for descriptor: Int32) -> Bool {
        if FileSystemType(number: system.fileSystem(descriptor)).isRemote { return false }
        return state.withLock { state in
            guard state.instance >= 0 else { return false }
            let watch = system.addWatch(state.instance, descriptor, KernelEvent.directoryMask)
            if watch >= 0, !state.table.isOwned(watch) { _ = system.removeWatch(state.instance, watch) }
            return watch >= 0
        }
    }
}
