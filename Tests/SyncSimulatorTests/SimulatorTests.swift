import SyncCore
import SyncSimulator
import Testing

/// The simulator itself: that a seed tells one story, and that the oracle sees what is wrong.
@Suite struct SimulatorTests {
    // MARK: Order

    @Test(
        .enabled(if: Trial.hashesAreFixed, "needs SWIFT_DETERMINISTIC_HASHING=1, as Tests/run sets it"),
        arguments: Profile.allCases)
    func aSeedTellsTheSameStoryTwice(_ profile: Profile) throws {
        let script = ScriptGenerator.script(seed: 11, profile: profile)
        let (first, second) = (try Trial.run(script), try Trial.run(script))
        #expect(first.hash == second.hash)
        #expect(first.steps == second.steps)
    }

    @Test func anotherSeedTellsAnotherStory() throws {
        let stories = try (1...3).map { try Trial.run(ScriptGenerator.script(seed: $0, profile: .people)).hash }
        #expect(Set(stories).count == 3)
    }

    // MARK: Scripts

    @Test(arguments: Profile.allCases) func aScriptSurvivesItsText(_ profile: Profile) throws {
        let script = ScriptGenerator.script(seed: 5, profile: profile)
        #expect(try Script(parsing: script.text) == script)
    }

    @Test func whatIsNoScriptIsSaid() {
        #expect(throws: ScriptError.self) { try Script(parsing: "seed 1\nat 5 fly a.csv\n") }
        #expect(throws: ScriptError.self) { try Script(parsing: "seed 1\nredivis lag\n") }
    }

    // MARK: The oracle

    private static func script(_ steps: String, redivis: String = "") throws -> Script {
        try Script(parsing: "seed 3\nredivis taken=second \(redivis)\nagent A settle=0 rescan=off\n" + steps)
    }

    @Test func aGoodDayBreaksNothing() throws {
        let verdict = try Trial.run(
            try Self.script("at 1000 write a.csv 3\nat 1500 write d/b.csv 1\nat 9000 write c.csv 9\n"))
        #expect(verdict.violations.isEmpty)
        #expect(verdict.steps > 100)
    }

    @Test func aSecondRegistrationIsSeen() throws {
        let broken = try broken(after: "at 1000 write a.csv 2\n") { world in
            guard let upload = world.redivis.uploads.first else { return }
            world.redivis.addUpload(upload.cells, named: upload.name, to: upload.table, owner: upload.owner)
        }
        #expect(broken?.rule == .registeredTwice)
    }

    @Test func aMixtureIsSeen() throws {
        let broken = try broken(after: "at 1000 write a.csv 2\n") { world in
            guard let upload = world.redivis.uploads.first else { return }
            world.redivis.addUpload([1, 99], named: "x.csv", to: upload.table, owner: upload.owner)
        }
        #expect(broken?.rule == .neverWhole)
    }

    @Test func aChangeThatIsSentUnaskedIsSeen() throws {
        let broken = try broken(after: "at 1000 write a.csv 2\nat 9000 write a.csv 3\n") { world in
            guard let upload = world.redivis.uploads.first else { return }
            world.redivis.addUpload([2, 2, 2], named: "a.csv", to: upload.table, owner: upload.owner)
        }
        #expect(broken?.rule == .sentThoughHeld)
    }

    @Test func aDeliveryThatIsNotThereIsSeen() throws {
        let broken = try broken(after: "at 1000 write a.csv 2\n") { world in
            guard let upload = world.redivis.uploads.first else { return }
            world.redivis.remove(upload, by: upload.owner)
        }
        #expect(broken?.rule == .claimedDelivered)
    }

    @Test func aFileThatNobodySendsIsSeen() throws {
        // No agent is there to send it after this.
        let script = try Script(
            parsing: "seed 3\nagent A settle=0 rescan=off exclude=b* start=10\nat 1000 write b.csv 1\n")
        #expect(try Trial.run(script).violations.isEmpty)
        let world = try World(script)
        let verdict = world.run(before: { $0.forgetRules() })
        #expect(verdict.violations.first?.rule == .notDelivered)
    }

    /// Runs a world whose server or table somebody tampers with once all is delivered.
    private func broken(after steps: String, _ tamper: @escaping (World) -> Void) throws -> Violation? {
        let world = try World(Self.script(steps))
        return world.run(before: tamper).violations.first
    }

    // MARK: Shrinking

    @Test func aShrunkScriptStillBreaksTheRule() throws {
        // Redivis carries out a request long after the doubt about it is over, against what the contract assumes.
        let text = """
            seed 5
            redivis lateness=300000
            agent A settle=0 start=10
            at 1000 write c.csv 1
            at 9000 write a.csv 1
            at 9000 fault posts late 100 20000
            at 9100 write b.csv 1
            """
        let script = try Script(parsing: text)
        let rule = try #require(try Trial.run(script).violations.first?.rule)
        let short = Trial.shrink(script, breaking: rule, tries: 60)
        #expect(short.steps.count < script.steps.count)
        #expect(try Trial.run(short).violations.first?.rule == rule)
    }
}
