import SyncCore
import SyncTestSupport

/// One world: a machine, a Redivis, agents and people, made of a script.
package final class World: @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.

    package let script: Script
    package let scheduler: SeededScheduler
    package let story: Story
    package let chance: Chance
    package let kernel: VirtualKernel
    package let redivis: SimulatedRedivis
    private(set) var agents: [SimulatedAgent] = []
    private(set) lazy var oracle = Oracle(self, ignoring: ignoring)
    private let ignoring: Set<Rule>
    private let host = HostTime()
    private let files: Writers
    /// Who is to be killed, and at which step.
    private var killed: [(step: Int, agent: SimulatedAgent)] = []

    /// - Parameters:
    ///   - ignoring: rules that may be broken.
    ///   - tell: gets each line of the story.
    package init(_ script: Script, ignoring: Set<Rule> = [], tell: ((String) -> Void)? = nil) throws {
        self.script = script
        let scheduler = SeededScheduler(seed: script.seed)
        self.scheduler = scheduler
        story = Story(scheduler, tell: tell)
        chance = Chance(seed: script.seed)
        let host = host
        kernel = VirtualKernel(options: Self.kernelOptions(script.world)) { host.nanoseconds(at: scheduler.elapsed) }
        redivis = SimulatedRedivis(scheduler, reading: Self.reading(script.redivis), chance: chance)
        files = Writers(kernel, scheduler)
        self.ignoring = ignoring
        device = kernel.makeDevice(number: Self.firstDevice)
        kernel.observer = oracle.files
        redivis.observer = { [unowned self] in oracle.noteRedivis($0) }
        for table in WorldConfiguration.tables {
            redivis.addTable(table.key, spelled: table.spellings.values.sorted().map(WorldConfiguration.parsed))
        }
        for (index, plan) in script.agents.enumerated() {
            agents.append(try SimulatedAgent(name: plan.name, number: index + 1, settings: plan.settings))
        }
        makeTree()
    }

    func agent(_ name: String) -> SimulatedAgent? { agents.first { $0.name == name } }

    /// Of the process that did something on the server.
    func agent(ofOwner owner: Int) -> SimulatedAgent? { agents.first { $0.number == SimulatedAgent.number(of: owner) } }

    // MARK: What it is like

    private static func kernelOptions(_ settings: Settings) -> VirtualKernel.Options {
        VirtualKernel.Options(
            granularity: Int64(settings.int("granularity", 4)) * 1_000_000,
            reusesInodesAtOnce: settings.flag("reuse", true), queueLimit: settings.int("queue", 16_384),
            watchLimit: settings.int("watches", 65_536), grantsLeases: settings.flag("leases", true))
    }

    private static func reading(_ settings: Settings) -> RedivisReading {
        var reading = RedivisReading()
        reading.takenName = settings["taken"].flatMap(RedivisReading.TakenName.init(rawValue:)) ?? .second
        reading.acceptsUsedIDs = settings.flag("used-ids", true)
        reading.pageSize = max(settings.int("page", 100), 1)
        reading.listLag = Int64(settings.int("lag", 0)) * 1_000_000
        reading.listOmits = settings.int("omits", 0)
        reading.lateness = Int64(settings.int("lateness", 0)) * 1_000_000
        reading.importFails = settings.int("import-fails", 0)
        reading.tellsMD5 = settings.flag("md5", true)
        reading.wrongMD5 = settings.int("wrong-md5", 0)
        reading.urisByName = settings.flag("name-uris", false)
        reading.wholeBelow = settings.int("whole-below", 1)
        reading.chunkTime = Int64(settings.int("chunk", 0)) * 1_000_000
        reading.deletesAreRefused = settings.flag("no-deletes", false)
        let longest = Int64(settings.int("import", 4000)) * 1_000_000
        reading.importTime = min(500_000_000, longest)...longest
        return reading
    }

    static let disk = "/disk"
    static let places = ["/disk/one", "/disk/two"]
    static let link = "/srv/current"
    private let device: VirtualDevice
    private static let firstDevice: UInt64 = 7
    private var deviceNumber = World.firstDevice
    private var mountPoint: String { script.world["mount"] == "folder" ? "\(Self.places[0])/data" : Self.disk }

    private func makeTree() {
        kernel.makeDirectory(Self.disk)
        kernel.makeDirectory("/srv")
        if script.world["mount"] == "folder" {
            for place in Self.places { kernel.makeDirectory("\(place)/data") }
            kernel.mount(device, at: mountPoint)
        } else {
            kernel.mount(device, at: mountPoint)
            for place in Self.places { kernel.makeDirectory("\(place)/data") }
        }
        kernel.makeLink(at: Self.link, to: Self.places[0])
    }

    // MARK: What happens

    private static func absolute(_ path: String) -> String { "\(WorldConfiguration.folder)/\(path)" }

    func perform(_ step: Script.Step) {
        story.note("—", "step", step.text)
        switch step.verb {
        case .write, .burst, .append, .rewrite, .backdate, .refresh, .shrink, .replace, .move, .exchange, .link, .copy,
            .remove,
            .chmod, .touch,
            .hide, .show, .hold, .release, .revert, .map, .store, .unmap, .lie, .lock:
            files.perform(step) { Self.absolute($0) }
        case .swapFolder, .swapAbove, .repoint, .unmount, .mount, .remount:
            performOnTree(step)
        case .publish, .draft, .discard, .foreign, .foreignCopy, .foreignDelete, .fault, .slowImports, .killSessions:
            performOnRedivis(step)
        case .start, .stop, .kill, .power, .backup, .restore, .lose, .disk, .clock, .pause, .resume, .retryAll, .retry,
            .forget,
            .resolve, .edit:
            guard let agent = step.word(0).flatMap(agent) else { return }
            performOnAgent(step, agent)
        }
    }

    private func performOnTree(_ step: Script.Step) {
        let folder = WorldConfiguration.folder
        switch step.verb {
        case .swapFolder:
            kernel.rename(folder, to: "\(folder).\(scheduler.steps)")
            kernel.makeDirectory(folder)
        case .swapAbove:
            let place = Self.places[0]
            kernel.rename(place, to: "\(place).\(scheduler.steps)")
            kernel.makeDirectory("\(place)/data")
        case .repoint:
            kernel.redirectLink(at: Self.link, to: Self.places[step.int(0, 1) % 2])
        case .unmount:
            files.closeAll()
            kernel.unmount(mountPoint, isLazy: true)
        case .mount:
            kernel.mount(device, at: mountPoint)
        case .remount:
            files.closeAll()
            deviceNumber += 1
            kernel.remount(mountPoint, number: deviceNumber, isLazy: true)
        default: break
        }
    }

    private func performOnRedivis(_ step: Script.Step) {
        let table = WorldConfiguration.tables[0].key
        switch step.verb {
        case .publish: redivis.release()
        case .draft: redivis.openDraft()
        case .discard: redivis.discardDraft()
        case .foreign: redivis.addForeign(files.newContent(step.int(1, 1)), named: step.word(0) ?? "x", to: table)
        case .foreignCopy:
            guard let file = step.word(1).flatMap({ kernel.file(Self.absolute($0)) }) else { return }
            redivis.addForeign(file.cells, named: step.word(0) ?? "x", to: table)
        case .foreignDelete:
            let live = redivis.uploads.filter { $0.place == .draft }
            if !live.isEmpty { redivis.remove(live[step.int(0, 0) % live.count], by: SeededScheduler.world) }
        case .fault:
            guard let requests = step.word(0).flatMap(RequestFault.Requests.init(rawValue:)),
                let kind = step.word(1).flatMap(RequestFault.Kind.init(rawValue:))
            else { return }
            redivis.faults.append(
                RequestFault(
                    requests, kind, share: step.int(2, 50),
                    until: scheduler.elapsed + Int64(step.int(3, 5000)) * 1_000_000))
        case .slowImports:
            let longest = Int64(step.int(0, 60_000)) * 1_000_000
            redivis.reading.importTime = longest / 2...longest
        case .killSessions: redivis.killSessions()
        default: break
        }
    }

    private func performOnAgent(_ step: Script.Step, _ agent: SimulatedAgent) {
        switch step.verb {
        case .start: agent.start(in: self)
        case .stop: agent.stop(in: self)
        case .kill: kill(agent, after: step.int(1, 0))
        case .power:
            agent.kill(in: self)
            change(agent) { _ = try $0.losePower(keepsSome: step.int(1, 0) > 0, seed: UInt64(step.int(1, 0))) }
        case .backup: agent.state.backUp()
        case .restore:
            agent.kill(in: self)
            change(agent) { if try $0.restore() { agent.lostState = true } }
        case .lose:
            agent.kill(in: self)
            agent.lostState = true
            change(agent) { try $0.lose(all: step.int(1, 0) > 0) }
        case .disk: agent.diskFailsUntil = scheduler.elapsed + Int64(step.int(1, 3000)) * 1_000_000
        case .clock: agent.host.offset += Int64(step.int(1, 0))
        case .pause: agent.process?.ask(.pause(mapping: nil))
        case .resume: agent.process?.ask(.resume(mapping: nil))
        case .retryAll: agent.process?.ask(.retryAll)
        case .retry: agent.process?.ask(.retry(paths: Self.paths(step)))
        case .forget: agent.process?.ask(.forget(paths: Self.paths(step)))
        case .resolve:
            agent.process?.ask(
                .resolve(paths: Self.paths(step), decision: step.word(2) == "ignore" ? .ignore : .add))
        case .edit:
            var settings = agent.settings
            for word in step.arguments.dropFirst() {
                let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                if parts.count == 2 { settings[parts[0]] = parts[1] == "none" ? nil : parts[1] }
            }
            agent.settings = settings
            agent.process?.edit(settings)
        default: break
        }
    }

    private func kill(_ agent: SimulatedAgent, after steps: Int) {
        guard steps > 0 else { return agent.kill(in: self) }
        killed.append((scheduler.steps + steps, agent))
    }

    /// After each step.
    private func killWhoIsDue() {
        guard !killed.isEmpty else { return }
        for (_, agent) in killed
        where agent.isRunning && killed.contains(where: { $0.step <= scheduler.steps && $0.agent === agent }) {
            agent.kill(in: self)
        }
        killed.removeAll { $0.step <= scheduler.steps }
    }

    private func change(_ agent: SimulatedAgent, _ body: (SimulatedState) throws -> Void) {
        do { try body(agent.state) } catch { oracle.agentGaveUp(agent, "its state cannot be opened: \(error)") }
    }

    private static func paths(_ step: Script.Step) -> [ControlPath] {
        let path = Array(absolute(step.word(1) ?? "").utf8)
        return [ControlPath(absolute: path, typed: path)]
    }

    /// The oracle expects what the agents' rules leave out; for its tests.
    package func forgetRules() {
        for agent in agents { agent.settings["exclude"] = nil }
    }

    // MARK: From its beginning to its end

    /// Ends everything that troubles: what is left is what the agents owe.
    private func calm() {
        story.note("—", "calm")
        killed = []
        redivis.faults = []
        redivis.reading.listOmits = 0
        files.closeAll()
        kernel.mount(device, at: mountPoint)
        redivis.openDraft()
        for agent in agents {
            agent.diskFailsUntil = 0
            agent.start(in: self)
            agent.process?.ask(.resume(mapping: nil))
        }
    }

    /// Runs the world to its end.
    /// - Parameter tamper: does something once everything is calm, before that is judged; for tests of the oracle.
    package func run(before tamper: ((World) -> Void)? = nil) -> Verdict {
        for step in script.steps where step.at <= 0 { perform(step) }
        for agent in agents {
            scheduler.after(Int64(agent.settings.int("start", 10)) * 1_000_000, of: SeededScheduler.world) { [self] in
                agent.start(in: self)
            }
        }
        for step in script.steps where step.at > 0 {
            scheduler.after(Int64(step.at) * 1_000_000, of: SeededScheduler.world) { [self] in perform(step) }
        }
        pass(through: Int64(script.lastMillisecond) * 1_000_000)
        if !oracle.isOver {
            calm()
            if let tamper {
                pass(through: scheduler.elapsed + 30_000_000_000)
                tamper(self)
            }
            oracle.judgeRest()
        }
        end()
        return Verdict(
            violations: oracle.violations, hash: story.hash, steps: scheduler.steps, elapsed: scheduler.elapsed)
    }

    func pass(through instant: Int64) {
        scheduler.run(until: instant) { [self] in
            killWhoIsDue()
            return oracle.isOver
        }
    }

    /// Lets every process end, with nothing in their way, so that they leave nothing behind in memory.
    private func end() {
        oracle.isClosed = true
        redivis.faults = []
        for agent in agents { agent.process?.cancel() }
        scheduler.run(until: scheduler.elapsed + 120_000_000_000) { [agents] in !agents.contains { $0.isRunning } }
        for agent in agents { agent.kill(in: self) }
        scheduler.clear()
    }
}

/// What came of a world.
package struct Verdict: Sendable {
    package let violations: [Violation]
    /// Of its story: the same script has the same.
    package let hash: UInt64
    package let steps: Int
    /// Virtual nanoseconds.
    package let elapsed: Int64
}

extension Script {
    /// When the last step, and what it begins, is over.
    var lastMillisecond: Int {
        steps.map { step in
            switch step.verb {
            case .fault: step.at + step.int(3, 5000)
            case .write: step.at + step.int(3, 0)
            case .rewrite, .refresh: step.at + step.int(2, 0)
            case .disk: step.at + step.int(1, 3000)
            default: step.at
            }
        }.max() ?? 0
    }
}
