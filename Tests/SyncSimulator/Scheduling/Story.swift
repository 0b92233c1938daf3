/// What happens in a world, step by step: always as a hash, in words only where somebody reads them.
package final class Story: @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.

    package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    private let scheduler: SeededScheduler
    private let tell: ((String) -> Void)?

    /// - Parameter tell: gets each line; `nil`: no words are made.
    package init(_ scheduler: SeededScheduler, tell: ((String) -> Void)? = nil) {
        self.scheduler = scheduler
        self.tell = tell
    }

    package var isTold: Bool { tell != nil }

    /// - Parameters:
    ///   - who: whose doing it is.
    ///   - what: a constant for the kind of event; the words add the rest.
    package func note(_ who: String, _ what: StaticString, _ words: @autoclosure () -> String = "") {
        mix(UInt64(bitPattern: scheduler.elapsed))
        mix(UInt64(scheduler.steps))
        what.withUTF8Buffer { for byte in $0 { mix(UInt64(byte)) } }
        guard let tell else { return }
        let text = words()
        tell("\(Self.time(scheduler.elapsed)) \(who): \(what)\(text.isEmpty ? "" : " ")\(text)")
    }

    package func mix(_ value: UInt64) { hash = (hash ^ value) &* 0x100_0000_01B3 }

    /// Seconds with their thousandths.
    package static func time(_ nanoseconds: Int64) -> String {
        let milliseconds = nanoseconds / 1_000_000
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)s"
    }
}
