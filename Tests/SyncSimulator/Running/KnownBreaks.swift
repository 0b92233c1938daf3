/// Breaks that are known and not fixed yet. A world that breaks a rule in such a way is counted and does not fail a run;
/// whoever fixes one takes its mark away here, and the worlds hold the fix.
///
/// A mark is a rule and what the world has to have for it, so it is coarser than the fault: a new fault with the same
/// look hides behind it until then.
package struct KnownBreak: Sendable {
    /// P-01 to P-23 are the breaks that a review found first; N-… were found here.
    package let number: String
    package let words: String
    let rules: Set<Rule>
    let matches: @Sendable (Script, Violation) -> Bool

    /// The known break that a violation shows; `nil`: it is a new one.
    package static func explaining(_ violation: Violation, in script: Script) -> KnownBreak? {
        all.first { $0.rules.contains(violation.rule) && $0.matches(script, violation) }
    }
}

extension KnownBreak {
    /// In the order in which they explain: the narrow ones first. None is known at present.
    package static let all: [KnownBreak] = []
}
