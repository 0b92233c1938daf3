import Testing

@testable import RedivisSandbox

/// Plays one transcript against a sandbox of its own.
struct TranscriptRunner {
    let transcript: Transcript
    let sandbox: Sandbox
    let origins: SandboxOrigins
    var variables: [String: String]
    private var step: Step?

    init(_ transcript: Transcript, _ sandbox: Sandbox, _ origins: SandboxOrigins, _ variables: [String: String]) {
        self.transcript = transcript
        self.sandbox = sandbox
        self.origins = origins
        self.variables = variables
    }

    /// One request with what is expected of its answer.
    struct Step {
        var line: Int
        var method: String
        var target: String
        /// Asked again until the answer fits, for at most ten seconds.
        var isRepeated: Bool
        var headers: [(name: String, value: String)] = []
        var body: [UInt8]?
        var isChunked = false
        var cut: Int?
        var expectations: [(line: Int, text: String)] = []
    }

    /// Plays the given lines. Returns the values caught on the way.
    mutating func play(_ lines: ArraySlice<(number: Int, text: String)>) async throws -> [String: String] {
        for (number, text) in lines {
            let words = text.split(separator: " ", maxSplits: 1).map(String.init)
            let rest = words.count > 1 ? words[1] : ""
            switch words.first {
            case nil, "#": continue
            case ">", ">?":
                try await request(rest, isRepeated: words.first == ">?", line: number)
            case "<": step?.expectations.append((number, rest))
            default:
                try await finishStep()
                try await command(words[0], rest, line: number)
            }
        }
        try await finishStep()
        return variables
    }

    private mutating func request(_ text: String, isRepeated: Bool, line: Int) async throws {
        let words = text.split(separator: " ", maxSplits: 1).map(String.init)
        let rest = words.count > 1 ? words[1] : ""
        if let method = words.first, method == method.uppercased(), !method.hasSuffix(":") {
            try await finishStep()
            step = Step(line: line, method: method, target: substituted(rest), isRepeated: isRepeated)
            return
        }
        guard var step else { throw Malformed(line: line, text: text) }
        switch words.first {
        case "json":
            step.headers.append(("Content-Type", "application/json"))
            step.body = Array(substituted(rest).utf8)
        case "bytes": step.body = try pattern(rest, line)
        case "chunked":
            step.isChunked = true
            step.body = try pattern(rest, line)
        case "text": step.body = Array(substituted(rest).replacing(#"\r\n"#, with: "\r\n").utf8)
        case "cut": step.cut = Int(rest)
        case let name?:
            guard name.hasSuffix(":") else { throw Malformed(line: line, text: text) }
            step.headers.append((String(name.dropLast()), substituted(rest)))
        case nil: throw Malformed(line: line, text: text)
        }
        self.step = step
    }

    struct Malformed: Error { var line: Int; var text: String }

    private func substituted(_ text: String) -> String {
        variables.reduce(text) { $0.replacing("{\($1.key)}", with: $1.value) }
    }

    /// `first-last`: bytes that depend on their place alone; `none` for no bytes.
    private func pattern(_ text: String, _ line: Int) throws -> [UInt8] {
        if text == "none" { return [] }
        let ends = text.split(separator: "-").compactMap { Int($0) }
        guard ends.count == 2, ends[0] <= ends[1] else { throw Malformed(line: line, text: text) }
        return Pattern.bytes(ends[0]...ends[1])
    }

    // MARK: Requests

    private mutating func finishStep() async throws {
        guard let step else { return }
        self.step = nil
        let request = try rawRequest(step)
        var problems: [String] = []
        // Only requests marked so are repeated; all others must fit at once.
        for attempt in 0..<(step.isRepeated ? 500 : 1) {
            if attempt > 0 { try await Task.sleep(for: .milliseconds(20)) }
            let response = try await RawHTTP.send(request)
            var caught: [String: String] = [:]
            problems = Expectation.problems(step.expectations, response, variables, &caught)
            if problems.isEmpty {
                variables.merge(caught) { $1 }
                return
            }
        }
        for problem in problems { Issue.record("\(transcript.name):\(step.line) \(step.method): \(problem)") }
    }

    private func rawRequest(_ step: Step) throws -> RawHTTP.Request {
        let base =
            step.target.hasPrefix("api:") ? origins.api : step.target.hasPrefix("storage:") ? origins.storage : ""
        let target = base + (base.isEmpty ? step.target : String(step.target.drop { $0 != ":" }.dropFirst()))
        guard target.hasPrefix("http://127.0.0.1:"), let slash = target.dropFirst(17).firstIndex(of: "/"),
            let port = UInt16(target.dropFirst(17)[..<slash])
        else { throw Malformed(line: step.line, text: target) }
        var headers = step.headers
        func has(_ name: String) -> Bool { headers.contains { $0.name.lowercased() == name } }
        if step.target.hasPrefix("api:"), !has("authorization") { headers.append(("Authorization", "Bearer sandbox")) }
        let isBare =
            has("content-length") || step.isChunked
            || (step.body == nil && step.method != "POST" && step.method != "PUT")
        if !isBare { headers.append(("Content-Length", String(step.body?.count ?? 0))) }
        if step.isChunked { headers.append(("Transfer-Encoding", "chunked")) }
        // "none" stands for: do not send this header at all.
        headers.removeAll { $0.value == "none" }
        var head = "\(step.method) \(target[slash...]) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n"
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        var body = step.body ?? []
        if step.isChunked {
            let size = body.isEmpty ? "" : String(body.count, radix: 16) + "\r\n"
            body = Array(size.utf8) + body + Array((body.isEmpty ? "" : "\r\n").utf8) + Array("0\r\n\r\n".utf8)
        }
        return RawHTTP.Request(port: port, head: Array((head + "\r\n").utf8), body: body, cut: step.cut)
    }

    // MARK: What is not a request

    private mutating func command(_ word: String, _ rest: String, line: Int) async throws {
        let text = substituted(rest)
        switch word {
        // Read before the start.
        case "dataset", "strict", "sink", "page-cap", "rate", "import-delay", "restart": return
        case "switch":
            var switches = sandbox.switches
            try switches.apply(text)
            await sandbox.setSwitches(switches)
        case "fault": sandbox.add(try SandboxFault(text))
        case "later": sandbox.advanceClock(by: .seconds((Int(text) ?? 0) * 3600))
        case "create-table": try await sandbox.createTable(text)
        case "create-dataset": try await sandbox.createDataset(text)
        case "object": try await checkObject(text, line)
        case "registration": try checkJSON(file: "registrations", text, line)
        case "log": try await checkLog(text, line)
        default: throw Malformed(line: line, text: word)
        }
    }

    private func checkObject(_ text: String, _ line: Int) async throws {
        let words = text.split(separator: " ").map(String.init)
        let content = try Files.read("\(sandbox.directoryPath)/objects/\(words[0])")
        let expected = try words[1] == "absent" ? nil : pattern(words[1], line)
        #expect(content == expected, "\(transcript.name):\(line): object \(words[0])")
    }

    private func checkJSON(file: String, _ text: String, _ line: Int) throws {
        let words = text.split(separator: " ", maxSplits: 1).map(String.init)
        let content = try Files.read("\(sandbox.directoryPath)/\(file)/\(words[0]).json")
        var caught: [String: String] = [:]
        let wanted = try JSONParser.parse(Array(words[1].utf8))
        let problem = try Expectation.mismatch(wanted, JSONParser.parse(content ?? []), variables, &caught)
        #expect(problem == nil, "\(transcript.name):\(line): \(problem ?? "")")
    }

    /// A line of the log fits; a request that died is logged when the server notices, so this may take a moment.
    private func checkLog(_ text: String, _ line: Int) async throws {
        let wanted = try JSONParser.parse(Array(text.utf8))
        for _ in 0..<500 {
            let lines = try JSONLines.read("\(sandbox.directoryPath)/log.jsonl")
            var caught: [String: String] = [:]
            if lines.contains(where: { Expectation.mismatch(wanted, $0, variables, &caught) == nil }) { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("\(transcript.name):\(line): no such line in the log: \(text)")
    }
}

/// Bytes whose value depends on their offset alone, with a period that is no power of two, so that a shift shows.
enum Pattern {
    private static let period: [UInt8] = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

    static func bytes(_ range: ClosedRange<Int>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        var position = range.lowerBound
        while position <= range.upperBound {
            let start = position % period.count
            let count = min(period.count - start, range.upperBound - position + 1)
            bytes += period[start..<start + count]
            position += count
        }
        return bytes
    }
}
