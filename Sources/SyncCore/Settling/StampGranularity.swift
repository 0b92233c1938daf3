/// How coarse the time stamps of a file system are, told from the stamps themselves.
///
/// A file that is written to twice within one step of its stamps, with the same size, looks the same to `stat`. So a
/// stamp proves nothing as long as the file system could give the same one again, as git's "racy" index entries
/// (git's Documentation/technical/racy-git.txt). ext4 with 256-byte inodes, XFS, Btrfs and ZFS store nanoseconds, and
/// take them from a clock that ticks each 1 to 10 ms; ext2, ext3, HFS+ and ext4 with 128-byte inodes store seconds,
/// FAT even ones, exFAT hundredths.
public enum StampGranularity {
    /// Longer than any tick of the kernel's clock for stamps (`man 7 time`, HZ = 100).
    public static let finest: Duration = .milliseconds(20)

    /// How long after a look a file has to be seen with the same observation before that proves anything: by then the
    /// file system gives another stamp to whatever is written.
    ///
    /// ctime decides, since no program can set it. A stamp of a fine clock ends in zeros by chance only: the file then
    /// waits two seconds for nothing.
    public static func proofTime(of observation: FileObservation) -> Duration {
        if observation.changed.isMultiple(of: 1_000_000_000) { return .seconds(2) }
        if observation.changed.isMultiple(of: 100_000_000) { return .milliseconds(200) }
        return finest
    }
}
