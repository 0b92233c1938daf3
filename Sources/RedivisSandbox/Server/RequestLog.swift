import Synchronization

/// One request on its way into `log.jsonl`. Values of tokens and secrets of URLs never get in here.
struct LogEntry: Sendable {
    let sequence: Int64
    let time: Int64
    var origin: String
    var kind = RequestClass.unknown
    var method: String
    var path: String
    var query: String?
    /// `sandbox`, `sandbox-readonly`, `other`, or nil where no Authorization header came.
    var token: String?
    var contentRange: String?
    var bytes: Int64 = 0
    var fault: SandboxFault?
    /// Nil where no answer was given.
    var status: Int?
    var notes: [JSON.Member] = []

    mutating func note(_ key: String, _ value: JSON) {
        notes.append(.init(key: key, value: value))
    }

    var json: JSON {
        .object(
            [
                .init(key: "seq", value: .integer(sequence)), .init(key: "time", value: .integer(time)),
                .init(key: "origin", value: .string(origin)), .init(key: "class", value: .string(kind.rawValue)),
                .init(key: "method", value: .string(method)), .init(key: "path", value: .string(path)),
                .init(key: "query", value: .optional(query)), .init(key: "token", value: .optional(token)),
                .init(key: "contentRange", value: .optional(contentRange)),
                .init(key: "bytes", value: .integer(bytes)),
                .init(key: "fault", value: .optional(fault?.name)),
                .init(key: "status", value: .optional(status.map { Int64($0) })),
            ] + notes)
    }
}

/// Numbers the requests in the order of their arrival and writes each down before its answer goes out.
final class RequestLog: Sendable {
    private struct Counts {
        var sequence: Int64 = 0
        var byClass: [RequestClass: Int] = [:]
        var hits: FaultTally
    }

    private let file: JSONLines
    // A mutex, since both servers' requests are counted here.
    private let counts: Mutex<Counts>

    /// - Parameter hits: where an earlier sandbox on the same directory left its counts.
    init(path: String, hits: String) throws {
        let last = try JSONLines.read(path).compactMap { $0["seq"]?.integer }.max() ?? 0
        file = try JSONLines(path: path)
        counts = Mutex(Counts(sequence: last, hits: FaultTally(file: hits)))
    }

    func nextSequence() -> Int64 {
        counts.withLock { counts in
            counts.sequence += 1
            return counts.sequence
        }
    }

    func write(_ entry: LogEntry) {
        counts.withLock { counts in
            counts.byClass[entry.kind, default: 0] += 1
            if let fault = entry.fault { counts.hits.count(fault, at: entry.kind) }
        }
        // A full disk must not change what the protocol answers; readers see the gap in the sequence.
        try? file.append(entry.json)
    }

    var hits: FaultTally { counts.withLock { $0.hits } }

    func count(of kind: RequestClass) -> Int { counts.withLock { $0.byClass[kind] ?? 0 } }
}
