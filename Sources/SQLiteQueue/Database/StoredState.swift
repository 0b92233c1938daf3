// FoundationEssentials: JSONEncoder and JSONDecoder.
import FoundationEssentials
import SyncCore
import Synchronization

/// A state as its row keeps it: the JSON that is the truth, and beside it what queries ask for.
struct StoredState {
    let json: String
    let tally: String
    let kind: String
    let publicState: PublicState
    private(set) var work: Work?
    /// Monotonic nanoseconds of the run that wrote it.
    private(set) var due: Int64?
    /// Whether nothing more is to be done, also where a pause has taken the work from a row that has some.
    let hasEnded: Bool
    /// Whether the paths that the row still has settle once more (trigger `deliveryEndedUnsent`).
    let endsUnsent: Bool

    enum Work: Int64, CaseIterable {
        case ready = 1
        case waiting = 2
        /// A table's follower looks after it, due or not.
        case importing = 3
        /// Waits out a failure.
        case failing = 4
    }

    init(_ state: DeliveryState, _ tally: Delivery.Tally) throws {
        json = try StateCoding.text(state)
        self.tally = try StateCoding.text(of: tally)
        publicState = state.publicState
        kind = state.kind
        hasEnded = state.stage == nil
        endsUnsent = publicState == .gone || publicState == .superseded
        switch state {
        case .working(.importing), .waiting(.importing, _):
            (work, due) = (.importing, 0)
        case .working:
            (work, due) = (.ready, 0)
        case .waiting(_, let delay):
            work = tally.failures > 0 ? .failing : .waiting
            due = max(delay.until.nanoseconds, 0)
        case .delivered, .held, .parked, .abandoned:
            (work, due) = (nil, nil)
        }
    }

    /// The same state, which nobody is to go on with now.
    var withoutWork: StoredState {
        var rests = self
        (rests.work, rests.due) = (nil, nil)
        return rests
    }
}

extension DeliveryState {
    /// Finer than the public state: what rules of the queue ask for.
    var kind: String {
        switch self {
        case .working(let stage), .waiting(let stage, _): stage.kind
        case .delivered: "delivered"
        case .held: "held"
        case .parked: "parked"
        case .abandoned(.gone): "gone"
        case .abandoned(.superseded): "superseded"
        case .abandoned(.ignored): "ignored"
        case .abandoned(.forgotten): "forgotten"
        }
    }
}

extension Stage {
    fileprivate var kind: String {
        switch self {
        case .pending: "pending"
        // The column's word for both is older than `reading`: nothing of the file has left yet.
        case .opening, .reading: "opening"
        case .transferring: "transferring"
        case .probing: "probing"
        case .concluding: "concluding"
        case .lookingUp: "lookingUp"
        case .posting: "posting"
        case .importing: "importing"
        case .withdrawing: "withdrawing"
        }
    }
}

enum StateCoding {
    static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        // Sorted and unescaped: rows and receipts read and compare as text.
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func value<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }

    // MARK: What stands in row after row

    // But for those in which every delivery begins, states are not kept: they differ, and hold session URLs.
    private static let beginnings = Memory<String, DeliveryState>()
    private static let tables = Memory<String, TableReference>()
    private static let tableTexts = Memory<TableReference, String>()
    private static let tallies = Memory<String, Delivery.Tally>()
    private static let tallyTexts = Memory<Delivery.Tally, String>()

    static func table(_ text: String) throws -> TableReference {
        try tables.value(of: text) { try value(TableReference.self, text) }
    }

    static func text(of table: TableReference) throws -> String {
        try tableTexts.value(of: table) { try text(table) }
    }

    static func tally(_ text: String) throws -> Delivery.Tally {
        try tallies.value(of: text) { try value(Delivery.Tally.self, text) }
    }

    static func text(of tally: Delivery.Tally) throws -> String {
        try tallyTexts.value(of: tally) { try text(tally) }
    }

    /// Reads a state of any format version that was ever written.
    static func state(_ text: String, format: Int64) throws -> DeliveryState {
        switch format {
        case 1:
            if let known = beginnings.value(of: text) { return known }
            let state = try value(DeliveryState.self, text)
            if case .working(.pending) = state { beginnings.keep(state, of: text) }
            return state
        default: throw UnreadableValue(what: "state format \(format), which this version does not know")
        }
    }
}

/// What was made of a few keys that come again and again.
private final class Memory<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    // Every reader of the database and its writer ask.
    private let known = Mutex<[Key: Value]>([:])
    private static var limit: Int { 64 }

    func value(of key: Key, _ make: () throws -> Value) rethrows -> Value {
        if let value = value(of: key) { return value }
        let value = try make()
        keep(value, of: key)
        return value
    }

    func value(of key: Key) -> Value? { known.withLock { $0[key] } }

    func keep(_ value: Value, of key: Key) {
        known.withLock { known in
            if known.count >= Self.limit { known = [:] }
            known[key] = value
        }
    }
}
