/// What must hold, whatever happens. `docs/testing.md` explains each.
package enum Rule: String, CaseIterable, Hashable, Sendable {
    // After every step.
    case registeredTwice = "registered twice"
    case neverWhole = "registered what no file ever was"
    case sentAgain = "sent again what the server had"
    case sentThoughHeld = "sent what a person is to decide about"
    case sentThoughForgotten = "sent what was forgotten"
    case notSaved = "acted before it was saved"
    case claimedDelivered = "called delivered what is not there"
    case untrueReason = "gave a reason that is not true"
    case secretShown = "showed a secret"
    case tooManyLists = "listed its table too often"
    case gaveUp = "ended by itself"
    case endless = "never came to rest within a moment"
    // Once everything was calm for a while.
    case notDelivered = "left a file where it was, without a reason"
    case neverEnds = "never came to an end with a file"
    case twiceForGood = "left two uploads of one file"
    case restless = "went on working with nothing to do"
    case sentTooMuch = "sent too many bytes"
    case readTooMuch = "read too many bytes"
    case journalTooLong = "wrote too many lines about one file"
}

package struct Violation: Hashable, Sendable {
    package let rule: Rule
    package let words: String
    /// Virtual nanoseconds.
    package let at: Int64
}
