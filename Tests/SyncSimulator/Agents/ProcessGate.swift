import SyncCore
import SyncTestSupport

/// Where virtual time passes between an agent and its machine.
final class ProcessGate: KernelGate, @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.

    enum Place { case queue, kernel }

    private let scheduler: SeededScheduler
    private let owner: SeededScheduler.Owner
    private var random: SeededRandom
    /// How many times slower than usual the disk is.
    private let slowness: Int64

    init(_ scheduler: SeededScheduler, owner: SeededScheduler.Owner, chance: Chance, slowness: Int) {
        self.slowness = Int64(max(slowness, 1))
        self.scheduler = scheduler
        self.owner = owner
        random = chance.stream("gate", owner)
    }

    func pass(_ call: KernelCall, _ path: RelativePath?) async throws(Failure) { await pause(.kernel) }

    func answer(_ call: KernelCall, _ path: RelativePath?) async throws(Failure) { await pause(.kernel) }

    /// Most calls take no time at all, some a few milliseconds, a few as long as a busy disk likes.
    func pause(_ place: Place) async {
        let draw = random.number(0...99)
        guard draw < 25 else { return }
        let longest: Int64 = draw == 0 ? 400_000_000 : draw < 5 ? 40_000_000 : 3_000_000
        await sleep(Int64.random(in: 0...longest, using: &random) * (place == .kernel ? slowness : 1))
    }

    /// Not cancelled: a system call that was begun comes to its end.
    func sleep(_ nanoseconds: Int64) async {
        // Unsafe: one of a process that is killed is never resumed.
        await withUnsafeContinuation { continuation in
            scheduler.after(nanoseconds, of: owner) { continuation.resume() }
        }
    }
}
