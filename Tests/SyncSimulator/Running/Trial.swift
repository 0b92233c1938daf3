import Glibc

/// Runs scripts, and makes those that break something as short as they can be.
package enum Trial {
    /// - Parameters:
    ///   - ignoring: rules that may be broken.
    ///   - tell: gets each line of the story.
    package static func run(
        _ script: Script, ignoring: Set<Rule> = [], tell: ((String) -> Void)? = nil
    ) throws -> Verdict {
        try World(script, ignoring: ignoring, tell: tell).run()
    }

    package static var hashesAreFixed: Bool { getenv("SWIFT_DETERMINISTIC_HASHING") != nil }

    /// A shorter script that breaks the same rule: steps, agents and settings that it does without are left out, times
    /// and sizes made round.
    ///
    /// - Parameter tries: the most worlds that may be run for it.
    package static func shrink(
        _ script: Script, breaking rule: Rule, ignoring: Set<Rule> = [], tries: Int = 600
    ) -> Script {
        var shrinker = Shrinker(rule: rule, ignoring: ignoring, tries: tries)
        return shrinker.shrink(script)
    }
}

private struct Shrinker {
    let rule: Rule
    let ignoring: Set<Rule>
    var tries: Int

    mutating func breaks(_ script: Script) -> Bool {
        guard tries > 0 else { return false }
        tries -= 1
        return (try? Trial.run(script, ignoring: ignoring))?.violations.first?.rule == rule
    }

    mutating func shrink(_ script: Script) -> Script {
        var best = script
        var before: Script
        repeat {
            before = best
            best = withoutSteps(best)
            best = withoutAgents(best)
            best = withoutSettings(best)
            best = simpler(best)
        } while best != before && tries > 0
        return best
    }

    /// Halves first, then quarters, down to single steps.
    private mutating func withoutSteps(_ script: Script) -> Script {
        var best = script
        var size = max(best.steps.count / 2, 1)
        while size >= 1 {
            var start = 0
            while start < best.steps.count, tries > 0 {
                var next = best
                next.steps.removeSubrange(start..<min(start + size, next.steps.count))
                if breaks(next) { best = next } else { start += size }
            }
            if size == 1 { break }
            size /= 2
        }
        return best
    }

    private mutating func withoutAgents(_ script: Script) -> Script {
        var best = script
        for agent in script.agents where best.agents.count > 1 {
            var next = best
            next.agents.removeAll { $0.name == agent.name }
            next.steps.removeAll { $0.arguments.first == agent.name && $0.verb.isOfAgent }
            if breaks(next) { best = next }
        }
        return best
    }

    private mutating func withoutSettings(_ script: Script) -> Script {
        var best = script
        for key in script.world.pairs.map(\.key) { attempt(&best) { $0.world[key] = nil } }
        for key in script.redivis.pairs.map(\.key) { attempt(&best) { $0.redivis[key] = nil } }
        for index in best.agents.indices {
            for key in script.agents.indices.contains(index) ? best.agents[index].settings.pairs.map(\.key) : [] {
                attempt(&best) { $0.agents[index].settings[key] = nil }
            }
        }
        return best
    }

    private mutating func simpler(_ script: Script) -> Script {
        var best = script
        for index in best.steps.indices {
            for unit in [1000, 100] where best.steps[index].at % unit != 0 {
                attempt(&best) { $0.steps[index].at = max($0.steps[index].at / unit, 1) * unit }
            }
            if [.write, .append, .replace].contains(best.steps[index].verb), best.steps[index].arguments.count > 1 {
                attempt(&best) { $0.steps[index].arguments = [$0.steps[index].arguments[0], "1"] }
            }
        }
        return best
    }

    private mutating func attempt(_ best: inout Script, _ change: (inout Script) -> Void) {
        var next = best
        change(&next)
        if next != best, breaks(next) { best = next }
    }
}

extension Script.Verb {
    /// Whether its first argument is an agent.
    var isOfAgent: Bool {
        switch self {
        case .start, .stop, .kill, .power, .backup, .restore, .lose, .disk, .clock, .pause, .resume, .retryAll, .retry,
            .forget,
            .resolve, .edit:
            true
        case .write, .burst, .append, .rewrite, .backdate, .refresh, .shrink, .replace, .move, .exchange, .link, .copy,
            .remove,
            .chmod, .touch,
            .hide, .show, .hold, .release, .revert, .map, .store, .unmap, .lie, .lock, .swapFolder, .swapAbove,
            .repoint,
            .unmount, .mount, .remount, .publish, .draft, .discard, .foreign, .foreignCopy, .foreignDelete, .fault,
            .slowImports, .killSessions:
            false
        }
    }
}
