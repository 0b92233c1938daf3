import Glibc
import MappingConfig
import RedivisAPI
import SyncCore
import SystemPackage

/// The token: where it is, and what Redivis lets it do. It is never shown itself.
struct TokenFacts: Sendable {
    var found: Result<AgentEnvironment.FoundToken, TokenProblem>
    /// Of its file.
    var mode: UInt32?
    /// The table that was asked for with it, as the mapping file spells it.
    var table: String?
    /// What Redivis said; `nil` where it was not asked.
    var reading: Result<RemoteTable, Failure>?
    /// An upload session that was opened and left unused; `nil` where none was tried.
    var writing: Result<UploadSession, Failure>?
    /// What the storage host said to it.
    var storage: Result<TransferAnswer, Failure>?

    var checks: [DoctorCheck] {
        switch found {
        case .failure(let problem): [Self.check(problem)]
        case .success(let token):
            [tokenCheck(token)] + [tableCheck, writingCheck, storageCheck].compactMap { $0 }
        }
    }

    private static func check(_ problem: TokenProblem) -> DoctorCheck {
        let words = problem.description.split(separator: ";", maxSplits: 1)
        let remedy = words.dropFirst().first.map { $0.drop { $0 == " " } }
        return .problem(
            .token, words.first.map(String.init) ?? problem.description,
            remedy.map(String.init) ?? "mend the token file")
    }

    private func tokenCheck(_ token: AgentEnvironment.FoundToken) -> DoctorCheck {
        let place = "from \(token.source)" + (mode.map { ", mode 0\(String($0, radix: 8))" } ?? "")
        let answers = [reading.flatMap(\.failure), writing.flatMap(\.failure)].compactMap { $0 }
        if let refusal = answers.first(where: { $0.kind == .unauthorized }) {
            return .problem(
                .token, "\(place); \(refusal.summary)",
                refusal.hint ?? "make a new one in Redivis with the scope data.edit, and put it there")
        }
        switch reading {
        case nil: return .ok(.token, "\(place); Redivis was not asked")
        // Refused tables are refused by name; the token itself was taken.
        case .success?: return .ok(.token, "\(place); Redivis accepts it")
        case .failure(let failure)?:
            let isAnswer = ExitStatus(failure.kind) == .somethingLeft
            return .ok(.token, "\(place); \(isAnswer ? "Redivis accepts it" : "Redivis could not be asked")")
        }
    }

    private var tableCheck: DoctorCheck? {
        guard let table, let reading else { return nil }
        switch reading {
        case .success(let found):
            let version = found.hasDraft ? "an unreleased version is open" : "no unreleased version is open"
            return .ok(.table, "\(found.key): \(version); check --online asks for every table")
        case .failure(let failure):
            guard failure.kind != .unauthorized else { return nil }
            return .problem(
                .table, "\(table): \(failure.summary)", failure.hint ?? "see what redivis-sync check --online says")
        }
    }

    private var writingCheck: DoctorCheck? {
        switch writing {
        case nil: return nil
        case .success?: return .ok(.writing, "the token may write: an upload session was opened and left unused")
        case .failure(let failure)?:
            guard failure.kind != .unauthorized else { return nil }
            return .problem(
                .writing, failure.summary, failure.hint ?? "give the token's owner edit access to the dataset")
        }
    }

    private var storageCheck: DoctorCheck? {
        switch storage {
        case nil: return nil
        case .success?: return .ok(.storage, "it answers")
        case .failure(let failure)?:
            guard ExitStatus(failure.kind) == .outOfReach else {
                return .warning(
                    .storage, "it answers, and refuses a session that was just opened: \(failure.summary)",
                    failure.hint ?? "see whether a run gets its files through: redivis-sync list")
            }
            return .problem(
                .storage, failure.summary,
                failure.hint ?? "let this machine connect to the storage host too, which takes the bytes")
        }
    }
}

extension Result {
    fileprivate var failure: Failure? {
        switch self {
        case .success: nil
        case .failure(let failure): failure
        }
    }
}

extension TokenFacts {
    init(_ found: Result<AgentEnvironment.FoundToken, TokenProblem>) {
        self.found = found
        guard let file = (try? found.get())?.file else { return }
        var status = stat()
        if file.withPlatformString({ stat($0, &status) }) == 0 { mode = status.st_mode & 0o777 }
    }

    /// Asks for a mapping's table, then for a session on it, then the storage host for that session.
    mutating func ask(_ remote: RedivisRemote, for mapping: Mapping) async {
        guard case .success = found else { return }
        let reference = mapping.table
        table = reference.text
        let reading = await Bounded.run(ServerFacts.limit, "reading the table \(reference)") { () throws(Failure) in
            try await remote.table(reference)
        }
        self.reading = reading
        guard let remoteTable = try? reading.get(), remoteTable.hasDraft else { return }
        let writing = await Bounded.run(ServerFacts.limit, "opening a session on \(reference)") {
            () throws(Failure) in
            try await remote.openUnusedSession(for: mapping)
        }
        self.writing = writing
        guard let session = try? writing.get(), session.transport == .resumable else { return }
        storage = await Bounded.run(ServerFacts.limit, "asking the storage host") { () throws(Failure) in
            try await remote.status(of: session, total: UnusedSession.size)
        }
    }
}
