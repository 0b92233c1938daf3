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

    /// Ends when the delivery waits, rests, is handed to the table's follower, or belongs to somebody else by now.
    ///
    /// - Parameter hasSent: called once, when the source is needed no more: another file may be sent meanwhile. A
    ///   delivery that has to be sent once more then ends its turn, and waits for a new one.
    /// - Returns: why it ended where it did because the queue could not be used. Nothing was done then that was not
    ///   saved; the row is still due, and is to be taken up again, but not at once.
    func run(_ delivery: Delivery, hasSent: @Sendable () async -> Void) async -> Failure? {
        let configuration = configuration.current
        let work = EffectPerformer(
            mapping: configuration.mapping(delivery.mapping), api: configuration.settings.api, ports: ports,
            directory: directory, follower: follower, roots: roots, observer: observer)
        var trouble: Failure?
        do throws(Failure) {
            var (saved, current) = (delivery, delivery)
            var unsaved: [Decision] = []
            var event: DeliveryEvent? = .resumed
            var isSending = true
            while let fact = event {
                let decision = current.decide(on: fact, in: try await context(for: current, configuration))
                let readsSource = decision.delivery.state.stage?.readsSource ?? false
                let endsTurn = readsSource && !isSending
                if decision.canWait(over: saved), !endsTurn {
                    unsaved.append(decision)
                    current = decision.delivery
                } else {
                    guard let kept = try await save(decision.following(unsaved), over: saved) else { break }
                    (saved, current, unsaved) = (kept, kept, [])
                }
                guard let effect = decision.effect, !endsTurn else { break }
                if isSending, !readsSource {
                    isSending = false
                    await work.close()
                    await hasSent()
                }
                let outcome = await work.perform(effect, of: current)
                if case .effectFailed(let failure)? = outcome { await directory.note(failure, about: delivery.table) }
                event = outcome
            }
        } catch {
            observer(.queueProblem(error))
            trouble = error
        }
        await work.close()
        return trouble
    }

    /// One fact from outside of the loop, such as a report of an import. What it asks for is done by the next run.
    func apply(_ event: DeliveryEvent, to delivery: Delivery) async {
        do throws(Failure) {
            let decision = delivery.decide(
                on: event, in: try await context(for: delivery, configuration.current))
            _ = try await save(decision, over: delivery)
        } catch {
            observer(.queueProblem(error))
        }
    }

    /// - Returns: the delivery as saved; `nil` where the row is not ours to move any more.
    private func save(_ decision: Decision, over current: Delivery) async throws(Failure) -> Delivery? {
        guard decision.delivery != current else { return current }
        switch try await ports.queue.save(decision, at: ports.clock.now()) {
        case .saved:
            var saved = decision.delivery
            saved.revision += 1
            observer(.moved(saved, note: decision.note))
            return saved
        case .joined, .stale:
            return nil
        }
    }

    private func context(
        for delivery: Delivery, _ configuration: Configuration
    ) async throws(Failure) -> DecisionContext {
        let settings = configuration.settings
        let mapping = configuration.mapping(delivery.mapping)
        var policy = DeliveryPolicy(
            chunkSize: settings.chunkSize, registrationDoubt: settings.registrationDoubt,
            verification: mapping?.verification ?? .md5, endpoint: mapping?.endpoint ?? .auto,
            endpointFact: try await ports.queue.endpointFact(of: settings.api), onChange: mapping?.onChange ?? .hold)
        policy.waitsOutRefusals = !closesRefusedTables
        let table = await directory.table(delivery.table)?.key ?? delivery.tableKey ?? TableKey(delivery.table.text)
        return DecisionContext(now: ports.clock.now(), jitter: ports.random(), table: table, policy: policy)
    }
}
