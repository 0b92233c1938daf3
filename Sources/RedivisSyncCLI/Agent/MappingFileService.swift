import Glibc
import Logging
import MappingConfig
import RedivisAPI
import SQLiteQueue
import ServiceLifecycle
import SyncCore
import SyncEngine
import SystemPackage
import UnixSignals

/// Takes up edits of the mapping file, and of the token, while the agent runs.
///
/// An edit is taken up wholly or not at all; what is wrong with a file that cannot be taken up stays on the board until
/// it is mended. The last good file is kept in the state, for the next start.
actor MappingFileService: Service {
    let setup: Setup
    let reader: QueueReader
    let board: AgentBoard
    let logger: Logger
    private let agent: AgentRun
    private let tokens: LiveTokens
    private let remote: RedivisRemote
    private let notifier: ServiceNotifier
    private let look: MappingFileLook
    private(set) var loaded: LoadedMappingFile
    /// What the engine works by: the file, but for what needs a restart.
    private(set) var inForce: Configuration
    /// The keys whose edits wait for a restart.
    private var restartNotes: [String] = []
    /// An edit that is looked into before it is put in force; `nil` where none is.
    var review: EditReview?
    /// What a person has agreed to: it is not asked about again.
    var accepted: Digest?
    /// What is wrong with the file as it is now.
    private var refused: [MappingProblem] = []
    private var lastTokenProblems: Set<String> = []
    private var lastTrustProblem: Failure?
    /// Whether the file is being read or taken up, and who waits for that: an older content must not end up in force
    /// because its taking up took longer.
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// Both, and the reading, are well within the two seconds in which an edit is to take effect.
    static let pause: Duration = .seconds(1)
    static let pauseAfterNews: Duration = .milliseconds(500)
    static let looksPerTokenRead = 2

    init(
        _ setup: Setup, agent: AgentRun, tokens: LiveTokens, remote: RedivisRemote, sources: any SourceReader,
        reader: QueueReader,
        board: AgentBoard, notifier: ServiceNotifier, logger: Logger
    ) {
        self.setup = setup
        self.reader = reader
        self.agent = agent
        self.tokens = tokens
        self.remote = remote
        self.board = board
        self.notifier = notifier
        self.logger = logger
        loaded = setup.file
        inForce = setup.file.configuration
        refused = setup.problems?.problems ?? []
        look = MappingFileLook(path: setup.file.path, sources: sources)
    }

    nonisolated func run() async throws {
        await cancelWhenGracefulShutdown { await self.watch() }
        await dropReview()
    }

    /// Reads the file and the token again, edited or not.
    func reload() async {
        notifier.tell(.reloading)
        await alone { await self.take(await self.look.look(mustRead: true)) }
        await refreshToken()
        refreshTrust()
        await agent.retryRefusals()
        notifier.tell(.ready)
    }

    private func watch() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sighup) { await self.reload() }
            }
            group.addTask {
                var round = 0
                while !Task.isCancelled {
                    await self.lookOnce(readsToken: round.isMultiple(of: Self.looksPerTokenRead))
                    round &+= 1
                    try? await Task.sleep(for: self.look.hasNews ? Self.pauseAfterNews : Self.pause)
                }
            }
        }
    }

    private func lookOnce(readsToken: Bool) async {
        board.beat(.mappingFile)
        // What is wrong with it may lie elsewhere, as with a token file that it names, and be mended there.
        let again = readsToken && !refused.isEmpty
        await alone { await self.take(await self.look.look(again: again)) }
        if readsToken {
            countAgainWhereDue()
            await refreshToken()
            refreshTrust()
        }
    }

    /// Reads the file as it is now, for somebody who has the turn.
    func lookNow() async { await take(await look.look(mustRead: true)) }

    /// Runs `body` while nobody else does.
    func alone(_ body: () async -> Void) async {
        if isTaken {
            await withCheckedContinuation { waiting.append($0) }
        } else {
            isTaken = true
        }
        await body()
        // The turn is handed over, never given up in between.
        if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
    }

    private func take(_ finding: MappingFileLook.Finding) async {
        switch finding {
        case .nothingNew: break
        case .broken(let problems): refuse(problems.problems)
        case .edited(let file):
            let own = await setup.problemsOfOwnFiles(in: file)
            guard own.isEmpty else { return refuse(own) }
            await consider(file)
        }
    }

    /// Puts an edit in force, or has it looked into first.
    private func consider(_ file: LoadedMappingFile) async {
        // Saved again as it was.
        if review?.file.sha256 == file.sha256 { return }
        dropReview()
        let counter = EditCounter(before: inForce, after: file.configuration, reader: reader)
        guard let limit = EditCount.limit(of: inForce, and: file.configuration), file.sha256 != accepted,
            !counter.gaining.isEmpty
        else {
            await takeUp(file)
            return
        }
        refused = []
        board.mappingFile(problems: restartNotes)
        beginReview(of: file, limit: limit, counter)
    }

    private func refuse(_ problems: [MappingProblem]) {
        dropReview()
        board.mappingFile(problems: problems.map(\.description))
        guard problems != refused else { return }
        refused = problems
        for problem in problems {
            logger.error(
                "the mapping file is not valid; the last good one stays in force", metadata: ["problem": "\(problem)"])
        }
    }

    /// - Returns: whether it is in force.
    @discardableResult
    func takeUp(_ file: LoadedMappingFile) async -> Bool {
        dropReview()
        let (configuration, waiting) = file.configuration.keepingWhatNeedsARestart(from: inForce)
        let before = inForce
        // Before the tables of the new file are asked for.
        var changed = tokens.takeUp(configuration)
        do throws(Failure) {
            try remote.trust(configuration.settings.certificateAuthorities?.string)
            try await agent.takeUp(configuration)
            remote.pace(configuration.settings.apiRate)
        } catch {
            changed.formUnion(tokens.takeUp(before))
            await use(changed)
            board.mappingFile(problems: ["the edited mapping file could not be taken up: \(error)"])
            await look.forget()
            return false
        }
        await use(changed)
        let isAnother = file.bytes != loaded.bytes
        if isAnother {
            logger.notice("the mapping file was taken up", metadata: ["mappings": "\(configuration.mappings.count)"])
        }
        loaded = file
        inForce = configuration
        refused = []
        if file.sha256 != accepted { accepted = nil }
        restartNotes = waiting.map { "\(file.path): `\($0)` was edited; restart the agent for that to take effect" }
        board.mappingFile(takenUp: configuration, problems: restartNotes)
        guard isAnother else { return true }
        do throws(CommandFailure) {
            try await LastGoodMappingFile.keep(file, in: setup.statePath)
        } catch {
            let words = error.lines.joined(separator: "; ")
            logger.warning(
                "the mapping file could not be kept for the next start", metadata: ["reason": "\(words)"])
        }
        return true
    }

    /// `ca_file` may be replaced like a token.
    private func refreshTrust() {
        let file = inForce.settings.certificateAuthorities?.string
        do throws(Failure) {
            if try remote.trust(file) { logger.notice("other certificate authorities are believed from now on") }
            lastTrustProblem = nil
        } catch {
            if lastTrustProblem != error {
                logger.warning("the last certificate authorities stay believed", metadata: ["reason": "\(error)"])
            }
            lastTrustProblem = error
        }
    }

    private func refreshToken() async {
        await use(tokens.refresh())
    }

    /// Those whose tables Redivis is to be asked about at once.
    private func use(_ changed: Set<TokenAccount>) async {
        let problems = Set(tokens.problems.values.map(\.description))
        board.tokenProblems(problems)
        for problem in problems.subtracting(lastTokenProblems).sorted() {
            logger.warning("a token cannot be read; the last one, if any, is used", metadata: ["reason": "\(problem)"])
        }
        lastTokenProblems = problems
        guard !changed.isEmpty else { return }
        logger.notice("another token is used from now on")
        await agent.retryRefusals(of: changed)
    }
}

extension Configuration {
    /// This file with those settings of the one in force that a running agent cannot change.
    /// - Returns: and the keys whose edits wait for a restart.
    fileprivate func keepingWhatNeedsARestart(from current: Configuration) -> (Configuration, waiting: [String]) {
        var merged = settings
        var waiting: [String] = []
        func keep<Value: Equatable>(_ key: String, _ path: WritableKeyPath<AgentSettings, Value>) {
            guard merged[keyPath: path] != current.settings[keyPath: path] else { return }
            merged[keyPath: path] = current.settings[keyPath: path]
            waiting.append(key)
        }
        keep("api", \.api)
        keep("state_directory", \.stateDirectory)
        keep("token_file", \.tokenFile)
        keep("send_token_to", \.sendTokenTo)
        keep("registration_doubt", \.registrationDoubt)
        return (Configuration(settings: merged, mappings: mappings), waiting)
    }
}
