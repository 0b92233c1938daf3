import MappingConfig
import SyncCore
import Synchronization
import SystemPackage

/// The tokens that requests carry now, and which table's requests carry which. A rotated token file is used without a
/// restart; while it cannot be read, the last token stays.
final class LiveTokens: Sendable {
    private struct State {
        var configuration: Configuration
        /// Of every table that a mapping in force has named since the start: transfers end on the table on which they
        /// began, with its token.
        var accounts: [TableReference: TokenAccount] = [:]
        var found: [TokenAccount: AgentEnvironment.FoundToken] = [:]
        /// Why a token could not be read when it was last looked at.
        var problems: [TokenAccount: TokenProblem] = [:]

        mutating func takeUp(_ configuration: Configuration) {
            self.configuration = configuration
            for mapping in configuration.mappings {
                accounts[mapping.table] = TokenAccount(tokenFile: mapping.tokenFile)
            }
        }

        /// The standard one also where tables of earlier runs may be left, as far as it is there.
        var used: Set<TokenAccount> { Set(accounts.values).union([.standard]) }
        var named: Set<TokenAccount> {
            Set(configuration.mappings.map { TokenAccount(tokenFile: $0.tokenFile) })
        }

        mutating func note(_ result: Result<AgentEnvironment.FoundToken, TokenProblem>, of account: TokenAccount) {
            switch result {
            case .success(let token): (found[account], problems[account]) = (token, nil)
            case .failure(let problem): problems[account] = problem
            }
        }
    }

    private let environment: AgentEnvironment
    private let settings: AgentSettings
    private let mappingFile: FilePath
    // Read for each request, on any task.
    private let state: Mutex<State>

    /// Reads all of them.
    init(_ setup: Setup) {
        // Before one is read.
        SecretMemory.keepOffDisk()
        environment = setup.environment
        settings = setup.configuration.settings
        mappingFile = setup.file.path
        var state = State(configuration: setup.configuration)
        state.takeUp(setup.configuration)
        for account in state.used {
            state.note(
                Self.read(account, setup.environment, setup.configuration.settings, setup.file.path), of: account)
        }
        self.state = Mutex(state)
    }

    private static func read(
        _ account: TokenAccount, _ environment: AgentEnvironment, _ settings: AgentSettings, _ mappingFile: FilePath
    ) -> Result<AgentEnvironment.FoundToken, TokenProblem> {
        Result { () throws(TokenProblem) in
            try environment.token(settings, mappingFile: mappingFile, of: account)
        }
    }

    // MARK: Asking

    func account(of table: TableReference) -> TokenAccount {
        state.withLock { $0.accounts[table] ?? $0.configuration.account(of: table) ?? .standard }
    }

    /// `nil` where it could never be read so far.
    func secret(of account: TokenAccount) -> Secret? { state.withLock { $0.found[account]?.secret } }

    func found(_ account: TokenAccount) -> Result<AgentEnvironment.FoundToken, TokenProblem> {
        state.withLock { state in
            if let token = state.found[account] { return .success(token) }
            return .failure(state.problems[account] ?? .none(beside: mappingFile.removingLastComponent()))
        }
    }

    /// The files that tokens were found in.
    var files: [FilePath] { state.withLock { $0.found.values.compactMap(\.file) } }

    /// What is wrong with tokens that mappings name.
    var problems: [TokenAccount: TokenProblem] {
        state.withLock { state in
            let named = state.named
            return state.problems.filter { named.contains($0.key) }
        }
    }

    /// Why nothing can be asked at all; `nil` where one mapping's token at least can be used.
    var problemOfAll: TokenProblem? {
        state.withLock { state in
            let named = state.named
            guard named.allSatisfy({ state.found[$0] == nil }) else { return nil }
            return named.sorted { ($0.tokenFile?.string ?? "") < ($1.tokenFile?.string ?? "") }
                .compactMap { state.problems[$0] }.first
        }
    }

    // MARK: Changing

    /// The mapping file may name other token files by now.
    /// - Returns: the tokens that are others by now.
    func takeUp(_ configuration: Configuration) -> Set<TokenAccount> {
        state.withLock { $0.takeUp(configuration) }
        return refresh()
    }

    /// Reads them again.
    /// - Returns: those that are others by now.
    func refresh() -> Set<TokenAccount> {
        var changed: Set<TokenAccount> = []
        for account in state.withLock({ $0.used }) {
            let read = Self.read(account, environment, settings, mappingFile)
            state.withLock { state in
                let before = state.found[account]?.secret
                state.note(read, of: account)
                if state.found[account]?.secret != before { changed.insert(account) }
            }
        }
        return changed
    }
}
