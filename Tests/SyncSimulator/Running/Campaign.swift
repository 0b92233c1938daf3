/// Many worlds, one after the other.
package struct Campaign {
    /// A world that broke a rule.
    package struct Failure: Sendable {
        package let seed: UInt64
        package let profile: Profile
        package let violation: Violation
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
        let verdict = try Trial.run(ScriptGenerator.script(seed: seed, profile: profile), ignoring: ignoring)
        elapsed += verdict.elapsed
        steps += verdict.steps
        guard let violation = verdict.violations.first else { return nil }
        let failure = Failure(seed: seed, profile: profile, violation: violation, worlds: worlds)
        failures.append(failure)
        return failure
    }
}
