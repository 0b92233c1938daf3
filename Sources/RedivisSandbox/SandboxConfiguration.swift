/// How a sandbox is to behave.
public struct SandboxConfiguration: Sendable {
    /// Port of the API on 127.0.0.1; 0 lets the system choose.
    public var port = 0
    /// Port of the storage host on 127.0.0.1; 0 lets the system choose.
    public var storagePort = 0
    /// Where bytes, registrations and the log are kept, and found again at the next start. Nil: a temporary directory,
    /// removed at the end.
    public var directory: String?
    /// Only datasets and tables that were created exist. Otherwise any well-formed table exists, with an open draft.
    public var strictTables = false
    /// Datasets that are there from the start: `owner.name[=draft|released|released+draft]`.
    public var datasets: [String] = []
    /// Counts bytes and discards them; MD5 is then null everywhere.
    public var sink = false
    public var faults: [SandboxFault] = []
    /// Faults at a share of all requests; nil for none.
    public var chaos: SandboxChaos?
    public var switches = SandboxSwitches()
    /// The most entries that one page of a list has, whatever `maxResults` asks for; at least 1.
    public var pageSizeCap = 1000
    /// How long an import stays `queued`, in milliseconds.
    public var queuedMilliseconds = 50
    /// How long an import is `running`, in milliseconds.
    public var runningMilliseconds = 50
    /// API requests allowed in each window before 429; nil for no limit.
    public var requestsPerMinute: Int?
    /// How long such a window is, in seconds. One of another length than 60 is told with `X-RateLimit-Reset`.
    public var rateWindowSeconds = 60
    /// The token with all rights. Not a secret: it opens nothing but this sandbox.
    public var token = "sandbox"
    /// A token without the scope `data.edit`.
    public var readOnlyToken = "sandbox-readonly"

    public init() {}
}

/// Where a running sandbox listens.
public struct SandboxOrigins: Sendable, Equatable {
    /// The API's base, `http://127.0.0.1:PORT/api/v1`.
    public var api: String
    /// The storage host, `http://127.0.0.1:PORT`.
    public var storage: String
}

/// Why a sandbox cannot start.
public struct SandboxStartError: Error, CustomStringConvertible, Sendable {
    public var description: String
}
