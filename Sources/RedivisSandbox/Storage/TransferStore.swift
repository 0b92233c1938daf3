import Synchronization

/// All transfers and sessions, with the ledger from which a restarted sandbox takes them up again.
final class TransferStore: Sendable {
    private struct State {
        var transfers: [String: Transfer] = [:]
        var sessions: [String: ResumableSession] = [:]
        var lastNumber: Int64 = 0
    }

    let directory: SandboxDirectory
    let secrets: SessionSecrets
    let clock: WallClock
    private let ledger: JSONLines
    // A mutex, since requests on both origins reach it from many tasks.
    private let state: Mutex<State>

    init(directory: SandboxDirectory, clock: WallClock) throws {
        self.directory = directory
        self.clock = clock
        secrets = try SessionSecrets(keyFile: directory.key)
        var restored = State()
        for line in try JSONLines.read(directory.transfers) { Self.replay(line, into: &restored, directory: directory) }
        ledger = try JSONLines(path: directory.transfers)
        state = Mutex(restored)
    }

    // MARK: Transfers

    func openTransfer(
        _ kind: Transfer.Kind, table: String, size: Int64, name: String?, now: Int64
    ) throws -> (transfer: Transfer, session: ResumableSession?) {
        let prefix = kind == .documented ? "r" : "t"
        let transfer = Transfer(
            id: nextID(prefix), kind: kind, table: table, size: size, name: name, created: now)
        try ledger.append([
            "event": "transfer", "id": .string(transfer.id), "kind": .string(kind.rawValue), "table": .string(table),
            "size": .integer(size), "name": .optional(name), "created": .integer(now),
        ])
        state.withLock { $0.transfers[transfer.id] = transfer }
        // The documented endpoint's URL is a session already; the other's starts one, or takes the bytes itself.
        return (transfer, kind == .documented ? try startSession(for: transfer, now: now) : nil)
    }

    func transfer(_ id: String) -> Transfer? { state.withLock { $0.transfers[id] } }

    func noteRegistration(_ number: Int64, of id: String) throws {
        try ledger.append(["event": "registered", "id": .string(id), "registration": .integer(number)])
        state.withLock { $0.transfers[id]?.registrations.append(number) }
    }

    // MARK: Sessions

    func startSession(for transfer: Transfer, now: Int64) throws -> ResumableSession {
        let id = nextID("s")
        let session = ResumableSession(
            id: id, uploadID: transfer.id, size: transfer.size, created: now, path: directory.object(id))
        try ledger.append([
            "event": "session", "id": .string(id), "transfer": .string(transfer.id), "size": .integer(transfer.size),
            "created": .integer(now),
        ])
        state.withLock { $0.sessions[id] = session }
        return session
    }

    func session(_ id: String) -> ResumableSession? { state.withLock { $0.sessions[id] } }

    /// Records what a session has become: finished, dead, or stored up to an offset that the file's length cannot tell.
    func note(_ session: ResumableSession) throws {
        switch session.phase {
        case .finished(let size, let md5):
            let object = StoredObject(id: session.id, size: size, md5: md5)
            let isNews = state.withLock { state in
                let isNews = state.transfers[session.uploadID]?.object != object
                state.transfers[session.uploadID]?.object = object
                return isNews
            }
            if isNews { try noteFinished(object, transfer: session.uploadID) }
        case .dead(let status):
            try ledger.append(["event": "dead", "id": .string(session.id), "status": .integer(Int64(status))])
        case .open:
            let stored = session.stored
            if !directory.keepsBytes || !stored.isMultiple(of: ResumableSession.granularity) {
                try ledger.append(["event": "stored", "id": .string(session.id), "stored": .integer(stored)])
            }
        }
    }

    // MARK: Objects that came in one piece

    /// A writer for the bytes of a plain PUT or an inline body, and the id of the object to be.
    func makeObject(_ prefix: String) -> (id: String, writer: ObjectWriter) {
        let id = nextID(prefix)
        return (id, ObjectWriter(path: directory.object(id)))
    }

    /// The object of a plain PUT: the last one counts.
    func noteWhole(_ object: StoredObject, transfer id: String) throws {
        state.withLock { $0.transfers[id]?.object = object }
        try noteFinished(object, transfer: id)
    }

    private func noteFinished(_ object: StoredObject, transfer id: String) throws {
        try ledger.append([
            "event": "finished", "id": .string(object.id), "transfer": .string(id), "size": .integer(object.size),
            "md5": .optional(object.md5), "time": .integer(clock.now()),
        ])
    }

    private func nextID(_ prefix: String) -> String {
        state.withLock { state in
            state.lastNumber += 1
            return "\(prefix)-\(state.lastNumber)"
        }
    }

    // MARK: Taking up again

    private static func replay(_ line: JSON, into state: inout State, directory: SandboxDirectory) {
        guard let event = line["event"]?.text, let id = line["id"]?.text else { return }
        if let number = id.split(separator: "-").last.flatMap({ ContentRange.digits($0) }) {
            state.lastNumber = max(state.lastNumber, number)
        }
        switch event {
        case "transfer":
            guard let kind = line["kind"]?.text.flatMap(Transfer.Kind.init), let table = line["table"]?.text,
                let size = line["size"]?.integer, let created = line["created"]?.integer
            else { return }
            state.transfers[id] = Transfer(
                id: id, kind: kind, table: table, size: size, name: line["name"]?.text, created: created)
        case "session":
            guard let transfer = line["transfer"]?.text, let size = line["size"]?.integer,
                let created = line["created"]?.integer
            else { return }
            state.sessions[id] = restored(id, transfer, size, created, .open, note: 0, directory)
        case "stored":
            guard let old = state.sessions[id], let stored = line["stored"]?.integer else { return }
            state.sessions[id] = restored(id, old.uploadID, old.size, old.created, .open, note: stored, directory)
        case "dead":
            guard let old = state.sessions[id], let status = line["status"]?.integer else { return }
            let phase = ResumableSession.Phase.dead(status: Int(clamping: status))
            state.sessions[id] = restored(id, old.uploadID, old.size, old.created, phase, note: 0, directory)
        case "finished":
            guard let size = line["size"]?.integer, let transfer = line["transfer"]?.text else { return }
            let object = StoredObject(id: id, size: size, md5: line["md5"]?.text)
            state.transfers[transfer]?.object = object
            guard let old = state.sessions[id] else { return }
            let phase = ResumableSession.Phase.finished(size: size, md5: object.md5)
            state.sessions[id] = restored(id, old.uploadID, old.size, old.created, phase, note: size, directory)
        case "registered":
            guard let number = line["registration"]?.integer else { return }
            state.transfers[id]?.registrations.append(number)
        default: return
        }
    }

    /// What was acknowledged is in the file: its length down to a multiple of 256 KiB, or the offset noted beside it.
    private static func restored(
        _ id: String, _ transfer: String, _ size: Int64, _ created: Int64, _ phase: ResumableSession.Phase,
        note: Int64, _ directory: SandboxDirectory
    ) -> ResumableSession {
        let path = directory.object(id)
        let length = path.map { Files.size($0) ?? 0 } ?? note
        let whole = length / ResumableSession.granularity * ResumableSession.granularity
        let stored = path == nil ? note : note <= length ? max(whole, note) : whole
        return ResumableSession(
            id: id, uploadID: transfer, size: size, created: created, path: path, stored: stored, phase: phase)
    }
}
