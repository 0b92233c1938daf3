import SyncCore

/// Takes one delivery as far as it goes now: decide, save, carry out, and the outcome is the next fact.
struct DeliveryRunner: Sendable {
    let configuration: LiveConfiguration
    let ports: EnginePorts
    let directory: TableDirectory
    let follower: ImportFollower
    let observer: EngineObserver
    var roots = KnownRoots()
    /// Whether a table that refuses a delivery, or the token, rests as a whole (`TableKeeper`).
    var closesRefusedTables = false
    /// Whether a file that has moved will be met at its new place while this run lasts. A single run scans once.
    var meetsMovedFiles = false
    /// A file that changed on its way, or whose version ended unsent, may have begun to settle again, and no event tells
    /// of that.
    var onResettled: @Sendable () async -> Void = {}
    /// An earlier registration may turn up beside the one that was just posted.
    var onPostedAgain: @Sendable () async -> Void = {}
    /// A file was missed though nothing can be said of it: its file system is away.
    var onFileAway: @Sendable (Delivery, Failure) async -> Void = { _, _ in }

    /// Ends when the delivery waits, rests, is handed to the table's follower, or belongs to somebody else by now.
    ///
    /// - Parameters:
    ///   - slots: where it takes a place before its first byte leaves.
    ///   - hasSent: called once, when the source is needed no more: another file may be sent meanwhile. A delivery that
    ///     has to be sent once more then ends its turn, and waits for a new one.
    /// - Returns: why it ended where it did because the queue could not be used. Nothing was done then that was not
    ///   saved; the row is still due, and is to be taken up again, but not at once.
    func run(
        _ delivery: Delivery, in slots: TransferSlots, hasSent: @Sendable () async -> Void
    ) async -> Failure? {
        let configuration = configuration.current
        let work = EffectPerformer(
            mapping: configuration.mapping(delivery.mapping), settings: configuration.settings, ports: ports,
            directory: directory, follower: follower, roots: roots, observer: observer)
        var trouble: Failure?
        var hasSlot = false
        var postsAgain = false
        var away: Failure?
        do throws(Failure) {
            if try await rerouted(delivery, under: configuration) { return nil }
            var turn = Turn(delivery)
            var event: DeliveryEvent? = .resumed
            while let fact = event, let effect = try await advance(&turn, on: fact, under: configuration) {
                if turn.givesUpItsPlace {
                    turn.isSending = false
                    await work.close()
                    if hasSlot { await slots.give() }
                    hasSlot = false
                    await hasSent()
                }
                if turn.current.takesPlace(for: effect), !hasSlot {
                    hasSlot = await slots.take()
                    // Cancelled: what was saved is taken up again by the next run.
                    guard hasSlot else { break }
                }
                if turn.current.secondPost != nil { postsAgain = true }
                event = await work.perform(effect, of: turn.current)
                if effect.maySettlePaths { await onResettled() }
                if case .sourceTouched(_, hasSettled: false)? = event { await onResettled() }
                if case .effectFailed(let failure)? = event {
                    await directory.note(failure, about: delivery.table)
                    if failure.kind == .sourceGone, failure.scope != .delivery { away = failure }
                }
            }
        } catch {
            observer(.queueProblem(error))
            trouble = error
        }
        await work.close()
        if hasSlot { await slots.give() }
        if postsAgain { await onPostedAgain() }
        if let away { await onFileAway(delivery, away) }
        return trouble
    }

    /// How far a turn has come, and how much of that is saved.
    private struct Turn {
        var saved: Delivery
        var current: Delivery
        /// What was decided since.
        var unsaved: [Decision] = []
        /// Whether it takes up the place of a transfer.
        var isSending = true

        init(_ delivery: Delivery) {
            (saved, current) = (delivery, delivery)
        }

        var readsSource: Bool { current.state.stage?.readsSource ?? false }
        var givesUpItsPlace: Bool { isSending && !readsSource }
    }

    /// - Returns: what is to be carried out now; `nil` where the turn is over.
    private func advance(
        _ turn: inout Turn, on fact: DeliveryEvent, under configuration: Configuration
    ) async throws(Failure) -> DeliveryEffect? {
        let decision = turn.current.decide(on: fact, in: try await context(for: turn.current, configuration))
        turn.current = decision.delivery
        let mustSendAgain = turn.readsSource && !turn.isSending
        if decision.canWait(over: turn.saved), !mustSendAgain {
            turn.unsaved.append(decision)
            return decision.effect
        }
        let kept: Delivery
        switch try await save(decision.following(turn.unsaved), over: turn.saved) {
        case .kept(let delivery, let wokeOthers):
            if wokeOthers { await onResettled() }
            kept = delivery
        case .stands(let content, let standing):
            (turn.current, turn.unsaved) = (turn.saved, [])
            return try await advance(&turn, on: .examined(content, standing), under: configuration)
        case .lost: return nil
        }
        (turn.saved, turn.current, turn.unsaved) = (kept, kept, [])
        return mustSendAgain ? nil : decision.effect
    }

    /// One fact from outside of the loop, such as a report of an import.
    ///
    /// - Returns: whether it leaves something to do, for the next run.
    func apply(_ event: DeliveryEvent, to delivery: Delivery) async -> Bool {
        do throws(Failure) {
            let decision = delivery.decide(
                on: event, in: try await context(for: delivery, configuration.current))
            switch try await save(decision, over: delivery) {
            case .kept(let kept, let wokeOthers):
                if case .followImport? = decision.effect { await follower.notice(kept.table) }
                if wokeOthers { await onResettled() }
                return wokeOthers || kept.state.stage != nil
            case .stands, .lost:
                return false
            }
        } catch {
            observer(.queueProblem(error))
            return false
        }
    }

    private enum Saving {
        /// As it is stored now; and whether a row that waited for it is to be taken up.
        case kept(Delivery, wokeOthers: Bool)
        /// Nothing was written: the content is not new.
        case stands(Content, Standing)
        /// The row is not ours to move any more.
        case lost
    }

    private func save(_ decision: Decision, over current: Delivery) async throws(Failure) -> Saving {
        guard decision.delivery != current else { return .kept(current, wokeOthers: false) }
        let outcome = try await ports.queue.save(decision, at: ports.clock.now())
        switch outcome {
        case .saved, .savedAndWoke:
            var saved = decision.delivery
            saved.revision += 1
            observer(.moved(saved, note: decision.note))
            return .kept(saved, wokeOthers: outcome == .savedAndWoke)
        case .stands(let standing):
            return decision.delivery.content.map { .stands($0, standing) } ?? .lost
        case .joined, .stale:
            return .lost
        }
    }

    /// A row that nothing was sent of yet goes to the table that its mapping has now, and under that table's key.
    ///
    /// - Returns: whether it was, so that it is to be read again.
    private func rerouted(_ delivery: Delivery, under configuration: Configuration) async throws(Failure) -> Bool {
        guard case .pending? = delivery.state.stage, let mapping = configuration.mapping(delivery.mapping) else {
            return false
        }
        let key = await directory.table(mapping.table)?.key
        let isOtherKey = delivery.tableKey != nil && key != nil && delivery.tableKey != key
        guard isOtherKey || mapping.table != delivery.table else { return false }
        try await ports.queue.reroute(delivery, to: mapping.table, key: key, at: ports.clock.now())
        return true
    }

    private func context(
        for delivery: Delivery, _ configuration: Configuration
    ) async throws(Failure) -> DecisionContext {
        let settings = configuration.settings
        let mapping = configuration.mapping(delivery.mapping)
        var policy = DeliveryPolicy(
            chunkSize: settings.chunkSize, inlineLimit: settings.inlineLimit,
            registrationDoubt: settings.registrationDoubt,
            verification: mapping?.verification ?? .md5, endpoint: mapping?.endpoint ?? .auto,
            endpointFact: try await ports.queue.endpointFact(of: settings.api), onChange: mapping?.onChange ?? .hold)
        policy.waitsOutRefusals = !closesRefusedTables
        // Until it has settled where it is now, and a while more.
        policy.moveTime =
            meetsMovedFiles
            ? max(mapping?.settle.quiet ?? .zero, SettlePolicy.quietWithoutLease) + .seconds(60) : .zero
        let table = await directory.key(of: delivery.table)
        return DecisionContext(now: ports.clock.now(), jitter: ports.random(), table: table, policy: policy)
    }
}

extension DeliveryEffect {
    /// Whether other versions, or the path itself, may settle anew because of it.
    fileprivate var maySettlePaths: Bool {
        switch self {
        case .examine, .compare, .resettle: true
        case .openSession, .sendChunk, .queryStatus, .conclude, .lookUp, .post, .followImport, .withdraw: false
        }
    }
}
