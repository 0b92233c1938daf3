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
    /// In the order in which they explain: the narrow ones first.
    package static let all: [KnownBreak] = [
        KnownBreak(
            number: "N-33", words: "`existing` judges by a list that left the file's upload out", rules: [.untrueReason]
        ) { script, violation in
            script.redivis["omits"] != nil && violation.says("though the table has just this upload")
        },
        KnownBreak(
            number: "N-34", words: "after a lost or restored state the agent goes on asking at rest", rules: [.restless]
        ) { script, violation in script.has(.lose, .restore) && violation.says("requests in two minutes") },
        KnownBreak(
            number: "N-36", words: "several agents leave two uploads of one file", rules: [.twiceForGood]
        ) { script, _ in script.agents.count > 1 },
    ]
}

extension Script {
    fileprivate func has(_ verbs: Verb...) -> Bool { steps.contains { verbs.contains($0.verb) } }
}

extension Violation {
    fileprivate func says(_ words: String...) -> Bool { words.contains { self.words.contains($0) } }
}
