import SyncCore

/// One seeded life of a file, its agent and its server: faults while the budget lasts, then peace, then the account.
struct Trace {
    let seed: UInt64
    let allowed: Set<Fault>
    /// Whether the server tells every digest, so that nothing but a fault can end in a park.
    var isForthcoming = false

    struct Outcome {
        /// What must never be; empty where all is well.
        var problems: [String] = []
        var lines: [String] = []
        var effects = 0
        var ends: [String] = []
        var struck: Set<Fault> = []
    }

    /// Far more than any honest trace needs in peace.
    static let peacefulEffects = 600

    func play() -> Outcome {
        let chance = Chance(seed: seed, allowed: allowed, budget: 0)
        chance.budget = Int(chance.number(0...14))
        var traits = Traits(&chance.random)
        if isForthcoming {
            traits.tellsImportedMD5 = true
            // What was released before its size was told cannot be taken off again: that is left to a person.
            if allowed.contains(.draftReleased), traits.documented == .sizeNeverTold { traits.documented = .works }
        }
        let sizes: [Int64] = [0, 1, Sample.granule, Sample.granule + 1, Sample.size, 4 * Sample.granule]
        let file = ModelFile(version: 1, size: sizes.randomElement(using: &chance.random) ?? 1, stamp: 1)
        chance.note("size \(file.size), \(traits)")
        let server = ModelServer(chance: chance, traits: traits)
        let agent = SimulatedAgent(chance: chance, server: server, file: file)
        var outcome = Outcome()

        trouble(agent, server, chance)
        chance.budget = 0
        live(agent, server, chance, atMost: Self.peacefulEffects, into: &outcome)
        // Bytes that the storage host itself changed show in a digest only, and only where one is ever told.
        let isProvable =
            traits.tellsImportedMD5 || traits.tellsStoredMD5 || chance.struck[.otherStoredBytes] == nil
        judge(agent, server, chance, traits, isProvable, into: &outcome)
        if outcome.problems.isEmpty { secondChances(agent, server, chance, isProvable, into: &outcome) }

        outcome.problems += agent.violations + server.violations
        outcome.lines = chance.lines
        outcome.effects = agent.effects
        outcome.ends = agent.rows.values.map { $0.state.words }
        outcome.struck = Set(chance.struck.keys)
        return outcome
    }

    // MARK: Acts

    private func trouble(_ agent: SimulatedAgent, _ server: ModelServer, _ chance: Chance) {
        for _ in 0..<200 where chance.budget > 0 {
            do {
                try happen(agent, server, chance)
                try turn(agent, server, chance)
            } catch {
                server.advance(by: chance.number(0...300_000))
                agent.restart()
            }
            agent.scan()
        }
    }

    /// One thing that other people or the machine do.
    private func happen(_ agent: SimulatedAgent, _ server: ModelServer, _ chance: Chance) throws {
        let row = agent.rows.values.sorted { $0.id < $1.id }.randomElement(using: &chance.random)
        let faults: [Fault] = [
            .fileChanged, .fileTouched, .fileGone, .forgotten, .retried, .resolved, .draftReleased, .removedByHand,
            .clockStepped, .dayPassed, .databaseLost,
        ]
        switch chance.fault(among: faults, oneIn: 2) {
        case .fileChanged:
            agent.file.version += 1
            agent.file.stamp += 1
            agent.file.exists = true
        case .fileTouched: agent.file.stamp += 1
        case .fileGone: agent.file.exists = false
        case .forgotten: if let row { try agent.apply(.forgotten, to: row) }
        case .retried:
            // What could not be taken off the table is still there, and a retry sends beside it: not done blindly.
            if let row, row.state.words != "parked withdrawalRefused" { try agent.apply(.retryRequested, to: row) }
        case .resolved: if let row { try agent.apply(.resolved(chance.flag() ? .add : .ignore), to: row) }
        case .draftReleased: server.release()
        case .removedByHand: server.removeSomething()
        case .clockStepped:
            let hours = [-87_600, -25, -15, -1, 1, 15, 25].randomElement(using: &chance.random) ?? 1
            agent.step(clockBy: Int64(hours) * 3_600_000)
        case .dayPassed: server.advance(by: chance.number(20...30) * 3_600_000)
        case .databaseLost: agent.loseDatabase()
        default: break
        }
    }

    /// What the agent does next; time passes where there is nothing to do.
    private func turn(_ agent: SimulatedAgent, _ server: ModelServer, _ chance: Chance) throws {
        if let row = agent.due.first {
            try agent.take(row.id)
        } else {
            server.advance(by: min(agent.nextDue ?? 3000, 3000))
        }
        try agent.follow()
    }

    private func live(
        _ agent: SimulatedAgent, _ server: ModelServer, _ chance: Chance, atMost limit: Int, into outcome: inout Outcome
    ) {
        chance.note("==== peace")
        let start = agent.effects
        for _ in 0..<20_000 {
            agent.scan()
            guard !agent.isIdle else { return }
            guard agent.effects - start <= limit else { break }
            do { try turn(agent, server, chance) } catch { outcome.problems.append("it died in peace") }
        }
        outcome.problems.append("it does not come to an end: \(agent.rows.values.map { $0.state.words })")
    }

    /// Everything that is parked is tried again by hand, with no more faults and a server that does its best.
    private func secondChances(
        _ agent: SimulatedAgent, _ server: ModelServer, _ chance: Chance, _ isProvable: Bool,
        into outcome: inout Outcome
    ) {
        server.traits.documented = .works
        server.traits.tellsImportedMD5 = true
        var retried: Set<DeliveryID> = []
        for row in agent.rows.values {
            guard case .parked(let reason) = row.state else { continue }
            // What could not be taken off the table is still there: a person sees to that first.
            if case .withdrawalRefused = reason { continue }
            chance.note("==== \(row.id) is tried again")
            try? agent.apply(.retryRequested, to: row)
            retried.insert(row.id)
        }
        live(agent, server, chance, atMost: Self.peacefulEffects, into: &outcome)
        for id in retried {
            guard let row = agent.rows[id], case .parked(let reason) = row.state else { continue }
            // The index of the table may still know another upload that was removed by hand: that shows once for each.
            if reason == .removedFromTable { continue }
            outcome.problems.append("\(id) was tried again in peace and ended as \(row.state.words)")
        }
        account(agent, server, isProvable: isProvable, into: &outcome)
    }

    // MARK: The account

    private func judge(
        _ agent: SimulatedAgent, _ server: ModelServer, _ chance: Chance, _ traits: Traits,
        _ isProvable: Bool, into outcome: inout Outcome
    ) {
        for row in agent.rows.values {
            guard case .parked(let reason) = row.state else { continue }
            let isExplained =
                traits.explains(reason) || !Fault.explaining(reason).isDisjoint(with: Set(chance.struck.keys))
            if !isExplained { outcome.problems.append("\(row.id) is parked without a reason: \(reason)") }
        }
        account(agent, server, isProvable: isProvable, into: &outcome)
    }

    private func account(
        _ agent: SimulatedAgent, _ server: ModelServer, isProvable: Bool, into outcome: inout Outcome
    ) {
        for row in agent.rows.values {
            let own = server.uploads.filter { $0.name == row.uploadName && $0.failsWith == nil }
            if own.count > 1 { outcome.problems.append("\(row.id) is on the table \(own.count) times") }
            guard case .delivered = row.state else { continue }
            // Somebody may have taken it off the table since.
            if own.isEmpty, !allowed.contains(.removedByHand) {
                outcome.problems.append("\(row.id) is not on the table")
            }
            if let upload = own.first, upload.bytes.content != row.content, isProvable {
                outcome.problems.append("\(row.id) is on the table with other bytes: \(upload.bytes.pieces)")
            }
        }
    }
}
