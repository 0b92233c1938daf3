import Synchronization

/// Faults at a share of all requests, drawn from ``ChaosCatalogue``.
///
/// What happens to the n-th request of a class depends on the seed, the class and n alone, so that one seed is one plan
/// for each class, whatever the time and whatever the other classes meet.
final class ChaosPlan: FaultSource {
    let chaos: SandboxChaos
    // A mutex, since the two servers' requests come from many tasks, and a count is all that is guarded.
    private let seen = Mutex<[RequestClass: Int]>([:])

    init(_ chaos: SandboxChaos) { self.chaos = chaos }

    func fault(at request: RequestClass) -> SandboxFault? {
        let count = seen.withLock { seen in
            seen[request, default: 0] += 1
            return seen[request, default: 0]
        }
        return fault(at: request, count: count)
    }

    /// What happens to the request of this class with this number, counted from 1.
    func fault(at request: RequestClass, count: Int) -> SandboxFault? {
        text(at: request, count: count).flatMap { try? SandboxFault("\(request.rawValue):\(count):\($0)") }
    }

    /// The same in the text form of its action.
    func text(at request: RequestClass, count: Int) -> String? {
        var dice = Dice(seed: chaos.seed, request: request, count: count)
        var drawn = Int(dice.below(UInt64(ChaosCatalogue.whole)))
        for entry in ChaosCatalogue.entries(request) {
            drawn -= entry.parts
            guard drawn < 0 else { continue }
            guard chaos.makesTwins || !entry.makesTwins else { return nil }
            return entry.text(chaos, &dice)
        }
        return nil
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
    struct Dice {
        private var state: UInt64

        init(seed: UInt64, request: RequestClass, count: Int) {
            // FNV-1a over the class's name, so that the order of the classes does not matter.
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            for byte in request.rawValue.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            state = seed
            state = next() ^ hash
            state = next() ^ UInt64(bitPattern: Int64(count))
        }

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }

        /// Evenly from 0 to `bound` - 1.
        mutating func below(_ bound: UInt64) -> UInt64 { bound == 0 ? 0 : next() % bound }
    }
}
