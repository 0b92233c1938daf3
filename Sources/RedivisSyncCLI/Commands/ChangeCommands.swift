import ArgumentParser
import Logging
import SQLiteQueue
import SyncCore

// The commands that change what the queue holds. They take the state's lock, and end with 75 while a run holds it.

struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Queues parked files again, and takes up again what `forget` left out. Held files are not touched.")

    @Argument(help: "The files.")
    var paths: [PathArgument] = []

    @Flag(help: "All parked files.")
    var all = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard all != !paths.isEmpty else { throw ValidationError("name the files, or --all parked ones") }
    }

    func run() async throws {
        let change = try await QueueChange(options)
        let changed =
            all
            ? try await change.applyToAll(.retryRequested, in: .parked)
            : try await change.apply(.retryRequested, to: paths) { delivery in
                switch delivery.state {
                case .parked, .abandoned(.forgotten): true
                case .working, .waiting, .delivered, .held, .abandoned: false
                }
            }
        try change.finish(changed, "queued again", nothing: "nothing here is parked")
    }
}

struct ForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Leaves files out, now and in later scans, until `retry`. The files themselves are not touched.")

    @Argument(help: "The files.")
    var paths: [PathArgument]

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let change = try await QueueChange(options)
        try change.finish(try await change.forget(paths), "forgotten", nothing: "nothing to forget")
    }
}

struct ResolveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve", abstract: "Decides about held files.")

    @Argument(help: "The files.")
    var paths: [PathArgument]

    @Flag(help: "Send them: their rows are added to the table.")
    var add = false

    @Flag(help: "Leave them out, now and in later scans.")
    var ignore = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard add != ignore else { throw ValidationError("say what to do with them: --add or --ignore") }
    }

    func run() async throws {
        let change = try await QueueChange(options)
        let changed = try await change.apply(.resolved(add ? .add : .ignore), to: paths) { delivery in
            delivery.state.publicState == .held
        }
        try change.finish(changed, add ? "queued" : "ignored", nothing: "nothing here is held")
    }
}

/// Applies what a person decided, through the same decision and the same transaction as everything else.
struct QueueChange {
    let setup: Setup
    let queue: SQLiteQueue
    private let now = Setup.now()

    init(_ options: GlobalOptions) async throws {
        setup = try Setup.load(options)
        queue = try await setup.openQueue(logger: options.logger())
    }

    struct Outcome {
        var changed: [Delivery] = []
        var refused: [String] = []
    }

    /// - Parameter suits: which of a path's versions are meant.
    func apply(
        _ hand: HandDecision, to paths: [PathArgument], where suits: (Delivery) -> Bool
    ) async throws -> Outcome {
        var outcome = Outcome()
        for path in paths {
            var found = false
            let versions = try await deliveries(at: path)
            for delivery in versions where suits(delivery) {
                found = true
                try await apply(hand, to: delivery, &outcome)
            }
            if !found { outcome.refused.append("\(path.printable): \(unsuited(versions, path))") }
        }
        return outcome
    }

    /// Why there is nothing to change.
    private func unsuited(_ versions: [Delivery], _ path: PathArgument) -> String {
        if let last = versions.last { return "nothing to do: it is \(last.state.publicState.rawValue)" }
        return MappedPath.all(of: path, in: setup.configuration).isEmpty
            ? "lies in no mapped folder" : "never seen; redivis-sync why \(ShellWord.of(path.bytes)) tells more"
    }

    func applyToAll(_ hand: HandDecision, in state: PublicState) async throws -> Outcome {
        var outcome = Outcome()
        var last: DeliveryID?
        do throws(Failure) {
            while true {
                let batch = try await queue.reader.deliveries(in: state, after: last, limit: 500)
                guard let end = batch.last else { return outcome }
                last = end.id
                for delivery in batch { try await save(hand, delivery, &outcome) }
            }
        } catch {
            throw CommandFailure(error)
        }
    }

    func forget(_ paths: [PathArgument]) async throws -> Outcome {
        var outcome = Outcome()
        for path in paths {
            let places = MappedPath.all(of: path, in: setup.configuration)
            if places.isEmpty {
                outcome.refused.append("\(path.printable): lies in no mapped folder")
            }
            for place in places { try await forget(place, &outcome) }
        }
        return outcome
    }

    /// What can still be stopped is stopped; whatever comes at the path later is left out.
    private func forget(_ place: MappedPath, _ outcome: inout Outcome) async throws {
        do throws(Failure) {
            let open = try await queue.reader.deliveries(at: place.path, mapping: place.mapping.id).filter {
                switch $0.state {
                case .working, .waiting, .held, .parked: true
                case .delivered, .abandoned: false
                }
            }
            for delivery in open { try await save(.forgotten, delivery, &outcome) }
            guard open.isEmpty else { return }
            let id = try await queue.ignoreByHand(
                place.path, in: place.mapping.id, table: place.mapping.table, at: now)
            if let delivery = try await queue.delivery(id) { outcome.changed.append(delivery) }
        } catch {
            throw CommandFailure(error)
        }
    }

    private func deliveries(at path: PathArgument) async throws -> [Delivery] {
        var found: [Delivery] = []
        do throws(Failure) {
            for place in MappedPath.all(of: path, in: setup.configuration) {
                found += try await queue.reader.deliveries(at: place.path, mapping: place.mapping.id)
            }
        } catch {
            throw CommandFailure(error)
        }
        return found
    }

    private func apply(_ hand: HandDecision, to delivery: Delivery, _ outcome: inout Outcome) async throws {
        do throws(Failure) {
            try await save(hand, delivery, &outcome)
        } catch {
            throw CommandFailure(error)
        }
    }

    private func save(_ hand: HandDecision, _ delivery: Delivery, _ outcome: inout Outcome) async throws(Failure) {
        let context = DecisionContext(
            now: now, jitter: 0, table: delivery.tableKey ?? TableKey(delivery.table.text), policy: DeliveryPolicy())
        let decision = delivery.decide(on: .byHand(hand), in: context)
        guard decision.delivery != delivery else {
            outcome.refused.append("\(delivery.path): \(decision.note)")
            return
        }
        switch try await queue.save(decision, at: now) {
        case .saved: outcome.changed.append(decision.delivery)
        case .joined, .stale: outcome.refused.append("\(delivery.path): it has moved on meanwhile; try again")
        }
    }

    func finish(_ outcome: Outcome, _ done: String, nothing: String) throws {
        for delivery in outcome.changed { StandardOutput.line("\(delivery.path): \(done)") }
        if outcome.changed.isEmpty, outcome.refused.isEmpty { StandardError.write("\(nothing)\n") }
        guard outcome.refused.isEmpty else { throw CommandFailure(.somethingLeft, outcome.refused) }
    }
}
