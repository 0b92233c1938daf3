import SyncCore
import SyncTestSupport

/// Everything that goes wrong in a simulated trace.
enum Fault: String, CaseIterable, Hashable {
    // The storage host (api.md 6.3)
    case answerLost, throttled, partlyKept, nothingKept, rangeMissing, acknowledgedTooMuch, wentBackwards, finishedEarly
    case wrongStoredSize, otherStoredBytes, sessionDied, sessionRefused, chunkRejected
    // Sessions
    case openingFailed, openingUnauthorized
    // Registrations
    case postUnsent, postDropped, postAnswerLost, postCarriedOutLate, postThrottled, postUnauthorized, postRejected
    case postConflict, postRenamed, lookUpFailed
    // Imports
    case importFailed, sizeToldLate, otherImported, removedByHand, withdrawalLost, withdrawalRefused
    // The machine
    case diedAfterSave, diedAfterEffect, stateUnavailable, databaseLost, clockStepped, dayPassed, changeMeanwhile
    // The source
    case fileChanged, fileTouched, fileGone, unreadable
    // People
    case forgotten, retried, resolved, draftReleased

    /// Faults after which a row may be parked for this reason. Nothing else may park it.
    static func explaining(_ reason: ParkReason) -> Set<Fault> {
        switch reason {
        case .importFailed: [.importFailed]
        case .contentDiffers: [.otherImported, .otherStoredBytes, .finishedEarly]
        // A registration whose answer was lost, and that was renamed or removed meanwhile, is not found again; its id
        // is used, and may be refused for that.
        // So may be one that is a day old, where our clock went back and does not show it.
        case .rejected: [.chunkRejected, .postRejected, .postRenamed, .removedByHand, .clockStepped]
        case .sessionRefused: [.sessionRefused]
        case .sessionsLost: [.sessionDied, .acknowledgedTooMuch, .wentBackwards, .finishedEarly, .wrongStoredSize]
        case .unreadable: [.unreadable]
        case .nameTaken: [.postRenamed, .postConflict]
        case .removedFromTable: [.removedByHand]
        case .stateDamaged: []
        case .withdrawalRefused: [.withdrawalRefused, .draftReleased]
        }
    }
}

/// What stays as it is for a whole trace: one reading of each open question of api.md.
struct Traits: Hashable {
    enum Documented: String, CaseIterable {
        case works, missing, idRefused, sizeNeverTold
    }

    var answers200ToChunks = false
    var tellsStoredSize = true
    var tellsStoredMD5 = false
    var tellsImportedMD5 = true
    var refusesUsedIDs = false
    var documented = Documented.works
    var otherTransport = UploadSession.Transport.resumable

    init(_ random: inout SeededRandom) {
        answers200ToChunks = Bool.random(using: &random)
        tellsStoredSize = Bool.random(using: &random)
        tellsStoredMD5 = Bool.random(using: &random)
        tellsImportedMD5 = Int.random(in: 0..<4, using: &random) > 0
        refusesUsedIDs = Bool.random(using: &random)
        documented =
            Int.random(in: 0..<3, using: &random) > 0
            ? .works : Documented.allCases.randomElement(using: &random) ?? .works
        otherTransport = Bool.random(using: &random) ? .resumable : .whole
    }

    /// Parks that these readings alone explain, without any fault.
    func explains(_ reason: ParkReason) -> Bool {
        switch reason {
        // Where no digest is ever told, bytes that a dead run sent can never be proven.
        case .contentDiffers: !tellsImportedMD5
        case .importFailed, .rejected, .sessionRefused, .sessionsLost, .unreadable, .nameTaken, .removedFromTable,
            .stateDamaged, .withdrawalRefused:
            false
        }
    }
}

/// Chance, drawn from one seed: which faults strike, and how often.
final class Chance {
    var random: SeededRandom
    /// Faults that may strike in this trace.
    let allowed: Set<Fault>
    /// How many may still strike.
    var budget: Int
    private(set) var struck: [Fault: Int] = [:]
    /// One line for each thing that happened.
    private(set) var lines: [String] = []

    init(seed: UInt64, allowed: Set<Fault>, budget: Int) {
        random = SeededRandom(seed: seed)
        self.allowed = allowed
        self.budget = budget
    }

    func strikes(_ fault: Fault, oneIn n: Int) -> Bool {
        let hit = Int.random(in: 0..<n, using: &random) == 0
        guard hit, budget > 0, allowed.contains(fault) else { return false }
        budget -= 1
        struck[fault, default: 0] += 1
        note("  ! \(fault.rawValue)")
        return true
    }

    /// The first that strikes.
    func fault(among faults: [Fault], oneIn n: Int) -> Fault? {
        faults.shuffled(using: &random).first { strikes($0, oneIn: n * faults.count) }
    }

    func number(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &random) }
    func flag() -> Bool { Bool.random(using: &random) }
    func note(_ line: String) { lines.append(line) }
}
