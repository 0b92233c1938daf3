/// What was hit: one row for each form of a fault and class of requests.
public struct FaultHit: Sendable, Equatable {
    /// The action without its numbers, such as `lose-reply`, `503,after` or `again=refuse`.
    public var fault: String
    public var request: RequestClass
    public var times: Int
}

/// Counts of hits, and their file `faults.json`.
struct FaultTally: Sendable {
    struct Key: Hashable, Sendable {
        var fault: String
        var request: RequestClass
    }

    private(set) var times: [Key: Int] = [:]

    mutating func count(_ fault: SandboxFault, at request: RequestClass) {
        times[Key(fault: fault.form, request: request), default: 0] += 1
    }

    var rows: [FaultHit] {
        times.map { FaultHit(fault: $0.key.fault, request: $0.key.request, times: $0.value) }
            .sorted { ($0.fault, $0.request.rawValue) < ($1.fault, $1.request.rawValue) }
    }

    func json(chaos: SandboxChaos?) -> JSON {
        let hits = rows.map { row -> JSON in
            [
                "fault": .string(row.fault), "class": .string(row.request.rawValue),
                "times": .integer(Int64(row.times)),
            ]
        }
        // A seed can be larger than a JSON number that every reader takes.
        return ["chaos": .optional(chaos.map { String($0.seed) }), "hits": .array(hits)]
    }

    /// Takes up the counts of an earlier sandbox on the same directory. A file that cannot be read counts as none.
    init(file path: String) {
        guard let content = (try? Files.read(path)) ?? nil, let json = try? JSONParser.parse(content) else { return }
        for row in json["hits"]?.elements ?? [] {
            guard let fault = row["fault"]?.text, let request = row["class"]?.text.flatMap(RequestClass.init),
                let count = row["times"]?.integer
            else { continue }
            times[Key(fault: fault, request: request)] = Int(clamping: count)
        }
    }
}
