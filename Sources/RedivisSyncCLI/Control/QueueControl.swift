import SQLiteQueue
import SyncCore

/// What a running agent does beside its queue when it is asked to.
package protocol AgentDuties: Sendable {
    /// The queue was changed from outside of the engine: there may be work now that nobody waits for.
    func queueChanged() async
    /// - Parameter edit: see `ControlRequest.acceptPlan`.
    func acceptPlan(_ edit: String?) async -> ControlAnswer
    func scan(_ mapping: MappingID?) async -> ControlAnswer
    func reload() async -> ControlAnswer
    func status() async -> ControlAnswer
}

/// No agent runs: a command holds the state's lock itself.
struct NoAgent: AgentDuties {
    let setup: Setup

    func queueChanged() async {}
    func acceptPlan(_ edit: String?) async -> ControlAnswer { await setup.acceptForNextStart(edit) }
    func scan(_ mapping: MappingID?) async -> ControlAnswer { Self.refusal }
    func reload() async -> ControlAnswer { Self.refusal }
    func status() async -> ControlAnswer { Self.refusal }

    private static let refusal = ControlAnswer.refused(
        ControlRefusal(.unavailable, "no agent runs", remedy: "start it: redivis-sync run"))
}

/// Carries out what a person asked, through the same decision and the same transactions as everything else: in the
/// running agent, else in the command that holds the state's lock.
package struct QueueControl: AgentControl {
    let queue: SQLiteQueue
    /// Says whether a path names a regular file.
    let sources: any SourceReader
    /// The one in force now.
    let configuration: @Sendable () -> Configuration
    /// The clock of the run that uses the queue: stored instants belong to it.
    let clock: any SyncClock
    let duties: any AgentDuties

    package init(
        queue: SQLiteQueue, sources: any SourceReader, configuration: @escaping @Sendable () -> Configuration,
        clock: any SyncClock, duties: any AgentDuties
    ) {
        self.queue = queue
        self.sources = sources
        self.configuration = configuration
        self.clock = clock
        self.duties = duties
    }

    package func answer(to request: ControlRequest) async -> ControlAnswer {
        do throws(ControlRefusal) {
            guard let outcome = try await change(request) else { return await duty(request) }
            if !outcome.changed.isEmpty { await duties.queueChanged() }
            return .done(outcome)
        } catch {
            return .refused(error)
        }
    }

    /// - Returns: `nil` for what is no change of the queue.
    private func change(_ request: ControlRequest) async throws(ControlRefusal) -> ControlOutcome? {
        try checkMapping(of: request)
        do throws(Failure) {
            switch request {
            case .retry(let paths): return try await retry(paths)
            case .retryAll: return try await retryAll()
            case .forget(let paths): return try await forget(paths)
            case .resolve(let paths, let decision): return try await resolve(paths, decision)
            case .pause(let mapping): return Self.paused(mapping, try await queue.pause(mapping))
            case .resume(let mapping): return Self.resumed(mapping, try await queue.resume(mapping, at: clock.now()))
            case .acceptPlan, .scan, .reload, .status: return nil
            }
        } catch {
            throw ControlRefusal(error)
        }
    }

    private func duty(_ request: ControlRequest) async -> ControlAnswer {
        switch request {
        case .acceptPlan(let edit): await duties.acceptPlan(edit)
        case .scan(let mapping): await duties.scan(mapping)
        case .reload: await duties.reload()
        case .status: await duties.status()
        // Changes of the queue all; see `change`.
        case .retry, .retryAll, .forget, .resolve, .pause, .resume: .done(ControlOutcome())
        }
    }

    private func checkMapping(of request: ControlRequest) throws(ControlRefusal) {
        guard let mapping = request.mapping, configuration().mapping(mapping) == nil else { return }
        let known = configuration().mappings.map(\.id.value).joined(separator: ", ")
        throw ControlRefusal(
            .wrongRequest, "there is no mapping \(mapping) in the mapping file", remedy: "it has: \(known)")
    }

    // MARK: Verbs

    private func retry(_ paths: [ControlPath]) async throws(Failure) -> ControlOutcome {
        try await apply(.retryRequested, to: paths, "queued again", suited: "parked or forgotten") { delivery in
            switch delivery.state {
            case .parked, .abandoned(.forgotten): true
            case .working, .waiting, .delivered, .held, .abandoned: false
            }
        }
    }

    /// As `retry` does, for one that is known.
    /// - Returns: whether it is queued now.
    func takeUpAgain(_ delivery: Delivery) async -> Bool {
        guard case .changed? = try? await save(.retryRequested, delivery) else { return false }
        await duties.queueChanged()
        return true
    }

    private func retryAll() async throws(Failure) -> ControlOutcome {
        var outcome = ControlOutcome()
        var last: DeliveryID?
        while !Task.isCancelled {
            let batch = try await queue.reader.deliveries(in: .parked, after: last, limit: 500)
            guard let end = batch.last else { break }
            last = end.id
            for result in try await save(.retryRequested, batch) { outcome.note(result, "queued again") }
        }
        return outcome
    }

    private func resolve(_ paths: [ControlPath], _ decision: Resolution) async throws(Failure) -> ControlOutcome {
        let done = decision == .add ? "queued" : "ignored"
        return try await apply(.resolved(decision), to: paths, done, suited: "held") { delivery in
            delivery.state.publicState == .held
        }
    }

    private func forget(_ paths: [ControlPath]) async throws(Failure) -> ControlOutcome {
        var outcome = ControlOutcome()
        for path in paths {
            let named = try await files(namedBy: path)
            for place in named.files { try await forget(place, &outcome) }
            if named.files.isEmpty { outcome.refuse("\(path.printable): \(named.refusal)") }
        }
        return outcome
    }

    /// What can still be stopped is stopped; whatever comes at the path later is left out.
    private func forget(_ place: MappedPath, _ outcome: inout ControlOutcome) async throws(Failure) {
        let done = "forgotten"
        let open = try await queue.reader.deliveries(at: place.path, mapping: place.mapping.id).filter {
            switch $0.state {
            case .working, .waiting, .held, .parked: true
            case .delivered, .abandoned: false
            }
        }
        for result in try await save(.forgotten, open) { outcome.note(result, done) }
        // A version that has moved on takes the decision along; the path that was named is left out by itself.
        guard !open.contains(where: { $0.path == place.path }) else { return }
        let id = try await queue.ignoreByHand(
            place.path, in: place.mapping.id, table: place.mapping.table, at: clock.now())
        if let delivery = try await queue.delivery(id) { outcome.change("\(delivery.path): \(done)") }
    }

    /// A path that is not a file's means every file below it that the decision can be about.
    ///
    /// - Parameters:
    ///   - suited: what the decision is about, for people.
    ///   - suits: which of a path's versions are meant.
    private func apply(
        _ hand: HandDecision, to paths: [ControlPath], _ done: String, suited: String,
        where suits: (Delivery) -> Bool
    ) async throws(Failure) -> ControlOutcome {
        var outcome = ControlOutcome()
        for path in paths {
            let versions = try await versions(at: places(of: path))
            var meant = versions.filter(suits)
            var below: [Delivery] = []
            if meant.isEmpty {
                below = try await self.versions(at: filesBelow(places(of: path)))
                meant = below.filter(suits)
            }
            let admitted = try await admitted(meant, &outcome)
            for result in try await save(hand, admitted) { outcome.note(result, done) }
            guard meant.isEmpty else { continue }
            let why = below.isEmpty ? unsuited(versions, path) : "no file below it is \(suited)"
            outcome.refuse("\(path.printable): \(why)")
        }
        return outcome
    }

    /// Why there is nothing to change.
    private func unsuited(_ versions: [Delivery], _ path: ControlPath) -> String {
        if let last = versions.last { return "nothing to do: it is \(last.state.publicState.rawValue)" }
        return places(of: path).isEmpty
            ? Self.outside : "never seen; redivis-sync why \(ShellWord.of(path.typed.bytes)) tells more"
    }

    // MARK: Saving

    fileprivate enum Saved: Sendable {
        case changed(Delivery)
        case refused(Delivery, String)
    }

    /// At once, so that they share their commits; in the order that they came in.
    private func save(_ hand: HandDecision, _ deliveries: [Delivery]) async throws(Failure) -> [Saved] {
        let results = await withTaskGroup(of: (Int, Result<Saved, Failure>).self) { group in
            for (number, delivery) in deliveries.enumerated() {
                group.addTask {
                    do throws(Failure) {
                        return (number, .success(try await save(hand, delivery)))
                    } catch {
                        return (number, .failure(error))
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        var saved: [Saved] = []
        for (_, result) in results.sorted(by: { $0.0 < $1.0 }) { saved.append(try result.get()) }
        return saved
    }

    private func save(_ hand: HandDecision, _ delivery: Delivery) async throws(Failure) -> Saved {
        let now = clock.now()
        let context = DecisionContext(
            now: now, jitter: 0, table: delivery.tableKey, policy: DeliveryPolicy())
        let decision = delivery.decide(on: .byHand(hand), in: context)
        guard decision.delivery != delivery else { return .refused(delivery, decision.note) }
        switch try await queue.save(decision, at: now) {
        case .saved, .savedAndWoke: return .changed(decision.delivery)
        case .joined, .stands, .stale: return .refused(delivery, "it has moved on meanwhile; try again")
        }
    }
}

extension ControlOutcome {
    fileprivate mutating func note(_ saved: QueueControl.Saved, _ done: String) {
        switch saved {
        case .changed(let delivery): change("\(delivery.path): \(done)")
        case .refused(let delivery, let why): refuse("\(delivery.path): \(why)")
        }
    }
}

extension ControlPath {
    init(_ argument: PathArgument) {
        self.init(absolute: argument.absolute, typed: argument.bytes)
    }

    /// As it was typed, safe for a terminal.
    var printable: String { RelativePath.printable(typed.bytes) }
}
