import SyncCore
import Synchronization

/// The gates of the two hosts. While one is closed, whoever asks it is turned away without a request; the dispatcher
/// then starts one delivery at a time, as a probe.
final class HostGates: Sendable {
    enum Host: Hashable, CaseIterable { case api, storage }

    private struct State {
        var gates = Dictionary(uniqueKeysWithValues: Host.allCases.map { ($0, HostGate()) })
        var whys: [Host: String] = [:]
    }

    // A mutex: every request of every task passes, and nothing is waited for inside.
    private let state = Mutex(State())
    private let clock: any SyncClock
    private let random: @Sendable () -> Double
    /// Hung up by the run, rung by whoever's request is answered.
    private let bells = Mutex<[@Sendable () async -> Void]>([])

    init(clock: any SyncClock, random: @escaping @Sendable () -> Double) {
        self.clock = clock
        self.random = random
    }

    /// Rings these whenever a host answers again, for as long as `body` runs.
    func ringing<Value>(
        _ bells: [@Sendable () async -> Void], while body: () async throws -> Value
    ) async rethrows -> Value {
        self.bells.withLock { $0 = bells }
        // Whoever is rung asks through these gates, and would never be let go of.
        defer { self.bells.withLock { $0 = [] } }
        return try await body()
    }

    /// What keeps requests back.
    struct Rest: Hashable {
        /// When the next probe is let through.
        let until: MonotonicInstant
        let isProbing: Bool

        func isDue(at now: MonotonicInstant) -> Bool { !isProbing && now.reached(until) ?? true }
    }

    /// Of the hosts that are away.
    var rests: [Host: Rest] {
        state.withLock { state in
            state.gates.compactMapValues { gate in
                gate.nextProbe.map { Rest(until: $0, isProbing: gate.isProbing) }
            }
        }
    }

    /// Carries out one request to the host, if it is let through.
    func ask<Answer>(
        _ host: Host, _ request: () async throws(Failure) -> Answer
    ) async throws(Failure) -> Answer {
        let pass = try enter(host)
        do throws(Failure) {
            let answer = try await request()
            await answered(host)
            return answer
        } catch {
            switch error.kind.verdictOnHost {
            case .answers: await answered(host)
            case .isAway: failed(host, error, as: pass)
            case .unknown: state.withLock { $0.gates[host]?.gaveUp(as: pass) }
            }
            throw error
        }
    }

    private func enter(_ host: Host) throws(Failure) -> HostGate.Pass {
        let now = clock.now().monotonic
        let (pass, why) = state.withLock { ($0.gates[host]?.pass(at: now) ?? .free, $0.whys[host]) }
        guard case .closed = pass else { return pass }
        throw Failure(
            .transient, scope: .agent, why ?? "the host does not answer",
            hint: "it is asked again now and then, and everything goes on once it answers")
    }

    private func answered(_ host: Host) async {
        let hasOpened = state.withLock { state in
            state.whys[host] = nil
            return state.gates[host]?.answered() ?? false
        }
        guard hasOpened else { return }
        for bell in bells.withLock({ $0 }) { await bell() }
    }

    private func failed(_ host: Host, _ failure: Failure, as pass: HostGate.Pass) {
        let (now, jitter) = (clock.now().monotonic, random())
        state.withLock { state in
            if state.gates[host]?.failed(failure, as: pass, at: now, jitter: jitter) == true || pass == .probe {
                state.whys[host] = failure.summary
            }
        }
    }
}

extension Delivery {
    /// The hosts that its next steps ask. A session is of no use while no byte can be sent.
    var hostsAskedNext: [HostGates.Host] {
        switch state.stage {
        case .pending, .opening: [.api, .storage]
        case .transferring, .probing, .concluding: [.storage]
        case .reading, .lookingUp, .posting, .importing, .withdrawing: [.api]
        case nil: []
        }
    }
}

/// The remote, each request through the gate of its host.
struct GatedRemote: UploadRemote {
    let remote: any UploadRemote
    let gates: HostGates

    func table(_ reference: TableReference) async throws(Failure) -> RemoteTable {
        try await gates.ask(.api) { () async throws(Failure) in try await remote.table(reference) }
    }

    func openVersion(of reference: TableReference) async throws(Failure) {
        try await gates.ask(.api) { () async throws(Failure) in try await remote.openVersion(of: reference) }
    }

    func uploads(
        of reference: TableReference, in version: TableVersion, page: String?
    ) async throws(Failure) -> UploadPage {
        try await gates.ask(.api) { () async throws(Failure) in
            try await remote.uploads(of: reference, in: version, page: page)
        }
    }

    func upload(uri: String) async throws(Failure) -> RemoteUpload? {
        try await gates.ask(.api) { () async throws(Failure) in try await remote.upload(uri: uri) }
    }

    func upload(
        named name: String, of reference: TableReference, in version: TableVersion
    ) async throws(Failure) -> RemoteUpload? {
        try await gates.ask(.api) { () async throws(Failure) in
            try await remote.upload(named: name, of: reference, in: version)
        }
    }

    func openSession(_ request: SessionRequest) async throws(Failure) -> UploadSession {
        try await gates.ask(.api) { () async throws(Failure) in try await remote.openSession(request) }
    }

    func send(
        _ body: SourceSlices, range: Range<Int64>, total: Int64, to session: UploadSession
    ) async throws(Failure) -> TransferAnswer {
        try await gates.ask(.storage) { () async throws(Failure) in
            try await remote.send(body, range: range, total: total, to: session)
        }
    }

    func status(of session: UploadSession, total: Int64) async throws(Failure) -> TransferAnswer {
        try await gates.ask(.storage) { () async throws(Failure) in
            try await remote.status(of: session, total: total)
        }
    }

    func register(_ request: RegistrationRequest) async throws(Failure) -> RemoteUpload {
        try await gates.ask(.api) { () async throws(Failure) in try await remote.register(request) }
    }

    func withdraw(uri: String) async throws(Failure) {
        try await gates.ask(.api) { () async throws(Failure) in try await remote.withdraw(uri: uri) }
    }
}

/// Every table's remote, through the same gates.
private struct GatedRemotes: TableRemotes {
    let ports: EnginePorts
    let gates: HostGates

    func remote(for table: TableReference) -> any UploadRemote {
        GatedRemote(remote: ports.remote(for: table), gates: gates)
    }

    func account(of table: TableReference) -> TokenAccount { ports.account(of: table) }
}

extension EnginePorts {
    func gated(by gates: HostGates) -> EnginePorts {
        EnginePorts(
            clock: clock, scanner: scanner, sources: sources, queue: queue,
            remotes: GatedRemotes(ports: self, gates: gates), random: random)
    }
}
