import FolderWatch
import Glibc
import LocalFiles
import Logging
import MappingConfig
import RedivisAPI
import SQLiteQueue
import SyncCore
import SystemPackage

/// Goes through everything that `doctor` looks at, and hands on what it finds, group by group.
struct Examination: Sendable {
    private let setup: Setup?
    private let environment = AgentEnvironment.ofThisProcess
    /// Why the mapping file, or what it says, cannot be taken.
    private let trouble: CommandFailure?
    private let logger: Logger

    /// How long all folders together are walked.
    private static let walk = Duration.seconds(20)

    init(_ options: GlobalOptions) {
        logger = options.logger()
        do throws(CommandFailure) {
            setup = try Setup.load(options)
            trouble = nil
        } catch {
            trouble = error
            setup = try? Setup.loadForRun(options)
        }
    }

    func checks() -> AsyncStream<[DoctorCheck]> {
        let (stream, continuation) = AsyncStream.makeStream(of: [DoctorCheck].self)
        let work = Task {
            await examine { continuation.yield($0) }
            continuation.finish()
        }
        continuation.onTermination = { _ in work.cancel() }
        return stream
    }

    private func examine(_ tell: ([DoctorCheck]) -> Void) async {
        // While this may still be root: other users' processes, and a token that only root reads.
        let tokens = setup.map { LiveTokens($0) }
        tell(await mappingFile(tokens))
        let inotify = inotifyBeforeBecomingOwner()
        if let state = statePath {
            becomeOwner()
            tell(StateFacts(of: state).checks)
        } else if trouble?.status != .stateUnusable {
            tell([
                .problem(
                    .stateDirectory, "none is named, and HOME is not set", "write `state_directory` in the mapping file"
                )
            ])
        }
        await machine(inotify, tell)
        await redivis(tokens, tell)
    }

    // MARK: Mapping file and state

    private func mappingFile(_ tokens: LiveTokens?) async -> [DoctorCheck] {
        if let trouble {
            guard trouble.status == .invalidMappingFile else {
                return [.problem(.stateDirectory, trouble.lines.joined(separator: "; "), "name one that can be used")]
            }
            return [MappingFileCheck.check(trouble, standsIn: setup != nil)]
        }
        guard let setup else { return [] }
        do throws(CommandFailure) {
            if let tokens { try await setup.refuseOwnFilesInFolders(tokens) }
            return MappingFileCheck.check(setup)
        } catch {
            return MappingFileCheck.check(error)
        }
    }

    private var settings: AgentSettings { setup?.configuration.settings ?? AgentSettings() }

    private var statePath: FilePath? { setup?.statePath ?? (try? environment.stateDirectory(AgentSettings())) }

    private func becomeOwner() {
        // Where it cannot be done, what follows says so by what it finds.
        try? setup?.actAsOwner()
    }

    // MARK: This machine

    private func inotifyBeforeBecomingOwner() -> InotifyFacts {
        var facts = InotifyFacts.limits()
        let owner = statePath.flatMap { try? StateDirectory.owner(of: $0).user }
        let use = InotifyUse(of: owner ?? geteuid(), excluding: statePath.flatMap { StateDirectory.holder(of: $0) })
        (facts.usedWatches, facts.usedInstances, facts.usedIsWhole) = (use.watches, use.instances, use.isWhole)
        return facts
    }

    private func machine(_ inotify: InotifyFacts, _ tell: ([DoctorCheck]) -> Void) async {
        var inotify = inotify
        let mappings = setup?.configuration.mappings ?? []
        for mapping in mappings {
            guard let configuration = setup?.configuration else { break }
            var facts = await FolderFacts(
                of: mapping, configuration, within: Self.walk / max(mappings.count, 1))
            facts.neighbour = await neighbour(on: mapping)
            tell(facts.checks)
            guard facts.type?.isRemote != true else { continue }
            inotify.directories += facts.directories
            inotify.directoriesAreWhole = inotify.directoriesAreWhole && facts.isWhole
        }
        tell(inotify.checks + [OpenFilesFacts.now(uploads: settings.uploads).check])
    }

    /// Another agent than the one whose state this is.
    private func neighbour(on mapping: Mapping) async -> Int32? {
        guard let root = await LocalSourceReader().root(of: mapping.folder),
            let owner = FolderSign.owner(of: root.identity)
        else { return nil }
        guard let state = statePath, StateDirectory.holder(of: state) == owner else { return owner }
        // Ours has the sign, and so hears of the others.
        guard
            case .status(let status)? = try? await ControlClient(state: state).answer(
                to: .status, within: .seconds(2))
        else { return nil }
        return status.mappings.first { $0.id == mapping.id }?.alsoWatchedBy
    }

    // MARK: Redivis

    private func redivis(_ tokens: LiveTokens?, _ tell: ([DoctorCheck]) -> Void) async {
        let remote: RedivisRemote
        do throws(Failure) {
            remote = try Setup.remote(
                settings, token: { tokens?.secret(of: .standard) ?? Secret("") }, logger: logger)
        } catch {
            tell([.problem(.api, error.summary, error.hint ?? "mend the mapping file")])
            return
        }
        let server = await ServerFacts(of: remote)
        tell(server.checks + [ProxyFacts.now(remote, isReached: server.isReached).check])
        if let tokens, let configuration = setup?.configuration {
            let remotes = TokenRemotes(remote, tokens)
            for mapping in configuration.firstOfEachAccount {
                let account = TokenAccount(tokenFile: mapping.tokenFile)
                var facts = TokenFacts(tokens.found(account))
                if server.isReached { await facts.ask(remotes.remote(of: account), for: mapping) }
                tell(facts.checks)
            }
        }
        await remote.shutdown()
    }
}

extension Configuration {
    /// One mapping for each token, in the order of the file.
    fileprivate var firstOfEachAccount: [Mapping] {
        var met: Set<TokenAccount> = []
        return mappings.filter { met.insert(TokenAccount(tokenFile: $0.tokenFile)).inserted }
    }
}
