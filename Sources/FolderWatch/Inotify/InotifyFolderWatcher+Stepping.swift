/// The steps of a watcher whose `InotifySystem.threads` is `stepped`. The caller makes one at a time and decides when.
extension InotifyFolderWatcher {
    /// Whether `listOnce` would do something.
    package var hasErrands: Bool {
        switch center.state.withLock({ $0.pending }) {
        case .verifyFolders, .retry, .visit, .giveBack: true
        case .end, nil: false
        }
    }

    /// Opens, watches and lists one directory, or carries out another errand of the lister. Returns `false` if there
    /// is nothing to do.
    package func listOnce() -> Bool { center.listOnce() == .worked }

    /// Takes what one read of the inotify instance filled.
    package func handOn(_ bytes: UnsafeRawBufferPointer) { center.handOn(bytes) }

    /// Gives up on renames of directories whose second half has not come. To be called after each read, and with
    /// `isQuiet` when there was nothing to read for `quietTime`. Returns whether any are still waited for.
    package func expireMoves(isQuiet: Bool) -> Bool { center.expireMoves(isQuiet: isQuiet) }

    /// Says that something was mounted or unmounted.
    package func noteMountsChanged() { center.state.withLockWaking { $0.agenda.verifiesFolders = true } }

    /// How long nothing must come before a directory that left counts as moved out of its folder.
    package static var quietTime: Duration { .milliseconds(Int64(WatchCenter.quietTime)) }
}
