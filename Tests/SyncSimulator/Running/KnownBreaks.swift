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
            number: "P-16", words: "more than 100 folders that cannot be read keep `existing` open",
            rules: [.untrueReason, .notDelivered]
        ) { script, violation in script.has(.lock) && violation.says("ignored", "held") },
        KnownBreak(
            number: "N-29", words: "a file system that comes back under another device number has new files",
            rules: [.registeredTwice, .notDelivered, .sentThoughHeld]
        ) { script, _ in script.has(.remount) },
        KnownBreak(
            number: "P-17", words: "the folder's path leads elsewhere, and nobody resolves it again",
            rules: [
                .notDelivered, .untrueReason, .restless, .neverEnds, .readTooMuch, .journalTooLong, .registeredTwice,
                .sentThoughHeld,
            ]
        ) { script, _ in script.has(.swapAbove, .swapFolder, .repoint, .unmount, .mount, .remount) },
        KnownBreak(
            number: "P-19", words: "an exchange with a staged file goes unnoticed", rules: [.notDelivered]
        ) { script, violation in script.has(.exchange) && violation.says("delivered", "never seen") },
        KnownBreak(
            number: "P-10", words: "a scan's older stat undoes what an event told after it",
            rules: [.notDelivered]
        ) { script, violation in
            violation.says("is delivered") && script.world["granularity"] == nil
                && (script.has(.start, .stop, .kill, .power) || script.world["queue"] != nil)
        },
        KnownBreak(
            number: "P-18", words: "a change within the granularity of stamps is not seen",
            rules: [.notDelivered, .neverWhole]
        ) { script, violation in
            violation.says("is delivered", "which no file was")
                && script.has(.write, .rewrite, .store, .append, .shrink, .revert, .refresh, .backdate, .replace)
        },
    ]
}

extension Script {
    fileprivate func has(_ verbs: Verb...) -> Bool { steps.contains { verbs.contains($0.verb) } }
}

extension Violation {
    fileprivate func says(_ words: String...) -> Bool { words.contains { self.words.contains($0) } }
}
