/// What `fstat` said of a file: it tells when to look again, never what a file is.
///
/// Two equal observations of one path mean "nothing to do". ctime is part of it because a program can set mtime
/// back but not ctime (see `man 2 utimensat`, `man 7 inode`).
public struct FileObservation: Hashable, Codable, Sendable {
    public let device: UInt64
    public let inode: UInt64
    /// In bytes.
    public let size: Int64
    /// Nanoseconds since 1970; saturated for dates beyond the year 2262.
    public let modified: Int64
    /// Nanoseconds since 1970: the last change of content or inode.
    public let changed: Int64

    public init(device: UInt64, inode: UInt64, size: Int64, modified: Int64, changed: Int64) {
        self.device = device
        self.inode = inode
        self.size = size
        self.modified = modified
        self.changed = changed
    }

    /// A time of `stat` as one number, saturated.
    public static func nanoseconds(_ seconds: Int, _ nanoseconds: Int) -> Int64 {
        let (product, overflow) = Int64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, sumOverflow) = product.addingReportingOverflow(Int64(nanoseconds))
        return sumOverflow ? .max : sum
    }

    /// Whether both name one inode.
    public func isSameFile(as other: FileObservation) -> Bool {
        device == other.device && inode == other.inode
    }
}

/// A regular file as a scan met it.
public struct SeenFile: Hashable, Sendable {
    public let path: RelativePath
    public let observation: FileObservation
    /// `st_nlink`: above 1 the file has another name somewhere, so its content is known before anything is sent.
    public let links: UInt64
    /// Whether an event told of somebody who could write to it.
    public let isWritten: Bool

    public init(path: RelativePath, observation: FileObservation, links: UInt64, isWritten: Bool = false) {
        self.path = path
        self.observation = observation
        self.links = links
        self.isWritten = isWritten
    }
}

/// What the read-lease probe said (`man 2 fcntl`, F_SETLEASE).
public enum WriterProbe: Hashable, Codable, Sendable {
    /// The kernel granted a read lease: nobody has the file open for writing, nor mapped writable.
    case nobody
    /// Somebody has it open for writing.
    case somebody
    /// Leases are not to be had here: another user's file without CAP_LEASE, a network file system.
    case unavailable
}

/// One look at a file: its observation and, where it was asked for, the probe.
public struct FileLook: Hashable, Sendable {
    public let observation: FileObservation
    public let links: UInt64
    public let writers: WriterProbe

    public init(observation: FileObservation, links: UInt64, writers: WriterProbe) {
        self.observation = observation
        self.links = links
        self.writers = writers
    }
}
