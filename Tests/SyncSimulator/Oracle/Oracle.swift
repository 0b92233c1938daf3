import SyncCore

/// Judges the agents from outside: by what the kernel and the server saw. The database is only looked at for what the
/// program claims there.
package final class Oracle: @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.

    unowned let world: World
    let files: FileHistory
    private(set) var violations: [Violation] = []
    /// The world ends: nothing is judged any more.
    var isClosed = false
    /// By path, when a person said so last (nanoseconds).
    private(set) var forgotten: [String: Int64] = [:]
    /// Paths that a `forget` named with success. The answer names the path of the version, which may have moved on.
    private(set) var namedByForget: Set<String> = []
    private(set) var decided: [String: Int64] = [:]
    /// Of each agent's list requests, when they were made.
    private var lists: [Int: [Int64]] = [:]
    /// Cells that the storage host got of each agent.
    private(set) var received: [Int: Int] = [:]
    private var lastStep = (elapsed: Int64(0), steps: 0)

    /// Sessions, and names being registered, that were once found in a database.
    private var saved: Set<String> = []
    /// Rules whose breaks are known well enough: what they hide is looked for.
    private let ignored: Set<Rule>

    init(_ world: World, ignoring ignored: Set<Rule>) {
        self.world = world
        self.ignored = ignored
        let scheduler = world.scheduler
        let quiets = world.script.agents.map { agent in
            Int64(max(agent.settings.int("settle", 1000), 2000)) * 1_000_000
        }
        let trustsLeases =
            world.script.world.flag("leases", true)
            && world.script.agents.allSatisfy { $0.settings.flag("writers", true) }
        files = FileHistory(quiet: trustsLeases ? nil : quiets.min()) { scheduler.elapsed }
    }

    /// So many steps without time passing are a loop.
    private static let mostStepsAtOnce = 60_000

    /// Whether there is nothing more to learn from this world.
    var isOver: Bool {
        if !violations.isEmpty { return !isClosed }
        let scheduler = world.scheduler
        if scheduler.elapsed != lastStep.elapsed { lastStep = (scheduler.elapsed, scheduler.steps) }
        if scheduler.steps - lastStep.steps > Self.mostStepsAtOnce { breaks(.endless, "at one moment") }
        return !violations.isEmpty
    }

    func breaks(_ rule: Rule, _ words: String) {
        guard !isClosed, violations.isEmpty, !ignored.contains(rule) else { return }
        violations.append(Violation(rule: rule, words: words, at: world.scheduler.elapsed))
        world.story.note("!!!", "broken", "\(rule.rawValue): \(words)")
    }

    /// A path below the folder, as the kernel told it or as a row has it.
    static func short(_ path: String) -> String {
        let names = path.split(separator: "/")
        guard path.hasPrefix("/"), let data = names.lastIndex(of: "data") else { return path }
        return names[(data + 1)...].joined(separator: "/")
    }

    func shortNames(of cells: [UInt8]) -> [String] { files.names(of: cells).map(Self.short).sorted() }

    // MARK: The server

    func noteRedivis(_ event: SimulatedRedivis.Event) {
        switch event {
        case .registered(let upload): noteRegistered(upload)
        case .removed(let upload, let owner):
            world.story.note("Redivis", "removes", "\(upload.name) #\(upload.number), by \(owner)")
        case .received(let session, let cells, let owner):
            received[SimulatedAgent.number(of: owner), default: 0] += cells
            checkSentAgain(session, by: owner)
        }
    }

    private func noteRegistered(_ upload: SimulatedUpload) {
        world.story.note(
            "Redivis", "registers", "\(upload.name) #\(upload.number) [\(Self.words(upload.cells))], by \(upload.owner)"
        )
        guard let agent = world.agent(ofOwner: upload.owner) else { return }
        let names = shortNames(of: upload.cells).joined(separator: ", ")
        if !upload.cells.isEmpty, !files.wasWhole(upload.cells) {
            return breaks(
                .neverWhole, "\(upload.name) [\(Self.words(upload.cells))], which no file was while nobody wrote it")
        }
        checkTwice(upload, agent, names)
        checkHeld(upload, agent)
        checkForgotten(upload, agent)
    }

    static func words(_ cells: [UInt8]) -> String {
        guard let first = cells.first else { return "nothing" }
        return cells.allSatisfy { $0 == first }
            ? "\(first) × \(cells.count)" : cells.map { "\($0)" }.joined(separator: " ")
    }

    /// The live uploads of one content, on one table or on all.
    func live(_ cells: [UInt8], on table: TableKey? = nil) -> [SimulatedUpload] {
        world.redivis.uploads.filter { $0.isLive && $0.cells == cells && (table == nil || $0.table == table) }
    }

    private func checkTwice(_ upload: SimulatedUpload, _ agent: SimulatedAgent, _ names: String) {
        guard upload.isLive else { return }
        // Two agents may have two tables.
        let live = live(upload.cells, on: world.agents.count > 1 ? upload.table : nil)
        // What came back renamed and with another content may be a person's: it is told (`SecondLook.strangers`).
        let all = live.filter { !($0.hasWrongMD5 && $0.isRenamed) || $0.number == upload.number }
        // One upload of each name; and as many names as there were files that had this content.
        let same = all.filter { UploadName.tags(in: $0.name) == UploadName.tags(in: upload.name) }
        guard same.count > 1 || all.count > max(files.inodes(of: upload.cells), 1) else { return }
        let registrars = Set(all.map { SimulatedAgent.number(of: $0.owner) })
        // Somebody else's upload beside ours is no doing of the agent's if it came later.
        guard !registrars.contains(0) || all.last?.owner != 0 else { return }
        if registrars.count == 1 {
            let list = all.map { "\($0.name) #\($0.number)" }.joined(separator: ", ")
            breaks(.registeredTwice, "\(names) is on \(upload.table) \(all.count) times: \(list)")
        }
    }

    /// A changed content of a path whose earlier content the same agent has delivered to the same table.
    private func checkHeld(_ upload: SimulatedUpload, _ agent: SimulatedAgent) {
        guard upload.isLive, !agent.lostState, let new = files.contents[upload.cells] else { return }
        // One that came back renamed, or with another digest, is not what the agent calls delivered.
        for earlier in world.redivis.uploads
        where earlier.number < upload.number && earlier.isLive && !earlier.hasWrongMD5
            && !earlier.isRenamed
        {
            guard earlier.table == upload.table, SimulatedAgent.number(of: earlier.owner) == agent.number,
                earlier.cells != upload.cells, let old = files.contents[earlier.cells], old.appearedAt < new.appearedAt,
                world.scheduler.elapsed >= earlier.importEnds
            else { continue }
            let newNames = Set(new.occurrences.map(\.name))
            let shared = Set(old.occurrences.map(\.name)).intersection(newNames)
            // Of several versions, or where it lived on under another name, it is not plain what a path's older one is.
            guard !shared.isEmpty, files.names(of: earlier.cells).count == 1, newNames.count == 1 else { continue }
            let path = Self.short(shared.min() ?? "")
            guard decided[path] == nil, forgotten[path] == nil else { continue }
            breaks(.sentThoughHeld, "\(path): \(upload.name), though \(earlier.name) of the same path is delivered")
        }
    }

    /// What an open session of the same agent has, needs not be sent by another one, unless it was refused or forgotten.
    private func checkSentAgain(_ session: SimulatedRedivis.Session, by owner: Int) {
        guard !isClosed, !session.cells.isEmpty, !mayLoseSessions, !wasForgotten(session) else { return }
        let earlier = world.redivis.openSessions.first { other in
            other !== session && other.number < session.number && other.size == session.size
                && SimulatedAgent.number(of: other.owner) == SimulatedAgent.number(of: owner)
                && !other.cells.isEmpty && session.cells.starts(with: other.cells)
                // Only a change of ctime alone costs no bytes: with another mtime the file may have another content.
                && !files.wasModified(since: other.openedAt, cells: session.cells, size: session.size)
        }
        guard let earlier else { return }
        breaks(
            .sentAgain,
            "\(earlier.cells.count) of \(session.size / Cells.size) cells of \(shortNames(of: session.cells).joined(separator: ", ")) were with \(earlier.uploadID)"
        )
    }

    private var mayLoseSessions: Bool {
        world.script.steps.contains { step in
            switch step.verb {
            case .killSessions, .restore, .lose, .copy, .edit, .revert: true
            // How old a session is that was opened in the clock's future, nobody knows (`UploadSession.isExpired`).
            case .clock: step.int(1, 0) < -300_000
            case .fault:
                [.all, .chunks, .status, .sessions].contains(RequestFault.Requests(rawValue: step.word(0) ?? ""))
            default: false
            }
        }
    }

    /// Whether a person had the file forgotten, and perhaps taken up again: then it begins anew.
    private func wasForgotten(_ session: SimulatedRedivis.Session) -> Bool {
        let names = Set(
            files.contents.filter { Cells.size($0.key) == session.size && $0.key.starts(with: session.cells) }
                .flatMap { $0.value.occurrences.map { Self.short($0.name) } })
        return world.script.steps.contains { step in
            guard step.verb == .forget, let path = step.word(1) else { return false }
            return names.contains { $0 == path || $0.hasPrefix(path + "/") }
        }
    }

    private func checkForgotten(_ upload: SimulatedUpload, _ agent: SimulatedAgent) {
        guard let content = files.contents[upload.cells], !agent.lostState else { return }
        let names = Set(content.occurrences.map { Self.short($0.name) })
        let hits = names.filter { name in
            decided[name] == nil
                && forgotten.contains { path, at in
                    (name == path || name.hasPrefix(path + "/")) && at < content.appearedAt
                }
        }
        guard !names.isEmpty, hits.count == names.count else { return }
        breaks(.sentThoughForgotten, "\(hits.sorted().joined(separator: ", ")): \(upload.name)")
    }

    // MARK: Requests

    func willPost(_ name: String, by agent: SimulatedAgent) {
        guard !isClosed, !saved.contains(name), !agent.state.claims(posting: name) else { return }
        breaks(.notSaved, "the registration of \(name) leaves, and its row does not say so")
    }

    func willSend(_ session: UploadSession, by agent: SimulatedAgent) {
        guard !isClosed, !saved.contains(session.uploadID), !agent.state.claims(session: session.uploadID) else {
            return
        }
        breaks(.notSaved, "bytes leave for \(session.uploadID), and no row has it")
    }

    /// Contract: 6 walks in 30 s for all doubts together; the follower's own come on top.
    private static let mostWalks = 40

    func willList(by agent: SimulatedAgent) {
        let now = world.scheduler.elapsed
        var recent = (lists[agent.number] ?? []).drop { $0 < now - 30_000_000_000 }
        recent.append(now)
        lists[agent.number] = Array(recent)
        let pages = world.redivis.uploads.count / world.redivis.reading.pageSize + 2
        guard recent.count > Self.mostWalks * pages else { return }
        breaks(.tooManyLists, "\(recent.count) list requests of \(agent.name) within 30 s, for \(pages) pages")
    }

    // MARK: What agents say

    func agentGaveUp(_ agent: SimulatedAgent, _ words: String) {
        guard !isClosed else { return }
        breaks(.gaveUp, "\(agent.name): \(words)")
    }

    func moved(_ delivery: Delivery, note: String, by agent: SimulatedAgent) {
        guard !isClosed else { return }
        if note.contains(SimulatedRedivis.secret) { breaks(.secretShown, note) }
        noteSaved(delivery, by: agent)
        switch delivery.state {
        case .parked(let reason): checkReason(reason, delivery, agent)
        case .delivered(let receipt): checkReceipt(receipt, delivery)
        case .working, .waiting, .held, .abandoned: break
        }
    }

    /// What is in the database just after it was saved: later the intake may have written over it, and what was decided
    /// before goes on until it is told.
    private func noteSaved(_ delivery: Delivery, by agent: SimulatedAgent) {
        switch delivery.state {
        case .working(.transferring(let session, _)):
            if agent.state.claims(session: session.uploadID) { saved.insert(session.uploadID) }
        case .working(.posting):
            if let name = delivery.uploadName, agent.state.claims(posting: name) { saved.insert(name) }
        case .working, .waiting, .delivered, .held, .parked, .abandoned: break
        }
    }

    private func named(_ name: String?, on table: TableKey?) -> [SimulatedUpload] {
        world.redivis.uploads.filter { upload in
            upload.place != .removed && table.map { upload.table == $0 } ?? true
                && name.map { upload.name.hasPrefix($0) } ?? false
        }
    }

    private func checkReason(_ reason: ParkReason, _ delivery: Delivery, _ agent: SimulatedAgent) {
        // The other agent's may be as it should be.
        let there = named(delivery.uploadName, on: delivery.tableKey).filter { upload in
            if case .contentDiffers = reason { return SimulatedAgent.number(of: upload.owner) == agent.number }
            return true
        }
        let isOurs = there.contains {
            Cells.md5($0.cells) == delivery.content?.md5 && !$0.importFails && !$0.hasWrongMD5
        }
        switch reason {
        case .removedFromTable, .nameTaken, .contentDiffers:
            if isOurs {
                breaks(
                    .untrueReason,
                    "\(agent.name): \(delivery.path) is parked as \(reason), and its upload is on the table")
            }
        case .stateDamaged(let words): breaks(.untrueReason, "\(agent.name): \(delivery.path): \(words)")
        case .unreadable(let words):
            let file = world.kernel.file("\(WorldConfiguration.folder)/\(delivery.path)")
            guard let file, file.isReadable, !everHidden else { return }
            breaks(.untrueReason, "\(agent.name): \(delivery.path): \(words)")
        case .importFailed, .rejected, .sessionRefused, .sessionsLost, .withdrawalRefused: break
        }
    }

    private var everHidden: Bool {
        world.script.steps.contains { [.hide, .lie, .lock, .unmount, .remount].contains($0.verb) }
    }

    private func checkReceipt(_ receipt: Receipt, _ delivery: Delivery) {
        let isThere = world.redivis.uploads.contains { upload in
            upload.table == receipt.table && Cells.md5(upload.cells) == receipt.content.md5
                && (upload.isLive || upload.removed != nil)
        }
        guard !isThere else { return }
        breaks(.claimedDelivered, "\(delivery.path): no upload of its content is on \(receipt.table)")
    }

    // MARK: What people said

    func asked(_ request: ControlRequest, _ answer: ControlAnswer, of agent: SimulatedAgent) {
        guard case .done(let outcome) = answer else { return }
        let now = world.scheduler.elapsed
        // By the lines that say so: a directory means the files below it that the agent knows.
        let changed = outcome.changed.compactMap { line in line.lastIndex(of: ":").map { String(line[..<$0]) } }
        switch request {
        case .forget(let paths) where world.agents.count == 1:
            for path in changed { forgotten[path] = now }
            guard !changed.isEmpty else { return }
            namedByForget.formUnion(paths.map { Self.short(String(decoding: $0.absolute.bytes, as: UTF8.self)) })
        case .retry(let paths), .resolve(let paths, _):
            for path in changed + paths.map({ Self.short(String(decoding: $0.absolute.bytes, as: UTF8.self)) }) {
                if case .retry = request { forgotten[path] = nil }
                decided[path] = now
            }
        case .forget, .retryAll, .pause, .resume, .acceptPlan, .scan, .reload, .status: break
        }
    }
}
