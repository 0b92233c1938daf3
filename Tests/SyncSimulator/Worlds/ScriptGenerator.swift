import SyncTestSupport

/// Draws a script from a seed.
package struct ScriptGenerator {
    private var random: SeededRandom
    private let profile: Profile
    private var script: Script
    /// Milliseconds.
    private var at = 0
    private var paths: [String] = []

    package static func script(seed: UInt64, profile: Profile) -> Script {
        var generator = ScriptGenerator(seed: seed, profile: profile)
        return generator.make()
    }

    private init(seed: UInt64, profile: Profile) {
        random = Chance(seed: seed).stream(profile.rawValue)
        self.profile = profile
        script = Script(seed: seed)
    }

    private mutating func make() -> Script {
        paths = ["a.csv", "b.csv", "c.csv", "d/e.csv", "d/f.csv"].shuffled(using: &random)
        paths = Array(paths.prefix(random.number(2...5)))
        drawWorld()
        drawRedivis()
        drawAgents()
        if random.percent(profile == .people || profile == .everything ? 50 : 20) { drawBefore() }
        at = random.number(20...1500)
        for _ in 0..<random.number(3...22) {
            drawStep()
            at += random.pick(weighed: [
                (3, 0), (4, random.number(1...60)), (5, random.number(60...3000)), (2, random.number(3000...20_000)),
            ])
        }
        return script
    }

    // MARK: What it is like

    private mutating func drawWorld() {
        if random.percent(profile == .fileSystem ? 50 : 15) {
            script.world["granularity"] = String(random.pick([1, 1000, 2000]))
        }
        if random.percent(15) { script.world["reuse"] = "no" }
        if random.percent(8) { script.world["queue"] = String(random.pick([2, 4, 16])) }
        if random.percent(4) { script.world["watches"] = String(random.pick([1, 2])) }
        if random.percent(8) { script.world["leases"] = "no" }
        if random.percent(40) { script.world["mount"] = "folder" }
        if random.percent(15) { script.world["slow"] = String(random.pick([5, 40])) }
    }

    private mutating func drawRedivis() {
        script.redivis["taken"] = random.pick(weighed: [(6, "second"), (2, "renamed"), (2, "refused")])
        if random.percent(20) { script.redivis["used-ids"] = "no" }
        if random.percent(25) { script.redivis["page"] = String(random.number(1...4)) }
        let isLagging =
            profile == .laggingLists || [.everything, .twoAgents].contains(profile) && random.percent(30)
        if random.percent(isLagging ? 80 : 10) { script.redivis["lag"] = String(random.pick([500, 3000, 8000])) }
        if random.percent(isLagging ? 30 : 3) { script.redivis["omits"] = String(random.pick([10, 50])) }
        if random.percent(50) { script.redivis["lateness"] = String(random.number(500...8000)) }
        if random.percent(profile == .imports || profile == .everything ? 40 : 5) {
            script.redivis["import-fails"] = String(random.pick([20, 50]))
        }
        if random.percent(10) { script.redivis["md5"] = "no" }
        if random.percent(6) { script.redivis["wrong-md5"] = "30" }
        if random.percent(20) { script.redivis["name-uris"] = "yes" }
        if random.percent(15) { script.redivis["whole-below"] = "4" }
        if random.percent(profile == .fileSystem ? 30 : 8) {
            script.redivis["chunk"] = String(random.pick([500, 2000, 5000]))
        }
        if script.redivis["import-fails"] != nil, random.percent(15) { script.redivis["no-deletes"] = "yes" }
        if random.percent(30) { script.redivis["import"] = String(random.pick([500, 15_000, 60_000])) }
    }

    private mutating func drawAgents() {
        let isMany = profile == .twoAgents || profile == .everything && random.percent(35)
        for index in 0..<(isMany ? random.pick(weighed: [(4, 2), (1, 3)]) : 1) {
            var settings = Settings()
            settings["settle"] = String(random.pick(weighed: [(4, 0), (3, 1000), (2, 6000)]))
            settings["doubt"] = String(random.pick([10, 20, 40]))
            settings["rescan"] = random.percent(60) ? "off" : "60"
            if random.percent(15) { settings["watch"] = "poll" }
            if random.percent(profile == .twoAgents ? 50 : 25) { settings["inline"] = "0" }
            if random.percent(8) { settings["writers"] = "no" }
            if random.percent(25) { settings["existing"] = random.pick(["upload", "skip", "hold"]) }
            if random.percent(30) { settings["uploads"] = "1" }
            if index > 0, random.percent(50) { settings["start"] = String(random.number(10...30_000)) }
            script.agents.append(Script.Agent(name: ["A", "B", "C"][index], settings: settings))
        }
    }

    /// Files and uploads that are there before the agents are.
    private mutating func drawBefore() {
        at = 0
        if random.percent(25) {
            let path = random.pick(paths)
            add(.write, path, size())
            add(.foreignCopy, path, path)
            add(.publish)
            add(.foreign, path, size())
        }
        for _ in 0..<random.number(1...5) {
            let path = random.pick(paths)
            switch random.number(0...5) {
            case 0...1: add(.write, path, size())
            case 2...3: add(.foreignCopy, path, path)
            case 4: add(.foreign, path, size())
            default: add(.publish)
            }
        }
        if random.percent(20) { add(.lock, String(random.pick([1, 101]))) }
    }

    // MARK: Steps

    private mutating func add(_ verb: Script.Verb, _ arguments: String...) {
        script.steps.append(Script.Step(at, verb, arguments))
    }

    private mutating func size() -> String {
        String(random.pick(weighed: [(5, 1), (3, random.number(2...4)), (2, random.number(5...14))]))
    }

    private mutating func agent() -> String { random.pick(script.agents).name }

    private mutating func target() -> String {
        random.percent(15) ? random.pick(["a.csv.1", "g.csv", "d/h.csv", ".x.csv", "b.tmp"]) : random.pick(paths)
    }

    private mutating func drawStep() {
        let verb = random.pick(weighed: profile.weights)
        switch verb {
        case .write:
            if random.percent(35) {
                add(.write, target(), size(), String(random.number(2...4)), String(random.number(50...8000)))
            } else {
                add(.write, target(), size())
            }
        case .append, .shrink, .replace: add(verb, random.pick(paths), size())
        case .rewrite, .refresh:
            if random.percent(40) {
                add(verb, random.pick(paths), String(random.number(2...3)), String(random.number(10...1500)))
            } else {
                add(verb, random.pick(paths))
            }
        case .burst: add(.burst, String(random.pick([3, 8, 20])), "1")
        case .exchange where random.percent(50):
            // A file that was prepared beside, under a name that is not taken.
            let staged = random.pick([".x.csv", "b.tmp"])
            add(.write, staged, size())
            at += random.number(0...2000)
            add(.exchange, staged, random.pick(paths))
        case .exchange where random.percent(60):
            // Two files change places, and then both change.
            let (one, two) = (random.pick(paths), random.pick(paths))
            add(.exchange, one, two)
            at += random.number(0...3000)
            add(random.pick([.rewrite, .replace, .write]), one, "1")
            at += random.number(0...1500)
            add(random.pick([.rewrite, .replace, .write]), two, "1")
        case .chmod where random.percent(50):
            let path = random.pick(paths)
            for _ in 0..<random.number(2...6) {
                add(.chmod, path)
                at += random.number(500...4000)
            }
        case .move where random.percent(12): add(.move, "d", random.pick(["g", ".h"]))
        case .hide where random.percent(30): add(.hide, "d")
        case .show where random.percent(30): add(.show, "d")
        case .move, .exchange, .link, .copy: add(verb, random.pick(paths), target())
        case .remove, .chmod, .touch, .hide, .show, .hold, .release, .revert, .map, .store, .unmap:
            add(verb, random.pick(paths))
        case .lie: add(.lie, random.pick(paths), random.pick(["1", "-1", "0"]))
        case .lock: add(.lock, String(random.pick([1, 3, 101])))
        case .repoint: add(.repoint, String(random.number(0...1)))
        case .swapFolder, .swapAbove, .unmount, .mount, .remount, .publish, .draft, .discard, .killSessions: add(verb)
        case .foreign: add(.foreign, random.pick(paths), size())
        case .foreignCopy: add(.foreignCopy, random.pick(paths), random.pick(paths))
        case .foreignDelete: add(.foreignDelete, String(random.number(0...20)))
        case .fault: drawFault()
        case .slowImports: add(.slowImports, String(random.pick([20_000, 120_000, 300_000])))
        case .backdate: add(.backdate, random.pick(paths))
        case .kill, .power, .stop, .restore, .lose: drawEnd(verb)
        case .start, .backup, .pause, .resume, .retryAll: add(verb, agent())
        case .disk: add(.disk, agent(), String(random.number(500...20_000)))
        case .clock: add(.clock, agent(), String(random.pick([-3_600_000, -60_000, 60_000, 90_000_000])))
        case .retry, .forget: add(verb, agent(), random.percent(20) ? "d" : random.pick(paths))
        case .resolve: add(.resolve, agent(), random.pick(paths), random.pick(["add", "ignore"]))
        case .edit: drawEdit()
        }
    }

    private mutating func drawFault() {
        if profile == .twoAgents, random.percent(40) {
            // Both lose the same registration.
            add(
                .fault, "posts", random.pick(["unsent", "unanswered"]), "100",
                String(random.pick([3000, 6000, 15_000])))
            add(.write, random.pick(paths), size())
            return
        }
        let requests = random.pick(weighed: [
            (6, RequestFault.Requests.posts), (2, .all), (2, .lists), (2, .chunks), (1, .tables), (1, .sessions),
            (1, .status),
            (2, .deletes), (1, .uploads),
        ])
        let kinds: [(Int, RequestFault.Kind)] =
            switch requests {
            case .posts:
                [
                    (4, .unsent), (6, .unanswered), (4, .late), (2, .throttled), (1, .unavailable), (1, .refused),
                    (1, .forbidden),
                ]
            case .chunks:
                [
                    (4, .partial), (2, .forgotten), (2, .unsent), (2, .unanswered), (1, .missing), (1, .forbidden),
                    (2, .slow),
                ]
            case .deletes: [(4, .forbidden), (2, .refused), (2, .unanswered), (1, .unsent)]
            case .all, .tables, .lists, .uploads, .sessions, .status:
                [
                    (3, .unsent), (3, .unanswered), (2, .throttled), (2, .unavailable), (1, .unauthorized),
                    (1, .forbidden), (2, .slow),
                ]
            }
        let duration = random.pick([500, 3000, 15_000, 60_000])
        add(
            .fault, requests.rawValue, random.pick(weighed: kinds).rawValue, String(random.pick([30, 60, 100])),
            String(duration))
    }

    /// What ends is started again most of the time; else the world's end does it.
    private mutating func drawEnd(_ verb: Script.Verb) {
        let name = agent()
        if verb == .restore {
            script.steps.insert(
                Script.Step(max(at - random.number(0...8000), 1), .backup, name), at: script.steps.count)
        }
        switch verb {
        case .power: add(.power, name, String(random.number(0...999)))
        case .kill where random.percent(60): add(.kill, name, String(random.number(1...400)))
        default: add(verb, name)
        }
        guard random.percent(80) else { return }
        at += verb == .stop ? 6000 : random.number(1...4000)
        // Longer than a session lives.
        if script.agents.count == 1, random.percent(8) { at += 90_000_000 }
        add(.start, name)
        guard random.percent(60) else { return }
        // While the first scan is on its way.
        for path in paths.shuffled(using: &random) where random.percent(70) {
            at += random.number(1...200)
            add(random.pick([.rewrite, .replace, .append]), path, "1")
        }
    }

    private mutating func drawEdit() {
        let change = random.pick(weighed: [
            (3, "table=1b"), (3, "table=1"), (3, "table=2"), (1, "exclude=*.csv"), (2, "exclude=a*"),
            (3, "exclude=none"),
            (1, "paused=yes"), (1, "paused=no"), (1, "settle=0"), (1, "existing=skip"), (1, "mapping=none"),
        ])
        add(.edit, agent(), change)
        if change == "mapping=none" || change == "paused=yes" {
            at += random.number(100...5000)
            add(
                .edit, script.steps[script.steps.count - 1].arguments[0],
                change == "paused=yes" ? "paused=no" : "mapping=yes")
        }
    }
}
