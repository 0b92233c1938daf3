import SyncCore
import SystemPackage

/// Where the mapping file, the token and the state directory are found. The environment comes in as a value.
public struct AgentEnvironment: Sendable {
    private let variables: [String: String]
    private let isRoot: Bool
    private let exists: @Sendable (FilePath) -> Bool

    /// - Parameter isRoot: whether the effective user is root.
    public init(
        _ variables: [String: String], isRoot: Bool, exists: @escaping @Sendable (FilePath) -> Bool = OwnPaths.exists
    ) {
        self.variables = variables
        self.isRoot = isRoot
        self.exists = exists
    }

    /// Empty counts as unset.
    private func variable(_ name: String) -> String? {
        variables[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// A directory of the XDG base directory specification: relative ones are to be ignored.
    private func directory(_ name: String, inHome standard: FilePath) -> FilePath? {
        if let path = variable(name).map({ FilePath($0) }), path.isAbsolute { return path }
        return variable("HOME").map { FilePath($0) }.flatMap { $0.isAbsolute ? $0.pushing(standard) : nil }
    }

    // MARK: The mapping file

    public enum MappingFileSearch: Hashable, Sendable {
        case found(FilePath)
        /// With the places where it was looked for.
        case missing([FilePath])
    }

    /// The named file, whether it is there or not; else the first that exists of `$REDIVIS_SYNC_MAPPING_FILE`,
    /// `$XDG_CONFIG_HOME/redivis-sync/mapping.yaml` (`~/.config/…`) and `/etc/redivis-sync/mapping.yaml`.
    public func mappingFile(named: FilePath?) -> MappingFileSearch {
        if let named { return .found(named) }
        let places = [
            variable("REDIVIS_SYNC_MAPPING_FILE").map { FilePath($0) },
            directory("XDG_CONFIG_HOME", inHome: ".config")?.appending("redivis-sync/mapping.yaml"),
            "/etc/redivis-sync/mapping.yaml",
        ].compactMap { $0 }
        return places.first(where: exists).map { .found($0) } ?? .missing(places)
    }

    // MARK: The state directory

    /// `state_directory` of the mapping file; else `$STATE_DIRECTORY` (systemd; the first of several), else
    /// `$XDG_STATE_HOME/redivis-sync`, else `/var/lib/redivis-sync` for root and `~/.local/state/redivis-sync` for
    /// others.
    ///
    /// - Throws: a `Failure` of kind `stateUnavailable` where none of these says anything.
    public func stateDirectory(_ settings: AgentSettings) throws(Failure) -> FilePath {
        if let named = settings.stateDirectory { return named }
        if let given = variable("STATE_DIRECTORY")?.split(separator: ":").first.map({ FilePath(String($0)) }),
            given.isAbsolute
        {
            return given
        }
        if isRoot, variable("XDG_STATE_HOME").map({ FilePath($0).isAbsolute }) != true {
            return "/var/lib/redivis-sync"
        }
        if let home = directory("XDG_STATE_HOME", inHome: ".local/state") { return home.appending("redivis-sync") }
        throw Failure(
            .stateUnavailable, scope: .agent, "no state directory is named, and HOME is not set",
            hint: "write `state_directory` in the mapping file")
    }

    // MARK: The token

    /// The token, where it came from, and its file.
    public struct FoundToken: Sendable {
        public let secret: Secret
        /// As it reads in a message: "$REDIVIS_API_TOKEN", "the file /etc/redivis-sync/token".
        public let source: String
        /// `nil` where it came from the environment.
        public let file: FilePath?
    }

    /// `token_file` of the mapping file; else `$REDIVIS_API_TOKEN`; else the systemd credential `redivis-token`; else
    /// `token` beside the mapping file. Blanks and line ends around it are dropped.
    ///
    /// - Parameter account: a mapping's own token file is the only place where its token is looked for.
    public func token(
        _ settings: AgentSettings, mappingFile: FilePath, of account: TokenAccount = .standard
    ) throws(TokenProblem) -> FoundToken {
        if let own = account.tokenFile { return try token(in: own) }
        if let named = settings.tokenFile { return try token(in: named) }
        if let text = variable("REDIVIS_API_TOKEN"), !text.allSatisfy(\.isWhitespace) {
            return FoundToken(
                secret: try secret(Array(text.utf8), from: "$REDIVIS_API_TOKEN"), source: "$REDIVIS_API_TOKEN",
                file: nil)
        }
        let credential = variable("CREDENTIALS_DIRECTORY").map { FilePath($0).appending("redivis-token") }
        let beside = OwnPaths.absolute(mappingFile).removingLastComponent().appending("token")
        for path in [credential, beside].compactMap({ $0 }) where exists(path) { return try token(in: path) }
        throw .none(beside: beside)
    }

    private func token(in path: FilePath) throws(TokenProblem) -> FoundToken {
        let content: (bytes: [UInt8], mode: UInt32)
        do throws(FileFailure) {
            content = try SmallFile.read(path, atMost: 16 << 10)
        } catch {
            throw .unreadable(path, error.what, remedy: error.remedy)
        }
        guard content.mode & 0o006 == 0 else { throw .exposed(path, mode: content.mode & 0o777) }
        let source = "the file \(RelativePath.printable(OwnPaths.bytes(of: path)))"
        return FoundToken(secret: try secret(content.bytes, from: source), source: source, file: path)
    }

    /// What a header field can carry (RFC 9110, 5.5), without blanks: anything else is no token, and would let what
    /// follows a line end become a header of its own.
    private func secret(_ bytes: [UInt8], from source: String) throws(TokenProblem) -> Secret {
        let isBlank = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
        let trimmed = bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
        guard !trimmed.isEmpty, trimmed.count < 8192, trimmed.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .malformed(source, isEmpty: trimmed.isEmpty)
        }
        return Secret(String(decoding: trimmed, as: UTF8.self))
    }
}
