import SyncCore
import Synchronization

/// Where those wait who want a folder to be looked through once more: told of the scans by the engine's own reports.
final class ScanDesk: Sendable {
    private struct Waiter {
        let number: UInt64
        let answer: CheckedContinuation<Bool, Never>
    }

    private struct Folder {
        /// For a scan that has not begun.
        var waiting: [Waiter] = []
        /// For the end of the one that has.
        var scanned: [Waiter] = []
        var isAbsent = false
    }

    private struct State {
        var folders: [MappingID: Folder] = [:]
        var numbers: UInt64 = 0
        var cancelled: Set<UInt64> = []
    }

    // The engine reports from any of its tasks and must not wait for an actor's turn.
    private let state = Mutex(State())

    /// An observer that tells this desk first.
    func listening(_ observer: @escaping EngineObserver) -> EngineObserver {
        { report in
            self.note(report)
            observer(report)
        }
    }

    private func note(_ report: EngineReport) {
        if case .folderState(let mapping, .scanning) = report {
            begin(mapping)
        } else if case .folderState(let mapping, .unmounted) = report {
            end(mapping, isAbsent: true)
        } else if case .folderProblem(let mapping, _) = report {
            end(mapping, isAbsent: false)
        } else if case .scanned(let mapping, _) = report {
            scanned(mapping)
        }
    }

    private func begin(_ mapping: MappingID) {
        state.withLock { state in
            var folder = state.folders[mapping] ?? Folder()
            folder.isAbsent = false
            folder.scanned += folder.waiting
            folder.waiting = []
            state.folders[mapping] = folder
        }
    }

    private func scanned(_ mapping: MappingID) {
        let done = state.withLock { state in
            defer { state.folders[mapping]?.scanned = [] }
            return state.folders[mapping]?.scanned ?? []
        }
        for waiter in done { waiter.answer.resume(returning: true) }
    }

    /// There is no scan that could be waited for.
    private func end(_ mapping: MappingID, isAbsent: Bool) {
        let done = state.withLock { state in
            let folder = state.folders[mapping] ?? Folder()
            state.folders[mapping] = Folder(isAbsent: isAbsent)
            return folder.waiting + folder.scanned
        }
        for waiter in done { waiter.answer.resume(returning: false) }
    }

    /// Nobody looks after the folders of other mappings any more.
    func keep(only mappings: Set<MappingID>) {
        let gone = state.withLock { $0.folders.keys.filter { !mappings.contains($0) } }
        for mapping in gone { end(mapping, isAbsent: false) }
        state.withLock { state in
            for mapping in gone { state.folders[mapping] = nil }
        }
    }

    /// Returns at the end of a scan that begins after this was called.
    ///
    /// - Parameter scan: asks for one.
    /// - Returns: whether the folder could be scanned; `false` too where the task is cancelled.
    func scan(_ mapping: MappingID, asking scan: @escaping @Sendable () async -> Void) async -> Bool {
        let number = state.withLock { state in
            state.numbers += 1
            return state.numbers
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isAnswered = state.withLock { state in
                    var folder = state.folders[mapping] ?? Folder()
                    let isOver = state.cancelled.remove(number) != nil || folder.isAbsent
                    if !isOver { folder.waiting.append(Waiter(number: number, answer: continuation)) }
                    state.folders[mapping] = folder
                    return isOver
                }
                if isAnswered { continuation.resume(returning: false) } else { Task { await scan() } }
            }
        } onCancel: {
            cancel(number, mapping)
        }
    }

    private func cancel(_ number: UInt64, _ mapping: MappingID) {
        let waiter = state.withLock { state -> Waiter? in
            var folder = state.folders[mapping] ?? Folder()
            let all = folder.waiting + folder.scanned
            folder.waiting.removeAll { $0.number == number }
            folder.scanned.removeAll { $0.number == number }
            state.folders[mapping] = folder
            let waiter = all.first { $0.number == number }
            // It may not have come to its place yet.
            if waiter == nil { state.cancelled.insert(number) }
            return waiter
        }
        waiter?.answer.resume(returning: false)
    }
}
