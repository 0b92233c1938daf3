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
<<<<<<< HEAD
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
=======
            number: "N-32", words: "an address that two uploads share takes off the other agent's",
            rules: [.untrueReason]
        ) { script, violation in
            script.agents.count > 1 && script.redivis.flag("name-uris", false) && violation.says("contentDiffers")
        },
        KnownBreak(
            number: "P-07", words: "an upload that may not be taken off closes its table again and again",
            rules: [.notDelivered, .neverEnds, .restless, .journalTooLong, .readTooMuch]
        ) { script, violation in
            script.redivis.flag("no-deletes", false)
                || script.hasFault(of: [.deletes, .all]) && violation.says("withdrawing", "403", "400")
        },
        KnownBreak(
            number: "P-03", words: "two agents take off each other's upload", rules: [.claimedDelivered]
        ) { script, violation in script.agents.count > 1 && violation.says("no more, and no person took it off") },
        KnownBreak(
            number: "N-27", words: "a name that our own upload has is taken for somebody else's", rules: [.untrueReason]
        ) { _, violation in violation.says("nameTaken") },
        KnownBreak(
            number: "P-15", words: "an adopted upload is checked against another of the same name",
            rules: [.untrueReason]
        ) { _, violation in violation.says("the table has just this upload") },
        KnownBreak(
            number: "N-26", words: "`existing: skip` is about a path for ever, and not about a file",
            rules: [.untrueReason]
        ) { _, violation in violation.says("existing: skip") },
        KnownBreak(
            number: "P-02", words: "what a list does not show is taken for removed",
            rules: [
                .untrueReason, .registeredTwice, .sentThoughHeld, .claimedDelivered, .notDelivered, .neverEnds,
                .twiceForGood,
            ]
        ) { script, _ in script.redivis["lag"] != nil || script.redivis["omits"] != nil },
        KnownBreak(
            number: "P-08", words: "a state that was set back posts at once",
            rules: [.registeredTwice, .sentThoughHeld, .twiceForGood, .claimedDelivered, .notDelivered]
        ) { script, _ in script.has(.restore, .lose) },
        KnownBreak(
            number: "P-01", words: "an edited table weakens what a row has to pass",
            rules: [.registeredTwice, .sentThoughHeld]
        ) { script, _ in script.has(.edit) },
        KnownBreak(
            number: "N-31", words: "a change that was adopted and disappears is sent by `retry`, unasked",
            rules: [.sentThoughHeld]
        ) { script, _ in script.agents.count > 1 },
        KnownBreak(
            number: "N-30", words: "two names of one file that settle at once are both registered",
            rules: [.registeredTwice]
        ) { script, _ in script.has(.link) },
        KnownBreak(
            number: "P-04", words: "two agents register one file, and nobody notices", rules: [.twiceForGood]
        ) { script, _ in script.agents.count > 1 },
        KnownBreak(
            number: "P-21", words: "`forget` and `retry` take what is no file",
            rules: [.sentThoughForgotten, .neverEnds, .restless, .journalTooLong, .untrueReason]
        ) { script, _ in script.has(.forget, .retry) },
        KnownBreak(
            number: "P-09", words: "a row whose file system is away is tried again for ever",
            rules: [.neverEnds, .restless, .journalTooLong]
        ) { script, violation in
            violation.says("not mounted")
                || violation.rule != .neverEnds && script.has(.swapAbove, .swapFolder, .repoint)
        },
        KnownBreak(
            number: "P-05", words: "rows wait for one another in a circle",
            rules: [.neverEnds, .notDelivered, .restless]
        ) { _, violation in
            violation.says("waits until delivery", "cells in two minutes", "lines into its journal", "examine")
        },
        KnownBreak(
            number: "P-11", words: "who waits for an older content reads its file again and again",
            rules: [.readTooMuch, .journalTooLong]
        ) { _, _ in true },
        KnownBreak(
            number: "P-20", words: "a move during the import is taken for a hard link", rules: [.untrueReason]
        ) { script, violation in script.has(.move, .exchange) && violation.says("changed") },
        KnownBreak(
            number: "N-24", words: "a file that moves while it is on its way, and fails, is called gone",
            rules: [.notDelivered, .registeredTwice]
        ) { script, violation in script.has(.move, .exchange, .link) && violation.says("gone", "superseded") },
        KnownBreak(
            number: "N-25", words: "a hard link keeps the state of a content that was changed by another name",
            rules: [.notDelivered, .untrueReason]
        ) { script, violation in script.has(.link) && violation.says("delivered", "superseded", "changed") },
>>>>>>> watch
    ]
}

extension Script {
    fileprivate func has(_ verbs: Verb...) -> Bool { steps.contains { verbs.contains($0.verb) } }
}

extension Violation {
    fileprivate func says(_ words: String...) -> Bool { words.contains { self.words.contains($0) } }
}
