// Foundation: the environment, from which a longer search is asked for.
import Foundation
import SyncCore
import SyncTestSupport
import Testing

/// Crash anywhere: cut any trace after any save or any effect, go on in a new run, and reach the same end with one
/// registration.
@Suite struct CrashAnywhereTests {
    private static let everything = Set(Fault.allCases)
    private static let crashes: Set<Fault> = [.diedAfterSave, .diedAfterEffect, .stateUnavailable]
    private static let lostAnswers: Set<Fault> = [
        .answerLost, .partlyKept, .nothingKept, .postAnswerLost, .postDropped, .postCarriedOutLate, .postUnsent,
        .lookUpFailed, .withdrawalLost,
    ]

    @Test func crashesAloneChangeNothing() {
        play(400, allowing: Self.crashes, mustDeliver: true)
    }

    @Test func lostAnswersAndCrashesChangeNothing() {
        play(800, allowing: Self.crashes.union(Self.lostAnswers), mustDeliver: true)
    }

    /// A clock that goes back in the same trace hides a day from us: then an upload id that is too old is posted,
    /// refused, and may be left to a person.
    @Test(arguments: [Fault.clockStepped, .dayPassed])
    func releasesClocksAndDaysBetweenChangeNothing(time: Fault) {
        play(
            400,
            allowing: Self.crashes.union(Self.lostAnswers)
                .union([.draftReleased, .throttled, .postThrottled, .fileTouched, time])
                // Here nothing is ever taken off the table again.
                .subtracting([.withdrawalLost]),
            mustDeliver: true)
    }

    @Test func everyFaultTogetherNeverMakesTwo() {
        play(1500, allowing: Self.everything, mustDeliver: false)
    }

    /// Each fault by itself with crashes: the trace that shows it is short.
    @Test(arguments: Fault.allCases)
    func eachFaultByItself(fault: Fault) {
        play(40, allowing: Self.crashes.union([fault]), mustDeliver: false)
    }

    /// A simulator that cannot find anything proves nothing: a server that breaks the one promise shows in it.
    @Test func aRequestCarriedOutAfterTheDoubtIsSeen() {
        let chance = Chance(seed: 1, allowed: [.postCarriedOutLate], budget: 0)
        let server = ModelServer(chance: chance, traits: Traits(&chance.random))
        var bytes = 0
        while server.violations.isEmpty, bytes < 4 {
            bytes += 1
            guard let session = try? server.open(.tempUploads, total: 1) else { continue }
            _ = try? server.put([Piece(version: 1, range: 0..<1)], range: 0..<1, to: session.id)
            _ = try? server.register("a.csv", .session(session.id), doubt: 1)
        }
        #expect(server.violations == ["a.csv is registered twice"])
    }

    /// How many times more traces than in an ordinary run, for a night's search.
    private static let patience = UInt64(ProcessInfo.processInfo.environment["REDIVIS_SYNC_TRACES"] ?? "") ?? 1

    private func play(_ count: Int, allowing allowed: Set<Fault>, mustDeliver: Bool) {
        let first = SeededRandom().seed
        var ends: [String: Int] = [:]
        var struck: Set<Fault> = []
        for seed in first..<first + UInt64(count) * Self.patience {
            let outcome = Trace(seed: seed, allowed: allowed, isForthcoming: mustDeliver).play()
            var problems = outcome.problems
            if mustDeliver, outcome.ends != ["delivered"] {
                let isHonest = outcome.ends.allSatisfy { ["delivered", "delivered adopted"].contains($0) }
                if !isHonest { problems.append("it ended as \(outcome.ends)") }
            }
            for end in outcome.ends { ends[end, default: 0] += 1 }
            struck.formUnion(outcome.struck)
            guard problems.isEmpty else {
                report(seed, allowed, problems, mustDeliver: mustDeliver)
                return
            }
        }
        print(
            "\(count) traces from seed \(first): \(ends.sorted { $0.value > $1.value }.map { "\($0.value) \($0.key)" })"
        )
        if count >= 400 { #expect(struck == allowed, "faults that never struck: \(allowed.subtracting(struck))") }
    }

    /// Takes away faults that the failure does not need, and prints what is left.
    private func report(_ seed: UInt64, _ allowed: Set<Fault>, _ problems: [String], mustDeliver: Bool) {
        var smallest = Trace(seed: seed, allowed: allowed, isForthcoming: mustDeliver)
        var shortest = smallest.play()
        for fault in allowed {
            for other in seed..<seed + 40 {
                let fewer = Trace(
                    seed: other, allowed: smallest.allowed.subtracting([fault]), isForthcoming: mustDeliver)
                let outcome = fewer.play()
                guard fails(outcome, mustDeliver) else { continue }
                smallest = fewer
                shortest = outcome
                break
            }
        }
        Issue.record(
            """
            seed \(seed): \(problems.joined(separator: "; "))
            with fewer faults, seed \(smallest.seed), \(smallest.allowed.map(\.rawValue).sorted()): \
            \(shortest.problems.joined(separator: "; ")) \(shortest.ends)
            \(shortest.lines.joined(separator: "\n"))
            """)
    }

    private func fails(_ outcome: Trace.Outcome, _ mustDeliver: Bool) -> Bool {
        if !outcome.problems.isEmpty { return true }
        return mustDeliver && !outcome.ends.allSatisfy { $0.hasPrefix("delivered") }
    }
}
