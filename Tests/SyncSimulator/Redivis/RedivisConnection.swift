import SyncCore
import SyncTestSupport

/// How one process reaches the server: requests and answers take their time, get lost, are carried out late. Failures are
/// classified as the real adapter classifies them.
package final class RedivisConnection: UploadRemote, @unchecked Sendable {
    // Unchecked: used by the scheduler's one thread.

    private let server: SimulatedRedivis
    private let scheduler: SeededScheduler
    private let owner: SeededScheduler.Owner
    private let who: String
    private let story: Story
    private let chance: Chance
    private var counts: [RequestFault.Requests: Int] = [:]
    /// Told before a request leaves that depends on what is saved, or is counted.
    package var willPost: ((String) -> Void)?
    package var willSend: ((UploadSession) -> Void)?
    package var willList: (() -> Void)?
    /// Requests on their way to the server.
    private var flights: [Int: Flight] = [:]
    private var nextFlight = 0

    private final class Flight {
        var isDropped = false
        var delay: Int64 = 0
    }

    package init(
        to server: SimulatedRedivis, owner: SeededScheduler.Owner, who: String, story: Story, chance: Chance
    ) {
        self.server = server
        scheduler = server.scheduler
        self.owner = owner
        self.who = who
        self.story = story
        self.chance = chance
    }

    package func count(of requests: RequestFault.Requests) -> Int { counts[requests] ?? 0 }

    /// The process is gone: of what is on its way some arrives, some late.
    package func cut(_ random: inout SeededRandom) {
        for number in flights.keys.sorted() {
            guard let flight = flights[number] else { continue }
            flight.isDropped = random.percent(40)
            let latest = server.reading.lateness
            if latest > 0, random.percent(50) { flight.delay = Int64.random(in: 0...latest, using: &random) }
        }
    }

    // MARK: The way of a request

    /// What becomes of the next request of that kind.
    private func fate(of requests: RequestFault.Requests, _ random: inout SeededRandom) -> RequestFault.Kind? {
        var fate: RequestFault.Kind?
        for fault in server.faults where fault.until > scheduler.elapsed {
            guard fault.requests == .all || fault.requests == requests else { continue }
            if random.percent(fault.share), fate == nil { fate = fault.kind }
        }
        return fate
    }

    private func nextChance(_ requests: RequestFault.Requests) -> SeededRandom {
        let number = counts[requests] ?? 0
        counts[requests] = number + 1
        return chance.stream(who + requests.rawValue, number)
    }

    /// Holds whoever waits for an answer, until it comes or they are cancelled.
    private final class Waiter<Answer: Sendable>: @unchecked Sendable {
        // Unchecked: used by the scheduler's one thread.
        var continuation: UnsafeContinuation<Result<Answer, Failure>, Never>?
        var isOver = false

        func answer(_ result: Result<Answer, Failure>) {
            isOver = true
            continuation?.resume(returning: result)
            continuation = nil
        }
    }

    private func exchange<Answer: Sendable>(
        _ requests: RequestFault.Requests, _ subject: @autoclosure () -> String,
        onLoss loss: Failure.Kind = .transient, after sending: Int64 = 0,
        _ carryOut: @escaping () throws(Failure) -> Answer
    ) async throws(Failure) -> Answer {
        var random = nextChance(requests)
        let fate = fate(of: requests, &random)
        let subject = story.isTold ? subject() : ""
        story.note(who, "asks", "\(requests.rawValue) \(subject)\(fate.map { " [\($0.rawValue)]" } ?? "")")
        var way = travel(fate, &random)
        if requests == .chunks { way.there += server.reading.chunkTime }
        let late = max(server.reading.lateness, 1)
        let lateness = fate == .late ? Int64.random(in: 0...late, using: &random) : 0
        let lost = Failure(
            loss, scope: loss == .ambiguous ? .delivery : .agent,
            "\(requests.rawValue): the connection ended without an answer")
        let waiter = Waiter<Answer>()
        let result = await withTaskCancellationHandler {
            // Unsafe: one of a process that is killed is never resumed.
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Result<Answer, Failure>, Never>) in
                guard !waiter.isOver else { return continuation.resume(returning: .failure(lost)) }
                waiter.continuation = continuation
                send(requests, fate, way, lateness, lost, waiter, carryOut)
            }
        } onCancel: {
            waiter.answer(.failure(lost))
        }
        story.note(who, "is answered", "\(requests.rawValue) \(subject)\(Self.words(result))")
        return try result.get()
    }

    private static func words<Answer>(_ result: Result<Answer, Failure>) -> String {
        if case .failure(let failure) = result { return ": \(failure.kind.rawValue), \(failure.summary)" }
        return ""
    }

    /// There and back, in nanoseconds.
    private func travel(_ fate: RequestFault.Kind?, _ random: inout SeededRandom) -> (there: Int64, back: Int64) {
        let longest: Int64 = fate == .slow ? 30_000_000_000 : random.percent(10) ? 2_000_000_000 : 80_000_000
        return (
            Int64.random(in: 1_000_000...longest, using: &random),
            Int64.random(in: 1_000_000...80_000_000, using: &random)
        )
    }

    private func send<Answer: Sendable>(
        _ requests: RequestFault.Requests, _ fate: RequestFault.Kind?, _ way: (there: Int64, back: Int64),
        _ lateness: Int64, _ lost: Failure, _ waiter: Waiter<Answer>, _ carryOut: @escaping () throws(Failure) -> Answer
    ) {
        func back(after delay: Int64, _ result: Result<Answer, Failure>) {
            scheduler.after(delay, of: owner) { waiter.answer(result) }
        }
        if let refusal = fate.flatMap({ Self.refusal($0, of: requests, onLoss: lost.kind) }) {
            return back(after: way.there + way.back, .failure(refusal))
        }
        if fate == .unsent { return back(after: way.there, .failure(lost)) }
        if fate == .late { back(after: way.there, .failure(lost)) }
        let (flight, number) = (Flight(), nextFlight)
        nextFlight += 1
        flights[number] = flight
        scheduler.after(way.there + lateness, of: SeededScheduler.world) { [self] in
            flights[number] = nil
            guard !flight.isDropped else { return }
            scheduler.after(flight.delay, of: SeededScheduler.world) {
                let result = Result { () throws(Failure) in try carryOut() }
                switch fate {
                case .late: break
                case .unanswered: back(after: way.back, .failure(lost))
                default: back(after: way.back, result)
                }
            }
        }
    }

    /// Statuses that the server answers in the place of doing anything, as `APIAnswers`, `RegistrationAnswers` and
    /// `StorageAnswers` of the real adapter sort them.
    private static func refusal(
        _ kind: RequestFault.Kind, of requests: RequestFault.Requests, onLoss loss: Failure.Kind
    ) -> Failure? {
        let isStorage = requests == .chunks || requests == .status
        switch kind {
        case .unsent, .unanswered, .late, .partial, .forgotten, .slow:
            return nil
        case .throttled:
            return Failure(.throttled, scope: isStorage ? .delivery : .agent, "answered 429", retryAfter: .seconds(2))
        case .unavailable:
            return Failure(loss, "answered 503")
        case .unauthorized:
            return isStorage
                ? Failure(.sessionRefused, "answered 401") : Failure(.unauthorized, scope: .agent, "answered 401")
        case .forbidden:
            return isStorage
                ? Failure(.sessionRefused, "answered 403") : Failure(.forbidden, scope: .destination, "answered 403")
        case .missing:
            if requests == .uploads || requests == .deletes { return Failure(.transient, "answered 500") }
            return isStorage
                ? Failure(.sessionLost, "answered 404") : Failure(.forbidden, scope: .destination, "answered 404")
        case .refused:
            return Failure(.rejected, "answered 400")
        }
    }

    // MARK: UploadRemote

    package func table(_ reference: TableReference) async throws(Failure) -> RemoteTable {
        let server = server
        return try await exchange(.tables, reference.text) { () throws(Failure) in try server.table(reference) }
    }

    package func openVersion(of reference: TableReference) async throws(Failure) {
        let server = server
        try await exchange(.tables, "open \(reference.text)") { server.openVersion() }
    }

    package func uploads(
        of reference: TableReference, in version: TableVersion, page: String?
    ) async throws(Failure) -> UploadPage {
        let server = server
        willList?()
        return try await exchange(.lists, "\(reference.text) \(version) \(page ?? "")") { () throws(Failure) in
            try server.list(reference, in: version, page: page)
        }
    }

    package func upload(uri: String) async throws(Failure) -> RemoteUpload? {
        let server = server
        return try await exchange(.uploads, uri) { server.upload(uri: uri) }
    }

    package func upload(
        named name: String, of reference: TableReference, in version: TableVersion
    ) async throws(Failure) -> RemoteUpload? {
        let server = server
        return try await exchange(.uploads, "\(name) \(version)") { () throws(Failure) in
            try server.upload(named: name, of: reference, in: version)
        }
    }

    package func openSession(_ request: SessionRequest) async throws(Failure) -> UploadSession {
        let server = server
        return try await exchange(.sessions, "\(request.size)") { () throws(Failure) in try server.openSession(request)
        }
    }

    package func send(
        _ body: SourceSlices, range: Range<Int64>, total: Int64, to session: UploadSession
    ) async throws(Failure) -> TransferAnswer {
        willSend?(session)
        let (cells, failure) = await Self.collect(body)
        var chunk = cells
        var isCut = failure != nil
        // The bytes that were read before the source failed have left.
        var random = chance.stream(who + "partial", count(of: .chunks))
        let takesPart = server.faults.contains {
            $0.until > scheduler.elapsed && $0.kind == .partial && random.percent($0.share)
        }
        if takesPart, !chunk.isEmpty {
            chunk.removeLast(random.number(1...chunk.count))
            isCut = true
        }
        if server.faults.contains(where: {
            $0.until > scheduler.elapsed && $0.kind == .forgotten && random.percent($0.share)
        }) {
            server.forgetCells(of: session, &random)
        }
        let (server, owner, part, cut) = (server, owner, chunk, isCut)
        let answer = try await exchange(.chunks, "\(range) of \(total)") { () throws(Failure) in
            try server.receive(part, range: range, total: total, session: session, isCut: cut, owner: owner)
        }
        if let failure { throw failure }
        return TransferAnswer(reply: answer, serverTime: nil)
    }

    private static func collect(_ body: SourceSlices) async -> ([UInt8], Failure?) {
        var cells: [UInt8] = []
        do {
            for try await slice in body { cells += slice }
            return (cells, nil)
        } catch {
            return (cells, error as? Failure ?? Failure(.transient, "sending was interrupted"))
        }
    }

    package func status(of session: UploadSession, total: Int64) async throws(Failure) -> TransferAnswer {
        let server = server
        let reply = try await exchange(.status, session.uploadID) { () throws(Failure) in
            try server.status(of: session, total: total)
        }
        return TransferAnswer(reply: reply, serverTime: nil)
    }

    package func register(_ request: RegistrationRequest) async throws(Failure) -> RemoteUpload {
        let (server, owner) = (server, owner)
        willPost?(request.name)
        return try await exchange(.posts, request.name, onLoss: .ambiguous) { () throws(Failure) in
            try server.register(request, by: owner)
        }
    }

    package func withdraw(uri: String) async throws(Failure) {
        let (server, owner) = (server, owner)
        try await exchange(.deletes, uri) { () throws(Failure) in try server.withdraw(uri, by: owner) }
    }
}
