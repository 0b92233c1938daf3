/// A world as data: what it is like, who runs in it, and what happens when. A script and its seed decide everything, so a
/// failure is kept as a text file and can be shrunk line by line.
///
///     seed 4711
///     world granularity=1000 leases=yes
///     redivis taken=second lag=3000
///     agent A settle=0 rescan=off
///     at 1200 write a.csv 3
///
/// Times are milliseconds since the world began; sizes are cells of 64 KiB.
package struct Script: Hashable, Sendable {
    package var seed: UInt64
    package var world = Settings()
    package var redivis = Settings()
    package var agents: [Agent] = []
    package var steps: [Step] = []

    package struct Agent: Hashable, Sendable {
        package var name: String
        package var settings: Settings
    }

    package struct Step: Hashable, Sendable {
        /// Milliseconds.
        package var at: Int
        package var verb: Verb
        package var arguments: [String]

        package init(_ at: Int, _ verb: Verb, _ arguments: String...) {
            self.init(at, verb, arguments)
        }

        package init(_ at: Int, _ verb: Verb, _ arguments: [String]) {
            (self.at, self.verb, self.arguments) = (at, verb, arguments)
        }
    }

    package init(seed: UInt64) { self.seed = seed }

    /// What can happen. Paths are below the watched folder.
    package enum Verb: String, CaseIterable, Hashable, Sendable {
        // Writers.
        /// PATH CELLS [PARTS MILLISECONDS]: a new content, written in so many parts over that time.
        case write
        /// COUNT CELLS: so many files at once.
        case burst
        /// PATH CELLS
        case append
        /// PATH [PARTS MILLISECONDS]: other bytes over the same, in place.
        case rewrite
        /// PATH: other bytes over the same, and the time of the last change put back, as by `rsync --times`.
        case backdate
        /// PATH [PARTS MILLISECONDS]: the same bytes over the same, in place.
        case refresh
        /// PATH CELLS: cut to so many.
        case shrink
        /// PATH CELLS: a temporary file of a new content, renamed over it.
        case replace
        /// PATH PATH
        case move, exchange, link, copy
        /// PATH
        case remove, chmod, touch, hide, show
        /// PATH: opened for writing and kept open; PATH: closed.
        case hold, release
        /// PATH: the content that it had before the last one, over it, in place.
        case revert
        /// PATH: mapped into a program's memory; stored to there, seen by no stamp; given back.
        case map, store, unmap
        /// PATH CELLS: stat says so many more (or fewer) than can be read.
        case lie
        /// COUNT: so many directories that nobody may enter.
        case lock
        // The tree.
        /// The folder is renamed and another one made in its place; the same with the directory above it.
        case swapFolder = "swap-folder"
        case swapAbove = "swap-above"
        /// The link on the way to the folder leads to another place.
        case repoint
        case unmount, mount, remount
        // Other people on Redivis.
        case publish, draft, discard
        /// NAME CELLS: an upload that is nobody's here.
        case foreign
        /// NAME PATH: the same, of what is at a path.
        case foreignCopy = "foreign-copy"
        /// NUMBER: takes one of the live uploads off.
        case foreignDelete = "foreign-delete"
        /// REQUESTS KIND SHARE MILLISECONDS
        case fault
        /// MILLISECONDS: imports that begin meanwhile take as long as that.
        case slowImports = "slow-imports"
        case killSessions = "kill-sessions"
        // Agents. AGENT first.
        case start, stop, power
        /// AGENT [STEPS]: so many steps of the world later, be it in the midst of anything.
        case kill
        case backup, restore, lose
        /// AGENT MILLISECONDS: nothing can be written to its state meanwhile.
        case disk
        /// AGENT MILLISECONDS: its host's wall clock steps.
        case clock
        // People. AGENT first.
        case pause, resume
        case retryAll = "retry-all"
        /// AGENT PATH
        case retry, forget
        /// AGENT PATH add|ignore
        case resolve
        /// AGENT KEY=VALUE…
        case edit
    }
}

/// `key=value` pairs in their order.
package struct Settings: Hashable, Sendable {
    package private(set) var pairs: [(key: String, value: String)] = []

    package init() {}

    package init(_ pairs: KeyValuePairs<String, String>) {
        for (key, value) in pairs { self[key] = value }
    }

    package subscript(key: String) -> String? {
        get { pairs.first { $0.key == key }?.value }
        set {
            pairs.removeAll { $0.key == key }
            if let newValue { pairs.append((key, newValue)) }
        }
    }

    package func int(_ key: String, _ fallback: Int) -> Int { self[key].flatMap { Int($0) } ?? fallback }
    package func flag(_ key: String, _ fallback: Bool) -> Bool { self[key].map { $0 == "yes" } ?? fallback }

    package static func == (left: Settings, right: Settings) -> Bool { left.text == right.text }
    package func hash(into hasher: inout Hasher) { hasher.combine(text) }

    package var text: String { pairs.map { "\($0.key)=\($0.value)" }.joined(separator: " ") }
}

// MARK: As text

package struct ScriptError: Error, CustomStringConvertible {
    package let description: String
}

extension Script {
    package var text: String {
        var lines = ["seed \(seed)"]
        if !world.pairs.isEmpty { lines.append("world \(world.text)") }
        if !redivis.pairs.isEmpty { lines.append("redivis \(redivis.text)") }
        lines += agents.map { "agent \($0.name) \($0.settings.text)" }
        lines += steps.map(\.text)
        return lines.joined(separator: "\n") + "\n"
    }

    /// - Throws: `ScriptError` with the line that cannot be read.
    package init(parsing text: String) throws {
        self.init(seed: 0)
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ").map(String.init)
            guard let first = words.first else { continue }
            func unreadable() -> ScriptError { ScriptError(description: "cannot read the line `\(line)`") }
            switch first {
            case "seed":
                guard words.count == 2, let number = UInt64(words[1]) else { throw unreadable() }
                seed = number
            case "world": world = try Self.settings(words.dropFirst())
            case "redivis": redivis = try Self.settings(words.dropFirst())
            case "agent":
                guard words.count >= 2 else { throw unreadable() }
                agents.append(Agent(name: words[1], settings: try Self.settings(words.dropFirst(2))))
            case "at":
                guard words.count >= 3, let at = Int(words[1]), let verb = Verb(rawValue: words[2]) else {
                    throw unreadable()
                }
                steps.append(Step(at, verb, Array(words.dropFirst(3))))
            default: throw unreadable()
            }
        }
    }

    static func settings(_ words: some Sequence<String>) throws -> Settings {
        var settings = Settings()
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw ScriptError(description: "`\(word)` is not key=value") }
            settings[parts[0]] = parts[1]
        }
        return settings
    }
}

extension Script.Step {
    package var text: String { (["at \(at) \(verb.rawValue)"] + arguments).joined(separator: " ") }

    func word(_ index: Int) -> String? { arguments.indices.contains(index) ? arguments[index] : nil }
    func int(_ index: Int, _ fallback: Int) -> Int { word(index).flatMap { Int($0) } ?? fallback }
}
