/// Many worlds, one after the other.
package struct Campaign {
    /// Whether a world broke a rule in a way that is not known.
    package var hasFoundNew: Bool { failures.contains { $0.known == nil } }

    /// How often each known break was met, by its number, and after how many worlds first.
    package var met: [(number: String, times: Int, first: Int)] {
        let known = Dictionary(grouping: failures.filter { $0.known != nil }) { $0.known?.number ?? "" }
        return known.map { ($0.key, $0.value.count, $0.value.map(\.worlds).min() ?? 0) }.sorted { $0.0 < $1.0 }
    }

    /// A world that broke a rule.
    package struct Failure: Sendable {
        package let seed: UInt64
        package let profile: Profile
        package let violation: Violation
        /// `nil`: it is a new one.
        package let known: KnownBreak?
        /// How many worlds were run up to it.
        package let worlds: Int
    }

    package let profiles: [Profile]
    package let base: UInt64
    package let ignoring: Set<Rule>
    package private(set) var worlds = 0
    /// Virtual nanoseconds.
    package private(set) var elapsed: Int64 = 0
    package private(set) var steps = 0
    package private(set) var failures: [Failure] = []

    package init(profiles: [Profile], base: UInt64, ignoring: Set<Rule> = []) {
        self.profiles = profiles
        self.base = base
        self.ignoring = ignoring
    }

    /// Runs the next world.
    /// - Returns: the failure, where it broke a rule.
    package mutating func runNext() throws -> Failure? {
        let profile = profiles[worlds % profiles.count]
        let seed = base &+ UInt64(worlds / profiles.count)
        worlds += 1
        let script = ScriptGenerator.script(seed: seed, profile: profile)
        let verdict = try Trial.run(script, ignoring: ignoring)
        elapsed += verdict.elapsed
        steps += verdict.steps
        guard let violation = verdict.violations.first else { return nil }
        let failure = Failure(
            seed: seed, profile: profile, violation: violation, known: .explaining(violation, in: script),
            worlds: worlds)
        failures.append(failure)
        return failure
    }
}
