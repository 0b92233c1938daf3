/// Something that happened in a watched folder: a fact, and a hint to look.
///
/// No event says what a file is or holds. One may come twice, and one may come for a path at which there is nothing
/// any more, or no regular file; whoever hears it looks (`SourceReader.look`). What never happens is silence: a file
/// that came or changed is told, or `mustRescan` is.
public enum FolderEvent: Hashable, Sendable {
    /// Somebody who had the file open for writing closed it. Comes once for each writer, also where nothing was
    /// written, and says nothing about further writers.
    case closedAfterWriting(RelativePath)
    /// A file was renamed to this path, from elsewhere in the folder or from outside.
    case movedIn(RelativePath)
    /// A name is there that was not heard of being written: created (and perhaps still being written), a hard link,
    /// or found by listing a directory that is new, or was moved, itself.
    case appeared(RelativePath)
    /// The file's name was removed. The content may live on under another name.
    case deleted(RelativePath)
    /// The file was renamed; where it went, if it is in the folder, is told by `movedIn`.
    case movedAway(RelativePath)
    /// A directory was deleted, or moved out of the folder or to a place that is left out: nothing is below this
    /// path any more.
    case directoryGone(RelativePath)
    /// A directory was renamed within the folder. The files below it are told one by one (`appeared`) as well.
    case directoryMoved(from: RelativePath, to: RelativePath)
    /// Something may have been missed. Directories are all watched again; what is in them has to be looked at.
    case mustRescan(RescanReason)
    /// How the folder is watched from now on. The first event of every watch.
    case modeChanged(WatchMode)
    /// The folder itself is not there any more. It says nothing about the files. The last event of a watch.
    case folderGone(FolderDeparture)
}

public enum RescanReason: Hashable, Sendable {
    /// The kernel's queue of events was full (`fs.inotify.max_queued_events`), and it dropped some.
    case overflow
    /// More came than whoever listens took: events were dropped here.
    case listenerBehind
    /// More directories came at once than are looked at one by one.
    case manyDirectories
    /// Directories that were not watched are watched now.
    case watchesRestored
    /// Something was mounted or unmounted below the folder.
    case mountsChanged
    /// The kernel could not be read.
    case readingFailed(String)
}

public enum FolderDeparture: Hashable, Sendable {
    case deleted
    case moved
    case unmounted
    /// The path leads somewhere else by now: something was mounted over it, or it was swapped.
    case replaced
    /// The path leads nowhere: a directory above the folder was moved or removed.
    case missing
}

/// How changes in a folder come to be known.
public enum WatchMode: Hashable, Sendable {
    /// The kernel tells of everything.
    case events
    /// The kernel tells of nothing here: only scans find what is new.
    case polling(WatchGap)
    /// It tells of `watched` directories; the `unwatched` others have to be polled. Both numbers are of the time
    /// when this was told.
    case partial(watched: Int, unwatched: Int, WatchGap)
}

/// Why the kernel does not tell of a directory.
public enum WatchGap: Hashable, Sendable {
    /// The kind of file system: another machine's, or a program's, changes are not seen by this kernel.
    case fileSystem(String)
    /// A limit of the kernel is used up.
    case limit(WatchLimit)
    /// Something else, in words.
    case trouble(String)
}

/// A limit on inotify (`man 7 inotify`) that is used up. It is per user, shared with all programs of that user.
public struct WatchLimit: Hashable, Sendable {
    /// As sysctl(8) names it, such as `fs.inotify.max_user_watches`.
    public let sysctl: String
    /// Its value when it was used up; `nil` where that cannot be read.
    public let value: Int64?
    /// The least value that would do, with what all programs of the user hold now.
    public let needed: Int64?

    public init(sysctl: String, value: Int64?, needed: Int64?) {
        self.sysctl = sysctl
        self.value = value
        self.needed = needed
    }
}

extension WatchGap: CustomStringConvertible {
    /// For people, with the remedy where there is one.
    public var description: String {
        switch self {
        case .fileSystem(let name):
            return "the kernel does not tell what other machines or programs change on \(name)"
        case .limit(let limit):
            let value = limit.value.map { " is \($0)" } ?? ""
            let needed = limit.needed.map { " to at least \($0)" } ?? ""
            return "\(limit.sysctl)\(value) and used up; raise it\(needed)"
        case .trouble(let words):
            return words
        }
    }
}
