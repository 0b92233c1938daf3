import CLinux

/// The token and the session URLs lie in this process's memory for as long as it runs.
enum SecretMemory {
    /// From here on the kernel writes no core dump of this process, and other programs of the same user cannot read
    /// its memory (`man 2 prctl`, PR_SET_DUMPABLE; `man 5 core`). Where that is not to be had, the run goes on: it is
    /// a second wall.
    static func keepOffDisk() {
        _ = clinux_forbid_dump()
    }
}
