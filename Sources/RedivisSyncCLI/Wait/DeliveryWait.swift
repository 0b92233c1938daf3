import SQLiteQueue
import SyncCore

/// Whether everything that was in the folders at one moment is at rest.
///
/// All of it has to be, so it is waited for in order: each look goes on where the last one had to stop, and however
/// many files there are, each is asked about a few times only.
struct DeliveryWait: Sendable {
    let reader: QueueReader
    let mappings: [MappingID]
    private let last: DeliveryID
    /// Not settled yet when it was last looked.
    private var settling: ArraySlice<QueuePlace>
    /// Settled since, and not known to be at rest.
    private var tracked: ArraySlice<DeliveryID> = []
    /// Those that went before they were sent.
    private(set) var gone = 0
    /// Some of them.
    private(set) var goneNames: [String] = []

    enum State: Hashable, Sendable {
        case underWay
        case atRest
        /// What is left waits for a pause of these to end.
        case paused([MappingID])
    }

    static let batch = 500
    static let mostNamed = 20

    init(_ reader: QueueReader, _ mappings: [MappingID]) async throws(Failure) {
        self.reader = reader
        self.mappings = mappings
        let mark = try await reader.mark(of: mappings)
        last = mark.last
        settling = mark.settling[...]
    }

    /// Looks once more.
    mutating func look() async throws(Failure) -> State {
        try await followSettling()
        try await followTracked()
        var paused: [MappingID] = []
        for mapping in mappings {
            switch try await reader.progress(of: mapping, upTo: last) {
            case .atRest: break
            case .underWay: return .underWay
            case .paused: paused.append(mapping)
            }
        }
        guard settling.isEmpty, tracked.isEmpty else {
            // What settles is admitted to a paused mapping too, and waits there.
            return try await waitsForPause() ? .paused(paused.isEmpty ? mappings : paused) : .underWay
        }
        return paused.isEmpty ? .atRest : .paused(paused)
    }

    private mutating func followSettling() async throws(Failure) {
        while !settling.isEmpty {
            let batch = Array(settling.prefix(Self.batch))
            for (place, whereabouts) in zip(batch, try await reader.whereabouts(of: batch)) {
                switch whereabouts {
                case .settling: return
                case .delivery(let id): tracked.append(id)
                case .nowhere: note(place)
                }
                settling.removeFirst()
            }
        }
    }

    private mutating func followTracked() async throws(Failure) {
        while !tracked.isEmpty {
            let batch = Array(tracked.prefix(Self.batch))
            for state in try await reader.states(of: batch) {
                if let state, PublicState.underWay.contains(state) { return }
                if state == .gone { gone += 1 }
                tracked.removeFirst()
            }
        }
    }

    private func waitsForPause() async throws(Failure) -> Bool {
        guard settling.isEmpty else { return false }
        let pauses = try await reader.pauses()
        for mapping in mappings {
            let progress = try await reader.progress(of: mapping, upTo: DeliveryID(.max))
            if progress == .underWay { return false }
        }
        return mappings.contains { pauses.reason(of: $0) != nil }
    }

    private mutating func note(_ place: QueuePlace) {
        gone += 1
        if goneNames.count < Self.mostNamed { goneNames.append("\(place.mapping): \(place.path)") }
    }
}
