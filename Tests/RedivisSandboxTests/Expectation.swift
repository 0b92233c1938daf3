@testable import RedivisSandbox

/// Compares an answer with the `<` lines of a transcript.
enum Expectation {
    static func problems(
        _ expectations: [(line: Int, text: String)], _ response: RawHTTP.Response?, _ variables: [String: String],
        _ caught: inout [String: String]
    ) -> [String] {
        var problems: [String] = []
        for (line, text) in expectations {
            if let problem = problem(text, response, variables, &caught) { problems.append("line \(line): \(problem)") }
        }
        return problems
    }

    private static func problem(
        _ text: String, _ response: RawHTTP.Response?, _ variables: [String: String], _ caught: inout [String: String]
    ) -> String? {
        if text == "no answer" { return response.map { "an answer came: \($0.status)" } }
        guard let response else { return "no answer came" }
        let words = text.split(separator: " ", maxSplits: 1).map(String.init)
        let rest = words.count > 1 ? words[1] : ""
        let body = String(decoding: response.body, as: UTF8.self)
        if let status = Int(words[0]) {
            return response.status == status
                ? nil : "status \(response.status) instead of \(status): \(body.prefix(300))"
        }
        switch words[0] {
        case "empty": return response.body.isEmpty ? nil : "a body of \(response.body.count) bytes"
        case "informational": return response.informational == [Int(rest) ?? 0] ? nil : "\(response.informational)"
        case "contains": return body.contains(rest) ? nil : "the body lacks \(rest): \(body.prefix(300))"
        case "json":
            guard let wanted = try? JSONParser.parse(Array(rest.utf8)) else {
                return "the transcript's JSON is malformed"
            }
            guard let value = try? JSONParser.parse(response.body) else { return "not JSON: \(body.prefix(300))" }
            return mismatch(wanted, value, variables, &caught)
        default:
            guard words[0].hasSuffix(":") else { return "unknown expectation \(words[0])" }
            let name = String(words[0].dropLast())
            return header(name, rest, response.header(name), variables, &caught)
        }
    }

    private static func header(
        _ name: String, _ wanted: String, _ value: String?, _ variables: [String: String],
        _ caught: inout [String: String]
    ) -> String? {
        if wanted == "absent" { return value.map { "\(name) is \($0)" } }
        guard let value else { return "\(name) is missing" }
        return fits(wanted, value, variables, &caught) ? nil : "\(name) is \(value), not \(wanted)"
    }

    /// `*` is any text, `{=name}` catches it, `{name}` is what was caught before.
    private static func fits(
        _ wanted: String, _ value: String, _ variables: [String: String], _ caught: inout [String: String]
    ) -> Bool {
        if wanted == "*" { return true }
        if wanted.hasPrefix("{="), wanted.hasSuffix("}") {
            caught[String(wanted.dropFirst(2).dropLast())] = value
            return true
        }
        return variables.reduce(wanted) { $0.replacing("{\($1.key)}", with: $1.value) } == value
    }

    /// Nil where `value` has everything that is wanted: an object may have more members, a list must have as many.
    static func mismatch(
        _ wanted: JSON, _ value: JSON, _ variables: [String: String], _ caught: inout [String: String],
        _ path: String = ""
    ) -> String? {
        switch (wanted, value) {
        case (.string(let wanted), .string(let text)):
            return fits(wanted, text, variables, &caught) ? nil : "\(path) is \(text), not \(wanted)"
        case (.object(let members), .object):
            for member in members {
                guard let found = value[member.key] else { return "\(path).\(member.key) is missing" }
                if let problem = mismatch(member.value, found, variables, &caught, "\(path).\(member.key)") {
                    return problem
                }
            }
            return nil
        case (.array(let wanted), .array(let values)):
            guard wanted.count == values.count else {
                return "\(path) has \(values.count) entries, not \(wanted.count)"
            }
            for index in wanted.indices {
                if let problem = mismatch(wanted[index], values[index], variables, &caught, "\(path)[\(index)]") {
                    return problem
                }
            }
            return nil
        default: return wanted == value ? nil : "\(path) is \(value), not \(wanted)"
        }
    }
}
