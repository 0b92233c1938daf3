/// What kind of request one is: the name under which a fault waits for it and the log counts it.
public enum RequestClass: String, Sendable, CaseIterable {
    case getDataset = "get-dataset"
    case headDataset = "head-dataset"
    case listVersions = "list-versions"
    case getVersion = "get-version"
    case headVersion = "head-version"
    case postVersions = "post-versions"
    case deleteVersion = "delete-version"
    case release
    case listTables = "list-tables"
    case postTables = "post-tables"
    case getTable = "get-table"
    case headTable = "head-table"
    case patchTable = "patch-table"
    case deleteTable = "delete-table"
    case listUploads = "list-uploads"
    case postUploads = "post-uploads"
    case getUpload = "get-upload"
    case headUpload = "head-upload"
    case deleteUpload = "delete-upload"
    case openSession = "open-session"
    case tempUploads = "temp-uploads"
    case startSession = "start-session"
    case putChunk = "put-chunk"
    case queryStatus = "query-status"
    case putWhole = "put-whole"
    case deleteSession = "delete-session"
    /// A path or method that neither origin has.
    case unknown

    /// Whether its body may hold a file.
    var carriesFileBytes: Bool { self == .putChunk || self == .putWhole || self == .postUploads }

    /// Whether it is answered by the storage host.
    var isStorage: Bool {
        switch self {
        case .startSession, .putChunk, .queryStatus, .putWhole, .deleteSession: true
        case .getDataset, .headDataset, .listVersions, .getVersion, .headVersion, .postVersions, .deleteVersion,
            .release,
            .listTables, .postTables, .getTable, .headTable, .patchTable, .deleteTable, .listUploads, .postUploads,
            .getUpload, .headUpload, .deleteUpload, .openSession, .tempUploads, .unknown:
            false
        }
    }
}
