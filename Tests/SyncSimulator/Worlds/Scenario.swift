/// A script that is kept, with what it shows.
///
///     # An upload that the list shows late is called removed.
///     # breaks: gave a reason that is not true
///     # seeds: 20
///     seed 5019
///     …
package struct Scenario: Sendable {
    /// What happens in it.
    package let words: String
    /// The rule that it breaks, as long as that is a known break.
    package let rule: Rule?
    /// Rules that it may break.
    package let ignoring: Set<Rule>
    /// With how many seeds, from its own on, it is run: what depends on an order does not break with every one.
    package let seeds: Int
    package let script: Script

    /// - Throws: `ScriptError`.
    package init(parsing text: String) throws {
        var (words, rule, ignoring, seeds): (String, Rule?, Set<Rule>, Int) = ("", nil, [], 1)
        func known(_ name: Substring) throws -> Rule {
            guard let rule = Rule(rawValue: String(name)) else { throw ScriptError(description: "no rule `\(name)`") }
            return rule
        }
        for line in text.split(separator: "\n") where line.hasPrefix("# ") {
            let line = line.dropFirst(2)
            if line.hasPrefix("breaks: ") {
                rule = try known(line.dropFirst(8))
            } else if line.hasPrefix("ignoring: ") {
                ignoring.insert(try known(line.dropFirst(10)))
            } else if line.hasPrefix("seeds: ") {
                seeds = Int(line.dropFirst(7)) ?? 1
            } else {
                words = String(line)
            }
        }
        (self.words, self.rule, self.ignoring, self.seeds) = (words, rule, ignoring, seeds)
        script = try Script(parsing: text)
    }

    /// Runs it with one seed after the other.
    /// - Returns: the first break, and the seed that it came with; `nil` where there is none.
    package func firstBreak() throws -> (violation: Violation, seed: UInt64)? {
        var script = script
        for _ in 0..<max(seeds, 1) {
            if let violation = try Trial.run(script, ignoring: ignoring).violations.first {
                return (violation, script.seed)
            }
            script.seed &+= 1
        }
        return nil
    }
}
