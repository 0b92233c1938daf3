import SyncCore

/// What the agents owe once nothing troubles them any more.
extension Oracle {
    private static let second: Int64 = 1_000_000_000
    /// How long they have, beside what imports take.
    private static let patience: Int64 = 1500 * second
    /// When a person takes up again what is parked.
    private static let retryAfter: Int64 = 90 * second
    /// How long they must then do nothing.
    private static let restTime: Int64 = 120 * second

    /// Runs the world on until everything is where it has to be, and then a while longer, to see them rest.
    func judgeRest() {
        let begin = world.scheduler.elapsed
        let end = begin + Self.patience + 2 * world.redivis.reading.importTime.upperBound
        var hasRetried = false
        var step = 5 * Self.second
        while true {
            world.pass(through: world.scheduler.elapsed + step)
            guard violations.isEmpty else { return }
            let owed = owed()
            let parked = world.agents.contains { $0.state.count(in: .parked) > 0 }
            let isImporting = world.redivis.uploads.contains {
                $0.importEnds + 30 * Self.second > world.scheduler.elapsed
            }
            if owed == nil, !isImporting, !parked || hasRetried { break }
            if world.scheduler.elapsed >= begin + Self.retryAfter, !hasRetried {
                hasRetried = true
                for agent in world.agents { agent.process?.ask(.retryAll) }
            }
            if let owed, world.scheduler.elapsed >= end { return breaks(owed.rule, owed.words) }
            step = min(step * 2, 120 * Self.second)
        }
        judgeWork()
        judgeCalm()
    }

    /// Nothing is left to do, so nothing is done.
    private func judgeCalm() {
        // What was begun before it was seen that nothing is left; a rescan, which may find what no event tells of; and
        // the look for a second upload, which comes at most two doubts after the last registration.
        let doubt = world.agents.map { Int64($0.settings.int("doubt", 20)) }.max() ?? 0
        let rescan = world.agents.map(rescanTime).max() ?? 0
        world.pass(through: world.scheduler.elapsed + (20 + 2 * doubt) * Self.second + rescan)
        let before = world.agents.map(Effort.init)
        world.pass(through: world.scheduler.elapsed + Self.restTime)
        for (agent, before) in zip(world.agents, before) where violations.isEmpty {
            let after = Effort(agent)
            let pages = world.redivis.uploads.count / world.redivis.reading.pageSize + 1
            if after.requests - before.requests > Self.mostRequestsAtRest * pages {
                breaks(.restless, "\(agent.name) made \(after.requests - before.requests) requests in two minutes")
            }
            if after.reads > before.reads {
                breaks(.restless, "\(agent.name) read \(after.reads - before.reads) cells in two minutes")
            }
            if after.lines - before.lines > Self.mostLinesAtRest {
                breaks(
                    .restless, "\(agent.name) wrote \(after.lines - before.lines) lines into its journal in two minutes"
                )
            }
        }
        if violations.isEmpty, let owed = owed() { breaks(owed.rule, owed.words) }
    }

    /// How long it is until a rescan has ended that is not begun yet. It waits at least 20 times the last one's duration
    /// (`rescan` in the contract), which is long where each call of the kernel is slow.
    private func rescanTime(of agent: SimulatedAgent) -> Int64 {
        guard let rescan = agent.settings["rescan"].flatMap({ Int64($0) }) else { return 0 }
        let longest = agent.process?.longestScan ?? 0
        return max(rescan * 5 / 4 * Self.second, 20 * longest) + longest
    }

    /// Second looks go on for a day, ever more rarely.
    private static let mostRequestsAtRest = 40
    private static let mostLinesAtRest = 2

    /// What an agent has done so far.
    private struct Effort {
        let requests: Int
        let reads: Int
        let lines: Int

        init(_ agent: SimulatedAgent) {
            requests =
                agent.process.map { process in
                    RequestFault.Requests.allCases.reduce(0) { $0 + process.connection.count(of: $1) }
                } ?? 0
            reads = agent.totalReads
            lines = agent.state.count(of: "journal")
        }
    }

    // MARK: What is owed

    typealias Owed = (rule: Rule, words: String)

    private func owed() -> Owed? {
        for agent in world.agents {
            if let owed = falseClaim(of: agent) { return owed }
        }
        if let owed = doubled() { return owed }
        guard let folder = world.kernel.files(below: WorldConfiguration.folder) else { return nil }
        for file in folder where isDeliverable(file) {
            for agent in world.agents {
                if let owed = owed(file, by: agent) { return owed }
            }
        }
        for agent in world.agents where !isPaused(agent) {
            let open = agent.state.openDeliveries().first { !isAway($0, of: agent) }
            guard let open else { continue }
            return (.neverEnds, "\(agent.name): \(open.path) is \(open.state): \(open.reason)")
        }
        return nil
    }

    /// Whether a file waits for a directory or a file system that is not there any more, and its agent says so.
    private func isAway(_ open: SimulatedState.OpenDelivery, of agent: SimulatedAgent) -> Bool {
        guard agent.process?.tellsOfFilesAway == true else { return false }
        // An empty directory is not taken for the folder, so that the state still has the one before.
        let folder = world.kernel.identity(WorldConfiguration.folder)?.inode
        let isReplaced =
            world.script.steps.contains { [.swapAbove, .swapFolder, .repoint].contains($0.verb) }
            || open.folder.map { $0 != folder } ?? false
        return isReplaced && world.kernel.file("\(WorldConfiguration.folder)/\(open.path)") == nil
    }

    private func isPaused(_ agent: SimulatedAgent) -> Bool {
        agent.settings.flag("paused", false) || agent.settings["mapping"] == "none"
    }

    /// What is called delivered is there, unless people took it off.
    private func falseClaim(of agent: SimulatedAgent) -> Owed? {
        for claim in agent.state.delivered() {
            let all = world.redivis.uploads.filter { $0.table == claim.table && Cells.md5($0.cells) == claim.md5 }
            guard !all.contains(where: \.isLive), !all.contains(where: { $0.removed?.by == SeededScheduler.world })
            else {
                continue
            }
            return (
                .claimedDelivered,
                "\(agent.name): \(claim.name) is on \(claim.table) no more, and no person took it off"
            )
        }
        return nil
    }

    /// Of two agents: one upload of a version, once both have looked.
    private func doubled() -> Owed? {
        // What cannot be taken off is told, as what was released.
        guard !world.redivis.reading.deletesAreRefused else { return nil }
        for upload in world.redivis.uploads where upload.isLive && upload.owner != 0 {
            let tag = UploadName.tags(in: upload.name)
            let all = live(upload.cells, on: upload.table).filter { UploadName.tags(in: $0.name) == tag }
            guard all.count > 1 else { continue }
            // What was released cannot be taken off any more, and is told.
            guard all.contains(where: { $0.place == .draft }) else { continue }
            guard !isToldOf(all) else { continue }
            let words = all.map { "\($0.name) #\($0.number) by \($0.owner)" + ($0.hasWrongMD5 ? " (wrong MD5)" : "") }
            return (.twiceForGood, words.joined(separator: ", "))
        }
        return nil
    }

    /// What is not the file may be a person's. What shares its address with an upload that is not the file, or that is
    /// released, cannot be taken off alone. Both are told instead.
    private func isToldOf(_ all: [SimulatedUpload]) -> Bool {
        let sharesAddress = world.redivis.reading.urisByName && all.contains { $0.place != .draft }
        guard sharesAddress || all.contains(where: \.hasWrongMD5) else { return false }
        let told = world.agents.flatMap { $0.state.toldTwins() }
        return all.contains { told.contains($0.name) }
    }

    /// Whether mappings take such a name by themselves (docs/mapping-file.md), as far as the scripts have such names.
    private static func isTaken(_ path: String) -> Bool {
        !path.hasSuffix(".tmp") && !path.split(separator: "/").contains { $0.hasPrefix(".") }
    }

    private func isDeliverable(_ file: VirtualFile) -> Bool {
        guard file.isReadable, file.writers == 0, !file.cells.isEmpty else { return false }
        return Self.isTaken(file.path)
    }

    private func owed(_ file: VirtualFile, by agent: SimulatedAgent) -> Owed? {
        let settings = agent.settings
        guard !isPaused(agent), let path = RelativePath(file.path) else { return nil }
        if let exclude = settings["exclude"].flatMap({ try? PathPattern(parsing: $0) }), exclude.matches(path) {
            return nil
        }
        let claim = agent.state.claim(of: file.path)
        // What people took off again was delivered once.
        let isThere = world.redivis.uploads.contains { upload in
            upload.cells == file.cells && (upload.isLive || upload.removed?.by == SeededScheduler.world)
        }
        if let claim, let owed = untrue(claim, file, agent) { return owed }
        if isThere { return nil }
        switch claim?.state {
        case "held", "parked", "ignored": return nil
        default: break
        }
        let state =
            agent.state.isSettling(file.path) ? "settling" : claim.map { "\($0.state) \($0.json)" } ?? "never seen"
        return (.notDelivered, "\(agent.name): \(file.path) [\(Self.words(file.cells))] is \(state)")
    }

    /// A file that waits for a person does so for a reason that holds.
    private func untrue(_ claim: SimulatedState.Claim, _ file: VirtualFile, _ agent: SimulatedAgent) -> Owed? {
        func lie(_ why: String) -> Owed? {
            (.untrueReason, "\(agent.name): \(file.path) is \(claim.state) \(claim.json.prefix(160)), though \(why)")
        }
        guard !agent.lostState else { return nil }
        switch claim.kind {
        case "held" where claim.json.contains("changed"):
            return isChange(file) ? nil : lie("no other content of this path was delivered that is not elsewhere now")
        case "held" where claim.json.contains("tableHasOtherUploads"):
            // By its MD5 it is known, and by a uri of its own.
            let reading = world.redivis.reading
            // What came after the mapping's first listing is none of the uploads that were there before it.
            let same = live(file.cells).first {
                $0.owner == 0 && $0.name == file.path && $0.registeredAt <= begin(of: agent)
            }
            // Where a list leaves it out, its address leads to one of them only.
            let isAlone = world.redivis.uploads.count { $0.isLive && $0.name == file.path } == 1
            if same != nil, isAlone, reading.tellsMD5, !reading.urisByName {
                return lie("the table has just this upload")
            }
            return world.redivis.uploads.contains { $0.owner == 0 || world.agents.count > 1 }
                ? nil : lie("nobody else has uploads there")
        case "ignored" where claim.json.contains("existing"):
            return wasThereBefore(file, agent) || isBackdated(file) ? nil : lie("it came after the agent had looked")
        case "ignored" where claim.json.contains("exclude"):
            return lie("no rule leaves it out")
        case "forgotten":
            // What `resolve --ignore` meant may have moved since.
            let isResolved = world.script.steps.contains { $0.verb == .resolve && $0.word(2) == "ignore" }
            let isMeant =
                isResolved || shortNames(of: file.cells).contains { decided[$0] != nil } || wasForgotten(file)
            return isMeant || world.agents.count > 1 ? nil : lie("nobody has forgotten it")
        default:
            return nil
        }
    }

    /// Whether a person meant this version by `forget`: by its own path, or by another name that the same inode had with
    /// this content. A move or a hard link of a version is that version, in whatever state (the contract's "file version").
    private func wasForgotten(_ file: VirtualFile) -> Bool {
        if isForgotten(file.path) { return true }
        return files.contents[file.cells]?.occurrences.contains { occurrence in
            occurrence.instance == file.instance && isForgotten(Self.short(occurrence.name))
        } ?? false
    }

    private func isForgotten(_ name: String) -> Bool {
        namedByForget.contains(name) || forgotten.keys.contains { name == $0 || name.hasPrefix($0 + "/") }
    }

    /// Whether another content of a path or an inode that this one had is on a table, and was not moved away.
    ///
    /// With links, copies and exchanges several answers are right.
    private func isChange(_ file: VirtualFile) -> Bool {
        if world.script.steps.contains(where: { [.link, .exchange, .copy].contains($0.verb) }) { return true }
        let own = Set(shortNames(of: file.cells))
        let there = world.kernel.files(below: WorldConfiguration.folder) ?? []
        return world.redivis.uploads.contains { upload in
            guard !upload.importFails, upload.cells != file.cells, let earlier = files.contents[upload.cells] else {
                return false
            }
            return earlier.occurrences.contains { occurrence in
                if occurrence.instance == file.instance { return true }
                guard own.contains(Self.short(occurrence.name)) else { return false }
                return !there.contains { other in
                    // What a person forgot is not looked at, so that nobody knows that it is there.
                    other.instance == occurrence.instance && other.cells == upload.cells && !own.contains(other.path)
                        && Self.isTaken(other.path) && !isForgotten(other.path)
                }
            }
        }
    }

    /// Generous: within the first half minute of the agent, or of its first scan where calls of the kernel are slow.
    private func wasThereBefore(_ file: VirtualFile, _ agent: SimulatedAgent) -> Bool {
        let appeared = files.contents[file.cells]?.appearedAt ?? 0
        return appeared <= begin(of: agent) + 30 * Self.second + (agent.process?.longestScan ?? 0)
    }

    /// Whether a program wrote to it and put the mtime back. Of what was never read, nobody can tell that from a chmod.
    private func isBackdated(_ file: VirtualFile) -> Bool {
        world.script.steps.contains { $0.verb == .backdate && $0.word(0) == file.path }
    }

    /// When it was started first.
    private func begin(of agent: SimulatedAgent) -> Int64 { Int64(agent.settings.int("start", 10)) * 1_000_000 }

    // MARK: What it cost

    private func judgeWork() {
        // Two files of one content are two uploads.
        let total = files.contents.reduce(0) { $0 + $1.key.count * Set($1.value.occurrences.map(\.instance)).count }
        let troubles = world.script.steps.count { $0.verb.isTrouble }
        let ofInstances = files.contents.reduce(into: [UInt64: Int]()) { sizes, content in
            for instance in Set(content.value.occurrences.map(\.instance)) {
                sizes[instance, default: 0] += content.key.count
            }
        }
        for agent in world.agents where violations.isEmpty {
            let sent = received[agent.number] ?? 0
            let mostSent = troubles == 0 ? 2 * total + 16 : (2 + 12 * troubles) * (total + 16)
            if sent > mostSent { breaks(.sentTooMuch, "\(agent.name) sent \(sent) cells, of \(total) that ever were") }
            let times = 10 + world.script.steps.count + 12 * troubles
            for (instance, count) in agent.readsByInode.sorted(by: { $0.key < $1.key }) {
                let size = ofInstances[instance] ?? 1
                guard count > times * (size + 1) else { continue }
                let names = files.instances[instance]?.names.sorted().map(Self.short).joined(separator: ", ") ?? ""
                breaks(.readTooMuch, "\(agent.name) read \(count) cells of \(names), which never had more than \(size)")
            }
            let (lines, path) = agent.state.longestJournal()
            if lines > Self.mostLines { breaks(.journalTooLong, "\(agent.name): \(lines) lines about \(path)") }
        }
    }

    /// Of one delivery: an outage of an hour that is asked about once a minute, and its journey.
    private static let mostLines = 120
}

extension Script.Verb {
    /// Whether it may make an agent send or read something once more.
    var isTrouble: Bool {
        switch self {
        case .fault, .killSessions, .start, .stop, .kill, .power, .restore, .lose, .disk, .edit, .pause, .resume,
            .retryAll,
            .retry, .publish, .discard, .draft, .foreignDelete, .unmount, .mount, .remount, .swapFolder, .swapAbove,
            .repoint,
            .hide, .show, .lie, .clock, .resolve:
            true
        case .write, .burst, .append, .rewrite, .backdate, .refresh, .shrink, .replace, .move, .exchange, .link, .copy,
            .remove,
            .chmod, .touch,
            .hold, .release, .revert, .map, .store, .unmap, .lock, .foreign, .foreignCopy, .slowImports, .backup,
            .forget:
            false
        }
    }
}
