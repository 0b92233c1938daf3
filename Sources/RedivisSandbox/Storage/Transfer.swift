/// A place for bytes that was asked for and may be registered as an upload later.
struct Transfer: Sendable {
    enum Kind: String, Sendable {
        /// `POST …/resumableUpload`: registered with `resumableUploadId`.
        case documented
        /// `POST …/tempUploads`, `resumable` true: a session is started at its URL.
        case resumable
        /// `POST …/tempUploads`, `resumable` false: one PUT at its URL.
        case whole
    }

    var id: String
    var kind: Kind
    /// The dataset and table it was asked for, as `datasetID.tableID`.
    var table: String
    var size: Int64
    var name: String?
    var created: Int64
    var object: StoredObject?
    /// Registrations that took this id.
    var registrations: [Int64] = []
}

/// Bytes that arrived whole.
struct StoredObject: Sendable, Equatable {
    var id: String
    var size: Int64
    /// Hexadecimal; nil where bytes are discarded.
    var md5: String?
}
