import MappingConfig
import RedivisAPI
import SyncCore
import SyncEngine
import Synchronization

/// Redivis, for each table with the token that goes with it.
final class TokenRemotes: TableRemotes {
    private let standard: RedivisRemote
    private let tokens: LiveTokens
    // Made when they are first needed, by any task.
    private let others = Mutex<[TokenAccount: RedivisRemote]>([:])

    /// - Parameter standard: with the token of the whole mapping file; who has made it ends it.
    init(_ standard: RedivisRemote, _ tokens: LiveTokens) {
        self.standard = standard
        self.tokens = tokens
    }

    func account(of table: TableReference) -> TokenAccount { tokens.account(of: table) }

    func remote(for table: TableReference) -> any UploadRemote {
        let account = account(of: table)
        switch tokens.found(account) {
        case .success: return remote(of: account)
        case .failure(let problem): return TokenlessRemote(problem)
        }
    }

    func remote(of account: TokenAccount) -> RedivisRemote {
        guard account != .standard else { return standard }
        return others.withLock { [standard, tokens] others in
            if let known = others[account] { return known }
            let made = standard.using { tokens.secret(of: account) ?? Secret("") }
            others[account] = made
            return made
        }
    }
}

/// Stands for Redivis where there is no token to ask it with: everything is refused here, and nothing is sent.
struct TokenlessRemote: UploadRemote {
    private let failure: Failure

    init(_ problem: TokenProblem) {
        let words = problem.description.split(separator: ";", maxSplits: 1)
        failure = Failure(
            .unauthorized, scope: .destination, words.first.map(String.init) ?? problem.description,
            hint: words.dropFirst().first.map { String($0.drop { $0 == " " }) })
    }

    func table(_ reference: TableReference) async throws(Failure) -> RemoteTable { throw failure }
    func openVersion(of reference: TableReference) async throws(Failure) { throw failure }

    func uploads(
        of reference: TableReference, in version: TableVersion, page: String?
    ) async throws(Failure) -> UploadPage { throw failure }

    func upload(uri: String) async throws(Failure) -> RemoteUpload? { throw failure }

    func upload(
        named name: String, of reference: TableReference, in version: TableVersion
    ) async throws(Failure) -> RemoteUpload? { throw failure }

    func openSession(_ request: SessionRequest) async throws(Failure) -> UploadSession { throw failure }

    func send(
        _ body: SourceSlices, range: Range<Int64>, total: Int64, to session: UploadSession
    ) async throws(Failure) -> TransferAnswer { throw failure }

    func status(of session: UploadSession, total: Int64) async throws(Failure) -> TransferAnswer { throw failure }
    func register(_ request: RegistrationRequest) async throws(Failure) -> RemoteUpload { throw failure }
    func withdraw(uri: String) async throws(Failure) { throw failure }
}
