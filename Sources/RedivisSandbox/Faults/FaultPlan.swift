import Synchronization

/// Decides for each request whether something goes wrong with it: ``FaultPlan`` by named faults, ``ChaosPlan`` by a
/// seed.
protocol FaultSource: Sendable {
    func fault(at request: RequestClass) -> SandboxFault?
}

/// The named faults in force, each with its own count of matching requests.
final class FaultPlan: FaultSource {
    private struct Waiting {
        var fault: SandboxFault
        var seen = 0
        var fired = 0
    }

    // A mutex, since the two servers' requests come from many tasks, and a count is all that is guarded.
    private let waiting: Mutex<[Waiting]>

    init(_ faults: [SandboxFault]) {
        waiting = Mutex(faults.map { Waiting(fault: $0) })
    }

    func add(_ fault: SandboxFault) {
        waiting.withLock { $0.append(Waiting(fault: fault)) }
    }

    func removeAll() {
        waiting.withLock { $0.removeAll() }
    }

    /// Counts the request for every fault that waits for its class; the first whose turn it is fires.
    func fault(at request: RequestClass) -> SandboxFault? {
        waiting.withLock { list in
            var hit: SandboxFault?
            for index in list.indices where list[index].fault.target.matches(request) {
                list[index].seen += 1
                if hit == nil, list[index].fault.occurrences.contains(list[index].seen) {
                    list[index].fired += 1
                    hit = list[index].fault
                }
            }
            return hit
        }
    }

    /// How often each fault has fired, in the order in which they were set.
    var fired: [(fault: SandboxFault, count: Int)] {
        waiting.withLock { $0.map { ($0.fault, $0.fired) } }
    }
}
