import GRDB
import SyncCore

/// What was not at rest at one moment. Whether it is by now is asked without going through what came later.
public struct QueueMark: Hashable, Sendable {
    /// The newest delivery that there was; numbers are never used twice.
    public let last: DeliveryID
    /// Files that were settling: they have no number yet.
    public let settling: [QueuePlace]
}

public struct QueuePlace: Hashable, Sendable {
    public let mapping: MappingID
    public let path: RelativePath

    public init(mapping: MappingID, path: RelativePath) {
        self.mapping = mapping
        self.path = path
    }
}

/// What has become of a file that was settling.
public enum Whereabouts: Hashable, Sendable {
    case settling
    case delivery(DeliveryID)
    /// It was never admitted: it went, or is another mapping's by now.
    case nowhere
}

/// How what is to be done for a mapping stands.
public enum Progress: Hashable, Sendable {
    case atRest
    case underWay
    /// All that is left waits for a pause to end.
    case paused
}

extension PublicState {
    /// What goes on by itself.
    public static let underWay: [PublicState] = [.queued, .uploading, .registering, .importing, .waiting]
}

extension QueueReader {
    public func mark(of mappings: [MappingID]) async throws(Failure) -> QueueMark {
        try await read { database in
            let last = try database.row("SELECT max(id) FROM delivery")?.optionalInteger(0) ?? 0
            var settling: [QueuePlace] = []
            for mapping in mappings {
                guard let number = try database.mappingNumber(mapping) else { continue }
                for row in try database.rows("SELECT path FROM settling WHERE mapping = ? ORDER BY due", [number]) {
                    settling.append(QueuePlace(mapping: mapping, path: try row.path(0)))
                }
            }
            return QueueMark(last: DeliveryID(last), settling: settling)
        }
    }

    public func whereabouts(of places: [QueuePlace]) async throws(Failure) -> [Whereabouts] {
        try await read { database in
            try places.map { place in
                guard let number = try database.mappingNumber(place.mapping) else { return .nowhere }
                let settles = try database.exists(
                    "SELECT 1 FROM settling WHERE mapping = ? AND path = ?", [number, place.path.column])
                if settles { return .settling }
                let delivery = try database.fileRow(number, place.path)?.delivery
                return delivery.map { .delivery(DeliveryID($0)) } ?? .nowhere
            }
        }
    }

    /// The public states of deliveries; `nil` for one that is not there any more.
    public func states(of deliveries: [DeliveryID]) async throws(Failure) -> [PublicState?] {
        try await read { database in
            try deliveries.map { id in
                try database.row("SELECT public FROM delivery WHERE id = ?", [id.value])
                    .flatMap { PublicState(rawValue: try $0.text(0)) }
            }
        }
    }

    /// Of a mapping's deliveries up to `last`.
    public func progress(of mapping: MappingID, upTo last: DeliveryID) async throws(Failure) -> Progress {
        try await read { database in
            guard let number = try database.mappingNumber(mapping) else { return .atRest }
            let isLeft = try PublicState.underWay.contains { state in
                try database.exists(
                    "SELECT 1 FROM delivery WHERE mapping = ? AND public = ? AND id <= ? LIMIT 1",
                    [number, state.rawValue, last.value])
            }
            guard isLeft else { return .atRest }
            guard try database.isPaused(number) else { return .underWay }
            let works = try database.exists(
                "SELECT 1 FROM rowCount WHERE mapping = ? AND work > 0 AND count > 0 LIMIT 1", [number])
            return works ? .underWay : .paused
        }
    }
}
