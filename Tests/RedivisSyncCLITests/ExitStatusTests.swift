import MappingConfig
import SQLiteQueue
import SyncCore
import SystemPackage
import Testing

@testable import RedivisSyncCLI

@Suite struct ExitStatusTests {
    @Test func theNumbersAreThoseOfTheContract() {
        #expect(Status.allCases.map(\.rawValue) == [0, 1, 64, 69, 74, 75, 77, 78])
    }

    @Test(
        arguments: [
            (.transient, .outOfReach), (.throttled, .outOfReach), (.ambiguous, .outOfReach),
            (.unauthorized, .noToken), (.stateUnavailable, .stateUnusable), (.sessionLost, .somethingLeft),
            (.sessionRefused, .somethingLeft), (.forbidden, .somethingLeft), (.rejected, .somethingLeft),
            (.tooLarge, .somethingLeft), (.conflict, .somethingLeft), (.endpointMissing, .somethingLeft),
            (.unreadable, .somethingLeft),
            (.sourceGone, .somethingLeft), (.sourceChanged, .somethingLeft),
        ] as [(Failure.Kind, Status)])
    func everyFailureEndsAsTheContractSays(kind: Failure.Kind, status: Status) {
        let failure = CommandFailure(Failure(kind, "reading the table", hint: "try later"))
        #expect(failure.status == status)
        #expect(failure.text() == "redivis-sync: reading the table; try later\n")
    }

    @Test(
        arguments: [
            (.heldByAnother("/s", processID: 7), .stateHeld), (.heldByAnother("/s", processID: nil), .stateHeld),
            (.missing("/s"), .stateUnusable), (.notADirectory("/s"), .stateUnusable),
            (.openToOthers("/s", mode: 0o755), .stateUnusable),
            (.ownedByAnother("/s", user: 1, ours: 2), .stateUnusable),
            (.networkFileSystem("/s", kind: "nfs"), .stateUnusable), (.otherMachine("/s"), .stateUnusable),
            (.systemCall("/s", doing: "open", .noSpace), .stateUnusable),
        ] as [(StateProblem, Status)])
    func everyProblemOfTheStateEndsAsTheContractSays(problem: StateProblem, status: Status) {
        let failure = CommandFailure(problem)
        #expect(failure.status == status)
        #expect(failure.text().contains("/s") && failure.text().contains("; "), "what happened, where, and what to do")
    }

    @Test func problemsOfTheMappingFileBeginWithTheirPlace() {
        let problem = MappingProblem(file: "m.yaml", line: 3, column: 5, message: "no key `x`", remedy: "write y")
        let failure = CommandFailure([problem])
        #expect(failure.status == .invalidMappingFile)
        #expect(failure.text() == "m.yaml:3:5: no key `x`; write y\n")
    }

    @Test func noWordsReachATerminalAsTheyAre() {
        #expect(CommandFailure(.somethingLeft, [nasty, "x"]).text().split(separator: "\n").count == 2)
        #expect(isSafe(CommandFailure(.somethingLeft, nasty).text()))
    }

    @Test func whatIsOutOfReachSaysWhatToLookAt() {
        #expect(Failure(.transient, "refused").explained.hasPrefix("refused; look at the network"))
        #expect(Failure(.transient, "refused", hint: "wait").explained == "refused; wait")
        #expect(Failure(.rejected, "refused").explained == "refused")
    }
}
