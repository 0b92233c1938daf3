import SyncSimulator
import Testing

/// The disk below the simulated databases.
@Suite struct SimulatedDiskTests {
    /// `synchronous=FULL`: what was committed was synced, and no power failure takes it away, whatever it leaves of the rest.
    @Test(arguments: [false, true]) func aPowerFailureTakesNoCommit(_ keepsSome: Bool) throws {
        for seed in 1...8 as ClosedRange<UInt64> {
            #expect(try DiskTrial.rows(committed: 5, synchronous: "FULL", keepsSome: keepsSome, seed: seed) == 5)
        }
    }

    /// The counter-check: where commits are not synced, some are lost.
    @Test func aPowerFailureTakesWhatWasNotSynced() throws {
        #expect(try DiskTrial.rows(committed: 5, synchronous: "OFF", keepsSome: false, seed: 1) < 5)
    }

    /// A database that is used again is as a new one.
    @Test func anEmptiedDatabaseHasNoRow() throws {
        _ = try Trial.run(ScriptGenerator.script(seed: 3, profile: .everything))
        #expect(try DiskTrial.rowsLeft() == [:])
    }
}
