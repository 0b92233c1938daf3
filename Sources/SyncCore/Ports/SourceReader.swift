import SystemPackage

/// Opens the files of a mapped folder, never leaving it.
///
/// Where the folder itself is not there, or cannot be entered, every method that throws says so with a `Failure` of
/// scope `destination` (`sourceGone` or `unreadable`): that is no statement about any of its files.
public protocol SourceReader: Sendable {
    /// Looks at a path once: opened beneath `folder` (`man 2 openat2`: RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS),
    /// observed, probed for writers, closed again.
    ///
    /// - Returns: `nil` where the path is gone or is no regular file.
    /// - Throws: `Failure` of kind `unreadable`, or `transient` where the machine is short of descriptors or memory.
    func look(at path: RelativePath, in folder: FilePath) async throws(Failure) -> FileLook?

    /// Opens a file for sending.
    ///
    /// - Throws: `Failure` of kind `sourceGone`, `unreadable`, or `transient` (descriptors, memory, another
    ///   program's lease).
    func open(_ path: RelativePath, in folder: FilePath) async throws(Failure) -> any OpenSource

    /// Whether the folder is there and can be listed; the reason where not.
    func problem(with folder: FilePath) async -> Failure?

    /// What the folder is now; `nil` where it cannot be listed.
    func root(of folder: FilePath) async -> FolderRoot?

    /// The device (`st_dev`) of the nearest directory above `path` that is there: what is not there below it was
    /// removed from that device, or was never on it. `nil` where not even the folder can be opened.
    func device(above path: RelativePath, in folder: FilePath) async -> UInt64?
}

/// Which directory something is, as long as its file system is not mounted anew.
public struct FolderIdentity: Hashable, Sendable {
    /// The number of its file system; `st_dev` as the kernel tells it, a number that outlasts remounts in the queue
    /// (`FileSystemNumbers`).
    public let device: UInt64
    /// `st_ino`.
    public let inode: UInt64

    public init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}

/// A mapped folder as it is now.
public struct FolderRoot: Hashable, Sendable {
    public let identity: FolderIdentity
    /// Whether it has no entry at all.
    public let isEmpty: Bool
    /// What the kernel says now: every program sees it alike.
    public let directory: FolderIdentity

    /// - Parameter directory: `identity` where nothing else is given.
    public init(_ identity: FolderIdentity, isEmpty: Bool, directory: FolderIdentity? = nil) {
        self.identity = identity
        self.isEmpty = isEmpty
        self.directory = directory ?? identity
    }
}

/// One open file, hashed as it is read. Its running hash covers the bytes 0 ..< `hashedOffset`; reading goes on from
/// there only, so that what is sent and what is hashed are the same bytes out of the same read.
///
/// One user at a time: calls do not overlap.
public protocol OpenSource: Sendable {
    /// `fstat` of the descriptor, and whether the path still names this inode.
    ///
    /// - Throws: `Failure` of kind `sourceGone` where the path names nothing or another file by now, `unreadable`.
    func observe() async throws(Failure) -> FileObservation

    /// Where the running hash stands. In the midst of a `read` that is at or past the slices handed out so far, since
    /// reading goes ahead; what was read ahead and never handed out is hashed again after a `rewind`.
    var hashedOffset: Int64 { get async }

    /// Moves the running hash to `offset`, reading from the nearest point at or below it that was kept (the start
    /// of the last `read`, or 0), and returns the SHA-256 of the bytes 0 ..< `offset`.
    ///
    /// A `read` under way ends here: its slices throw from now on.
    ///
    /// - Throws: `Failure` of kind `sourceChanged` where the file is shorter by now, `sourceGone`, `unreadable`. The
    ///   running hash then stands somewhere below `offset`.
    func rewind(to offset: Int64) async throws(Failure) -> PrefixDigest

    /// The bytes from `hashedOffset` to `end`, in slices, each hashed as it is read, with few slices read ahead.
    /// The sequence throws a `Failure`: `sourceChanged` where the file ends before `end`, `sourceGone`, `unreadable`.
    /// An `end` at or below `hashedOffset` makes an empty sequence. A `read` before this one ends here.
    func read(to end: Int64) async -> SourceSlices

    /// The SHA-256 of 0 ..< `offset`, for an offset that the last `read` passed at a boundary of 256 KiB (multiples
    /// of it, counted from the start of the file), or at its end; `nil` for others. Of a `read` longer than 16 GiB
    /// the last 16 GiB are kept.
    func prefixDigest(at offset: Int64) async -> PrefixDigest?

    /// The digests of 0 ..< `hashedOffset`.
    func content() async -> Content

    /// Whether the file ends at `hashedOffset`: nothing can be read there, whatever its size says. Ends a `read` under
    /// way.
    ///
    /// - Throws: `Failure` of kind `sourceGone`, `unreadable`.
    func endsHere() async throws(Failure) -> Bool

    func close() async
}

/// Slices of a file on their way out.
public struct SourceSlices: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    private let make: @Sendable () -> AsyncIterator

    public init(_ make: @escaping @Sendable () -> AsyncIterator) {
        self.make = make
    }

    public func makeAsyncIterator() -> AsyncIterator { make() }

    public struct AsyncIterator: AsyncIteratorProtocol {
        private let produce: () async throws -> [UInt8]?

        public init(_ produce: @escaping () async throws -> [UInt8]?) {
            self.produce = produce
        }

        public mutating func next() async throws -> [UInt8]? { try await produce() }
    }
}
