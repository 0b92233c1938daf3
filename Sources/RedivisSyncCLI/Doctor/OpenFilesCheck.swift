import Glibc

/// How many descriptors a process may have open (`man 2 getrlimit`, RLIMIT_NOFILE).
struct OpenFilesFacts: Hashable, Sendable {
    /// What this process was given; the agent's own limit is set where it is started.
    var limit: Int
    /// Transfers at once.
    var uploads: Int

    /// A file and a connection for each transfer and each in reserve, the API's connections, the database's files.
    var needed: Int { 64 + 4 * min(max(uploads, 0), 1 << 20) }

    var check: DoctorCheck {
        let found = "\(limit == .max ? "unlimited" : Words.grouped(limit)), \(Words.grouped(needed)) needed at most"
        guard limit < needed else { return .ok(.openFiles, found) }
        return .problem(
            .openFiles, found,
            "LimitNOFILE=\(needed * 2) in the systemd unit, or ulimit -n \(needed * 2) before it is started")
    }

    static func now(uploads: Int) -> OpenFilesFacts {
        var limit = rlimit()
        let isKnown = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        return OpenFilesFacts(limit: isKnown ? Int(clamping: limit.rlim_cur) : .max, uploads: uploads)
    }
}
