import SyncCore

/// The thread that opens, watches and lists directories. That it is one keeps the table simple: nobody else inserts.
extension WatchCenter {
    private enum Errand {
        case visit(Visit, isOfWalk: Bool)
        case verifyFolders
        case retry
        case again
        case sleep
        case end
    }

    enum ListerStep {
        case worked
        /// There is nothing to do until the lister is woken.
        case idle
        case ended
    }

    func runLister() {
        while true {
            switch listOnce() {
            case .worked: continue
            case .idle: wakesLister.wait()
            case .ended: return threadEnded()
            }
        }
    }

    /// Carries out one errand.
    func listOnce() -> ListerStep {
        switch state.withLock({ nextErrand(&$0) }) {
        case .visit(let visit, let isOfWalk):
            let below = DirectoryVisitor(state: state, system: system, visit: visit).run()
            state.withLock { finish(visit, isOfWalk, below, &$0) }
        case .verifyFolders:
            verifyFolders()
        case .retry:
            retry()
        case .again:
            break
        case .sleep:
            return .idle
        case .end:
            return .ended
        }
        return .worked
    }

    private func nextErrand(_ state: inout WatchState) -> Errand {
        state.agenda.isAsleep = false
        switch state.pending {
        case .end:
            return .end
        case .verifyFolders:
            state.agenda.verifiesFolders = false
            return .verifyFolders
        case .retry:
            state.agenda.retries = false
            return .retry
        case .visit:
            return nextVisit(&state)
        case .giveBack:
            state.giveBackDiscards(atMost: 256, system)
            return .again
        case nil:
            state.agenda.isAsleep = true
            return .sleep
        }
    }

    private func nextVisit(_ state: inout WatchState) -> Errand {
        let walksWait = state.folders.values.contains { $0.walk != nil }
        if state.agenda.isTurnOfWalks(walksWait), let visit = state.takeFromWalks() {
            return .visit(visit, isOfWalk: true)
        }
        if let visit = state.agenda.takeUrgent() { return .visit(visit, isOfWalk: false) }
        return state.takeFromWalks().map { .visit($0, isOfWalk: true) } ?? .again
    }

    private func finish(_ visit: Visit, _ isOfWalk: Bool, _ below: [Visit], _ state: inout WatchState) {
        if isOfWalk {
            state.folders[visit.folder]?.walk?.rest.append(contentsOf: below)
            state.finishWalkIfDone(of: visit.folder, system)
        } else {
            for visit in below { state.add(visit) }
            if state.folders[visit.folder]?.walk == nil { state.tellMode(of: visit.folder, system) }
        }
    }
}

extension WatchState {
    /// A kind of work for the thread that lists.
    enum PendingErrand {
        case end
        case verifyFolders
        case retry
        /// Of a directory, by itself or as part of a walk.
        case visit
        /// Watches that are not needed any more, to the kernel.
        case giveBack
    }

    /// What comes next; `nil`: there is nothing to do.
    var pending: PendingErrand? {
        if isStopping { return .end }
        if agenda.verifiesFolders { return .verifyFolders }
        if agenda.retries { return .retry }
        let hasWalk = folders.values.contains { $0.walk.map { !$0.rest.isEmpty } ?? false }
        if agenda.urgentCount > 0 || hasWalk { return .visit }
        return discards.isEmpty ? nil : .giveBack
    }
}
