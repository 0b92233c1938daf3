import SyncTestSupport

/// Chance in streams: what one part of a world draws does not depend on how often another part does, so that a world
/// from which something is left out stays as it was in the rest.
package struct Chance: Sendable {
    private let seed: UInt64

    package init(seed: UInt64) {
        self.seed = seed
    }

    /// The stream of that name; the same one each time.
    package func stream(_ name: String, _ number: Int = 0) -> SeededRandom {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        var mixer = SeededRandom(seed: seed ^ hash &+ UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15)
        return SeededRandom(seed: mixer.next())
    }
}

extension SeededRandom {
    /// True in so many of a hundred cases.
    package mutating func percent(_ share: Int) -> Bool { Int(next(upperBound: UInt(100))) < share }

    package mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    package mutating func pick<Element>(_ elements: [Element]) -> Element { elements[number(0...elements.count - 1)] }

    /// By weight.
    package mutating func pick<Element>(weighed elements: [(Int, Element)]) -> Element {
        var left = number(0...elements.reduce(-1) { $0 + $1.0 })
        for (weight, element) in elements {
            if left < weight { return element }
            left -= weight
        }
        return elements[elements.count - 1].1
    }

    /// From 0..<1.
    package mutating func fraction() -> Double { Double(next() >> 11) / Double(1 << 53) }
}
