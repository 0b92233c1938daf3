import SystemPackage

/// One folder → one table, with an id that stays when folder or table change. Every key of the mapping file that
/// this version acts on; a key that it does not act on yet accepts its default only and needs no field here.
public struct Mapping: Hashable, Sendable {
    public let id: MappingID
    /// Absolute.
    public let folder: FilePath
    public let table: TableReference
    public let recursive: Bool
    public let include: [PathPattern]
    /// On top of `PathPattern.builtInExclusions`.
    public let exclude: [PathPattern]
    /// In bytes.
    public let minimumSize: Int64
    /// In bytes; `nil`: no limit.
    public let maximumSize: Int64?
    public let emptyFiles: EmptyFiles
    public let existing: ExistingFiles
    public let settle: SettlePolicy
    public let uploadName: UploadNameTemplate
    public let format: UploadFormat
    public let verification: Verification
    public let endpoint: EndpointPreference
    public let createsVersion: Bool
    public let onChange: ChangePolicy
    public let watch: WatchPreference
    /// How often the folder is scanned where events are not to be had.
    public let poll: Duration
    public let readyMarker: ReadyMarker?
    /// Whether new transfers wait.
    public let isPaused: Bool
    /// Where this mapping's table needs another token than the rest.
    public let tokenFile: FilePath?

    public init(
        id: MappingID, folder: FilePath, table: TableReference, recursive: Bool = true,
        include: [PathPattern], exclude: [PathPattern] = [], minimumSize: Int64 = 0, maximumSize: Int64? = nil,
        emptyFiles: EmptyFiles = .skip, existing: ExistingFiles = .auto,
        settle: SettlePolicy = SettlePolicy(quiet: .seconds(30), waitsForWriters: true),
        uploadName: UploadNameTemplate, format: UploadFormat = UploadFormat(),
        verification: Verification = .md5, endpoint: EndpointPreference = .auto, createsVersion: Bool = true,
        onChange: ChangePolicy = .hold, watch: WatchPreference = .auto, poll: Duration = .seconds(60),
        readyMarker: ReadyMarker? = nil, isPaused: Bool = false, tokenFile: FilePath? = nil
    ) {
        self.id = id
        self.folder = folder
        self.table = table
        self.recursive = recursive
        self.include = include
        self.exclude = exclude
        self.minimumSize = minimumSize
        self.maximumSize = maximumSize
        self.emptyFiles = emptyFiles
        self.existing = existing
        self.settle = settle
        self.uploadName = uploadName
        self.format = format
        self.verification = verification
        self.endpoint = endpoint
        self.createsVersion = createsVersion
        self.onChange = onChange
        self.watch = watch
        self.poll = poll
        self.readyMarker = readyMarker
        self.isPaused = isPaused
        self.tokenFile = tokenFile
    }
}

/// How new files are noticed: `watch` in the mapping file.
public enum WatchPreference: String, CaseIterable, Codable, Sendable {
    /// By events, and by polling where those are not to be had.
    case auto
    /// The same, and polling is said to be a problem.
    case events
    case poll
}

/// What to do with files of 0 bytes.
public enum EmptyFiles: String, CaseIterable, Codable, Sendable { case skip, register }

/// What to do with files that were there when the mapping was first loaded.
public enum ExistingFiles: String, CaseIterable, Codable, Sendable { case auto, upload, skip, hold }

/// What must agree with Redivis before a file counts as delivered.
public enum Verification: String, CaseIterable, Codable, Sendable { case md5, size }

/// What to do when a delivered file changes.
public enum ChangePolicy: String, CaseIterable, Codable, Sendable { case hold, ignore }

/// The two ways to get a session (api.md 5.2 and 5.3).
public enum Endpoint: String, CaseIterable, Codable, Sendable {
    case resumableUpload = "resumable_upload"
    case tempUploads = "temp_uploads"
}

/// `endpoint` in the mapping file.
public enum EndpointPreference: Hashable, Sendable {
    case auto
    case fixed(Endpoint)
}

/// The parsing options of an upload, named as the API's fields (api.md 7.1); `nil` leaves the API's own default.
public struct UploadFormat: Hashable, Codable, Sendable {
    public var type: String?
    public var delimiter: String?
    public var hasHeaderRow: Bool?
    public var quoteCharacter: String?
    public var escapeCharacter: String?
    public var hasQuotedNewlines: Bool?
    public var allowJaggedRows: Bool?
    public var skipBadRecords: Bool?
    public var nullMarkers: [String]?

    public init() {}
}

/// What holds for the whole agent.
public struct AgentSettings: Hashable, Sendable {
    /// The API's base, such as `https://redivis.com/api/v1`, without a trailing slash.
    public var api: String
    /// `nil`: found in the environment, by the rules of the mapping file's `token_file`.
    public var tokenFile: FilePath?
    /// `nil`: found in the environment, by the rules of `state_directory`.
    public var stateDirectory: FilePath?
    /// Transfers at once.
    public var uploads: Int
    /// In bytes; a multiple of 256 KiB.
    public var chunkSize: Int64
    /// Files of up to so many bytes go inside the request that registers them; 0: none.
    public var inlineLimit: Int64 = 1 << 20
    /// How fast requests go to the API.
    public var apiRate: RequestRate = .auto
    public var registrationDoubt: Duration
    /// Hosts beside the API's own origin that may see the token.
    public var sendTokenTo: [String]
    public var certificateAuthorities: FilePath?
    /// How often every folder is scanned as a safety net; `nil`: never.
    public var rescan: Duration?
    /// A live edit that would send more files than this waits for a person's word; `nil`: none does.
    public var confirmAbove: Int?

    public init(
        api: String = "https://redivis.com/api/v1", tokenFile: FilePath? = nil, stateDirectory: FilePath? = nil,
        uploads: Int = 4, chunkSize: Int64 = 64 << 20, registrationDoubt: Duration = .seconds(120),
        sendTokenTo: [String] = [], certificateAuthorities: FilePath? = nil, rescan: Duration? = .seconds(3600),
        confirmAbove: Int? = nil
    ) {
        self.api = api
        self.tokenFile = tokenFile
        self.stateDirectory = stateDirectory
        self.uploads = uploads
        self.chunkSize = chunkSize
        self.registrationDoubt = registrationDoubt
        self.sendTokenTo = sendTokenTo
        self.certificateAuthorities = certificateAuthorities
        self.rescan = rescan
        self.confirmAbove = confirmAbove
    }
}

/// A whole mapping file, valid.
public struct Configuration: Hashable, Sendable {
    public let settings: AgentSettings
    /// In the order of the file.
    public let mappings: [Mapping]
    /// Follows from `mappings`: which of them share or nest folders changes only with the file.
    private let routes: [MappingID: [RouteCandidate]]

    public init(settings: AgentSettings, mappings: [Mapping]) {
        self.settings = settings
        self.mappings = mappings
        routes = RouteCandidate.table(of: mappings)
    }

    func candidates(for mapping: Mapping) -> [RouteCandidate] {
        routes[mapping.id] ?? [RouteCandidate(mapping: mapping, relation: .above(prefix: []))]
    }

    public func mapping(_ id: MappingID) -> Mapping? {
        mappings.first { $0.id == id }
    }

    /// Whose token goes with the table; `nil` where no mapping names it, in any of its spellings.
    public func account(of table: TableReference) -> TokenAccount? {
        let mapping = mappings.first { $0.table == table } ?? mappings.first { $0.table.mayBeSame(as: table) }
        return mapping.map { TokenAccount(tokenFile: $0.tokenFile) }
    }
}
