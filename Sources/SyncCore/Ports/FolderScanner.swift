import SystemPackage

/// Lists the regular files below a mapped folder.
public protocol FolderScanner: Sendable {
    /// Walks `folder` once and hands on what it meets, in batches of at most `batchSize`, so that memory does not
    /// grow with the number of files. Symbolic links are not followed; names are bytes; what cannot be a path or is
    /// no regular file is passed over. A directory that cannot be read is reported in the result and does not stop
    /// the rest.
    ///
    /// The files of a batch are looked at after `handle` returned for the batch before it, so that whoever handles them
    /// knows an instant before their `stat`s.
    ///
    /// - Parameter skipsDirectory: asked once for each directory below the folder; where true it is not entered.
    /// - Throws: `Failure` of kind `unreadable` or `sourceGone` where the folder itself cannot be listed, and
    ///   whatever `handle` throws.
    func scan(
        _ folder: FilePath, recursive: Bool, batchSize: Int,
        skipsDirectory: @escaping @Sendable (RelativePath) -> Bool,
        handle: @Sendable ([SeenFile]) async throws -> Void
    ) async throws -> ScanReport
}

public struct ScanReport: Hashable, Sendable {
    public var files = 0
    public var directories = 0
    /// Directories and files that could not be looked at, with the reason; at most a hundred are named.
    public var problems: [Problem] = []
    /// How many there were in all.
    public var problemCount = 0
    /// All places that could not be looked at: a file, or a directory for everything below it. People are told of some
    /// of them; what is decided hangs on all.
    public var unseen: [RelativePath] = []

    public struct Problem: Hashable, Sendable {
        public let path: RelativePath
        public let reason: String

        public init(path: RelativePath, reason: String) {
            self.path = path
            self.reason = reason
        }
    }

    public init() {}
}
