import LocalFiles
import SyncCore

/// Whether read leases are to be had, by which a file that somebody is writing is told from one that is whole
/// (`man 2 fcntl`, F_SETLEASE).
struct LeaseFacts: Hashable, Sendable {
    /// Whether the mapping wants to know (`open_writers`).
    var isWanted = true
    /// What a file of the agent's own user said; `nil` where none was found.
    var own: WriterProbe?
    /// What another user's file said.
    var others: WriterProbe?
    /// Whose that was.
    var user: UInt32?

    func check(mapping: String) -> DoctorCheck {
        guard isWanted else { return .ok(.leases, "not asked for: open_writers: ignore", mapping: mapping) }
        let quietTime = "whether they are still being written shows by the quiet time alone"
        if own == .unavailable || own == nil && others == .unavailable && user == nil {
            return .warning(
                .leases, "this file system grants none: \(quietTime)",
                "set `settle` longer than any pause of a writer, or `ready_marker`", mapping: mapping)
        }
        if others == .unavailable {
            return .warning(
                .leases, "none is granted on files of user \(user.map(String.init) ?? "another"): \(quietTime)",
                "give the agent CAP_LEASE: AmbientCapabilities=CAP_LEASE in its systemd unit, or run it as that user",
                mapping: mapping)
        }
        switch (own, others) {
        case (nil, nil): return .ok(.leases, "no file to try one on", mapping: mapping)
        case (_, nil): return .ok(.leases, "granted", mapping: mapping)
        case (_, _?):
            return .ok(
                .leases, "granted, also on files of user \(user.map(String.init) ?? "another")", mapping: mapping)
        }
    }
}

extension LeaseFacts {
    /// Tries one on each of the two files. Whoever wants to write one in that moment waits for some microseconds.
    init(own: RelativePath?, others: (path: RelativePath, user: UInt32)?, in mapping: Mapping) async {
        isWanted = mapping.settle.waitsForWriters
        guard isWanted else { return }
        let reader = LocalSourceReader()
        if let own { self.own = try? await reader.look(at: own, in: mapping.folder)?.writers }
        guard let others else { return }
        self.others = try? await reader.look(at: others.path, in: mapping.folder)?.writers
        user = others.user
    }
}
