import Glibc

/// The contract's exit statuses; those from 64 on are of `man 3 sysexits`.
enum ExitStatus: Int32, CaseIterable {
    case done = 0
    /// Done, but something is left or wrong; it is listed on stderr.
    case somethingLeft = 1
    /// Wrong usage (EX_USAGE).
    case usage = 64
    /// Redivis or the network is out of reach (EX_UNAVAILABLE).
    case outOfReach = 69
    /// The state directory cannot be used (EX_IOERR).
    case stateUnusable = 74
    /// Another agent holds the state directory (EX_TEMPFAIL).
    case stateHeld = 75
    /// No token (EX_NOPERM).
    case noToken = 77
    /// The mapping file is not valid (EX_CONFIG).
    case invalidMappingFile = 78
}

/// Why a command ends without success: what happened and what to do now, for stderr.
struct CommandFailure: Error {
    let status: ExitStatus
    let lines: [String]

    init(_ status: ExitStatus, _ lines: [String]) {
        self.status = status
        self.lines = lines
    }

    init(_ status: ExitStatus, _ line: String) {
        self.init(status, [line])
    }

    func write() {
        // Problems of the mapping file begin with FILE:LINE:COLUMN, where editors look for it.
        let prefix = status == .invalidMappingFile ? "" : "redivis-sync: "
        for line in lines { StandardError.write("\(prefix)\(line)\n") }
    }
}

enum StandardError {
    static func write(_ text: String) { writeAll(text, to: STDERR_FILENO) }
}

enum StandardOutput {
    static func write(_ text: String) { writeAll(text, to: STDOUT_FILENO) }

    static func line(_ text: String) { write(text + "\n") }
}

/// Writes past partial writes and interruptions; a closed pipe ends the writing quietly.
private func writeAll(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count > 0 {
            rest = rest.dropFirst(count)
        } else if errno != EINTR {
            return
        }
    }
}
