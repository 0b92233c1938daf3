import FolderWatch
import Glibc
import LocalFiles
import Logging
import MappingConfig
import RedivisAPI
import SQLiteQueue
import StatusServer
import SyncCore
import SyncEngine
import SystemPackage

/// The composition root: the one file that names all concrete types.
struct Setup: Sendable {
    let file: LoadedMappingFile
    let environment: AgentEnvironment
    let statePath: FilePath
    /// Why the mapping file itself could not be taken, where an earlier one stands in for it.
    let problems: MappingProblems?

    var configuration: Configuration { file.configuration }

    // MARK: The mapping file

    /// The mapping file as it is now.
    static func load(_ options: GlobalOptions) throws(CommandFailure) -> Setup {
        let environment = AgentEnvironment.ofThisProcess
        let path = try mappingFile(options, environment)
        let file: LoadedMappingFile
        do throws(MappingProblems) {
            file = try MappingFile.load(path)
        } catch {
            throw CommandFailure(error.problems)
        }
        return try Setup(file: file, environment, problems: nil)
    }

    /// The mapping file, or the last good one that a run kept in the state directory.
    static func loadForRun(_ options: GlobalOptions) throws(CommandFailure) -> Setup {
        let environment = AgentEnvironment.ofThisProcess
        let path = try mappingFile(options, environment)
        let read = Result { () throws(MappingProblems) in try MappingFile.load(path) }
        let problems: MappingProblems
        switch read {
        case .success(let file): return try Setup(file: file, environment, problems: nil)
        case .failure(let found): problems = found
        }
        var settings = AgentSettings()
        settings.stateDirectory = MappingFile.namedStateDirectory(in: path)
        if let state = try? environment.stateDirectory(settings),
            let file = LastGoodMappingFile.load(from: state, for: path)
        {
            return try Setup(file: file, environment, problems: problems)
        }
        throw CommandFailure(problems.problems)
    }

    private static func mappingFile(
        _ options: GlobalOptions, _ environment: AgentEnvironment
    ) throws(CommandFailure) -> FilePath {
        switch environment.mappingFile(named: options.mappingFile?.path) {
        case .found(let path): return path
        case .missing(let places):
            let looked = places.map(\.description).joined(separator: ", ")
            throw CommandFailure(
                .invalidMappingFile,
                "there is no mapping file; it was looked for at \(looked). Name one with --mapping-file")
        }
    }

    private init(
        file: LoadedMappingFile, _ environment: AgentEnvironment, problems: MappingProblems?
    ) throws(CommandFailure) {
        self.file = file
        self.environment = environment
        self.problems = problems
        do throws(Failure) {
            statePath = try environment.stateDirectory(file.configuration.settings)
        } catch {
            throw CommandFailure(.stateUnusable, error.description)
        }
    }

    /// The same place with another file in force, as where an edit of it waits.
    private init(_ other: Setup, goingOnWith file: LoadedMappingFile) {
        self.file = file
        environment = other.environment
        statePath = other.statePath
        problems = nil
    }

    func goingOn(with file: LoadedMappingFile) -> Setup { Setup(self, goingOnWith: file) }

    /// Nothing of the agent's own may lie in a mapped folder: it would be uploaded, and the token with it.
    func refuseOwnFilesInFolders(_ tokens: LiveTokens) async throws(CommandFailure) {
        let problems = await problemsOfOwnFiles(in: file, tokens: tokens.files)
        guard problems.isEmpty else {
            throw CommandFailure(problems)
        }
    }

    /// - Parameter tokens: where tokens were found, as far as in files; those that the mapping file names are looked at
    ///   in any case.
    func problemsOfOwnFiles(in file: LoadedMappingFile, tokens: [FilePath] = []) async -> [MappingProblem] {
        var own = [LoadedMappingFile.OwnPath("the state directory", statePath)]
        let named = [configuration.settings.tokenFile] + file.configuration.mappings.map(\.tokenFile)
        own += Set(tokens + named.compactMap { $0 }).sorted { $0.string < $1.string }.map {
            .init("the token file", $0)
        }
        let places = await Self.places(of: Set(file.configuration.mappings.map(\.folder)))
        return file.problems(ofOwn: own) { places[$0] ?? OwnPaths.resolved($0) }
    }

    /// One for the whole process: it remembers which folders do not answer.
    private static let lookout = LocalSourceReader(patience: .seconds(5))

    /// Where folders really lie. One that does not answer is where its name says: nothing of ours was read in it just
    /// now.
    private static func places(of folders: Set<FilePath>) async -> [FilePath: FilePath] {
        return await withTaskGroup(of: (FilePath, FilePath).self) { group in
            for folder in folders {
                group.addTask {
                    let place = await lookout.answer(of: folder) { OwnPaths.resolved(folder) }
                    return (folder, place ?? OwnPaths.absolute(folder))
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    /// - Throws: where no mapping's token can be used.
    func tokens() throws(CommandFailure) -> LiveTokens {
        let tokens = LiveTokens(self)
        if let problem = tokens.problemOfAll { throw CommandFailure(.noToken, problem.description) }
        return tokens
    }

    // MARK: The state directory

    func claimState() throws(CommandFailure) -> StateDirectory {
        do throws(StateProblem) {
            try actAsOwner()
            return try StateDirectory.claim(statePath)
        } catch {
            throw CommandFailure(error)
        }
    }

    func openQueue(logger: Logger) async throws(CommandFailure) -> SQLiteQueue {
        let directory = try claimState()
        do throws(Failure) {
            return try await SQLiteQueue(in: directory, api: configuration.settings.api, logger: logger)
        } catch {
            throw CommandFailure(.stateUnusable, error.description)
        }
    }

    /// For commands that read, beside a running agent or without one; `nil` where nothing was ever run.
    func openReader() throws(CommandFailure) -> QueueReader? {
        do throws(StateProblem) {
            guard try stateIsThere() else { return nil }
            try actAsOwner()
            try StateDirectory.checkForReading(statePath)
        } catch {
            throw CommandFailure(error)
        }
        do throws(Failure) {
            return try QueueReader(in: statePath)
        } catch {
            throw CommandFailure(.stateUnusable, error.description)
        }
    }

    /// Only "there is no such thing" means that nothing was ever run; a place that cannot be looked at is a problem.
    private func stateIsThere() throws(StateProblem) -> Bool {
        var status = stat()
        guard statePath.withPlatformString({ stat($0, &status) }) != 0 else { return true }
        let reason = Errno(rawValue: errno)
        guard reason == .noSuchFileOrDirectory else { throw .systemCall(statePath, doing: "look at", reason) }
        return false
    }

    /// For commands that change what the queue holds: nothing that is made belongs to root where an agent of another
    /// user is to find it.
    func openQueueForChange(logger: Logger) async throws(CommandFailure) -> SQLiteQueue {
        do throws(StateProblem) {
            // Before its first run an agent's directory is not there; its owner will be that of the one above.
            var above = statePath
            while !OwnPaths.exists(above), above != above.removingLastComponent() { above.removeLastComponent() }
            try actAsOwner(of: above)
        } catch {
            throw CommandFailure(error)
        }
        return try await openQueue(logger: logger)
    }

    /// Root acts as the owner of the state directory, so that it leaves no file there that the agent cannot use.
    func actAsOwner() throws(StateProblem) { try actAsOwner(of: statePath) }

    private func actAsOwner(of directory: FilePath) throws(StateProblem) {
        guard geteuid() == 0, OwnPaths.exists(directory) else { return }
        let owner = try StateDirectory.owner(of: directory)
        guard owner.user != 0 else { return }
        guard setegid(owner.group) == 0, seteuid(owner.user) == 0 else {
            throw .systemCall(directory, doing: "act as the owner of", Errno(rawValue: errno))
        }
        // The kernel forgets it with the user (`man 2 prctl`, PR_SET_DUMPABLE).
        SecretMemory.keepOffDisk()
    }

    // MARK: The rest of the world

    /// With the token of the whole mapping file; `TokenRemotes` makes those of single tables of it.
    func remote(_ tokens: LiveTokens, logger: Logger) throws(CommandFailure) -> RedivisRemote {
        do throws(Failure) {
            return try Self.remote(
                configuration.settings, token: { tokens.secret(of: .standard) ?? Secret("") }, logger: logger)
        } catch {
            throw CommandFailure(.invalidMappingFile, error.description)
        }
    }

    /// - Throws: `Failure` of kind `rejected` where settings or the variables that name a proxy cannot be used.
    static func remote(
        _ settings: AgentSettings, token: @escaping @Sendable () -> Secret, logger: Logger
    ) throws(Failure) -> RedivisRemote {
        try RedivisRemote(
            RedivisRemote.Settings(
                api: settings.api, uploads: settings.uploads, sendTokenTo: settings.sendTokenTo,
                certificateAuthorities: settings.certificateAuthorities?.string, apiRate: settings.apiRate,
                proxies: try ProxySettings(.ofThisProcess(ProxySettings.variables + ProxySettings.exceptionVariables)),
                version: Version.text),
            token: token, logger: logger, wallClock: SystemTime.wall)
    }

    func ports(queue: SQLiteQueue, remotes: TokenRemotes) -> EnginePorts {
        var generator = SystemRandomNumberGenerator()
        let sources = LocalSourceReader()
        return EnginePorts(
            clock: SystemClock(drawingRunFrom: &generator), scanner: FolderTreeScanner(),
            sources: sources, queue: queue, remotes: remotes, random: { Double.random(in: 0..<1) }, naming: sources)
    }

    /// A scanner whose files can be compared with those of the queue.
    ///
    /// - Parameter reader: `nil` where there is no queue yet.
    static func scanner(comparing reader: QueueReader?) -> any FolderScanner {
        let registry = FileSystemRegistry(
            naming: LocalSourceReader(), load: { () async throws(Failure) in try await reader?.fileSystems() ?? [:] },
            save: { (_, _) async throws(Failure) in })
        return NumberedScanner(FolderTreeScanner(), registry)
    }

    // MARK: Control

    /// For a command that holds the state's lock itself.
    func withoutAgent(_ queue: SQLiteQueue) -> QueueControl {
        var generator = SystemRandomNumberGenerator()
        let configuration = configuration
        return QueueControl(
            queue: queue, sources: LocalSourceReader(), configuration: { configuration },
            clock: SystemClock(drawingRunFrom: &generator), duties: NoAgent(setup: self))
    }

    /// Answers commands until the task is cancelled.
    func serveControl(_ control: QueueControl) async throws(Failure) {
        try await ControlServer(in: statePath, control: control).run()
    }

    static var hostName: String {
        var name = utsname()
        guard uname(&name) == 0 else { return "localhost" }
        return withUnsafeBytes(of: name.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension AgentEnvironment {
    static var ofThisProcess: AgentEnvironment {
        let variables = [String: String].ofThisProcess([
            "REDIVIS_SYNC_MAPPING_FILE", "REDIVIS_API_TOKEN", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY",
            "XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME",
        ])
        return AgentEnvironment(variables, isRoot: geteuid() == 0)
    }
}

extension [String: String] {
    /// Those of the environment's variables that are set.
    static func ofThisProcess(_ names: [String]) -> [String: String] {
        var variables: [String: String] = [:]
        for name in names {
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
        return variables
    }
}
