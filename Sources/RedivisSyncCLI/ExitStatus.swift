import Glibc
import MappingConfig
import SQLiteQueue
import SyncCore

/// The contract's exit statuses; those from 64 on are of `man 3 sysexits`.
enum ExitStatus: Int32, CaseIterable {
    case done = 0
    case somethingLeft = 1
    /// EX_USAGE
    case usage = 64
    /// EX_UNAVAILABLE
    case outOfReach = 69
    /// EX_IOERR
    case stateUnusable = 74
    /// EX_TEMPFAIL
    case stateHeld = 75
    /// EX_NOPERM
    case noToken = 77
    /// EX_CONFIG
    case invalidMappingFile = 78

    /// As it stands in `--help` and in docs/command-line.md.
    var meaning: String {
        switch self {
        case .done: "done"
        case .somethingLeft: "done, but something is left or wrong; it is listed on stderr"
        case .usage: "wrong usage"
        case .outOfReach: "Redivis or the network is out of reach"
        case .stateUnusable: "the state directory cannot be used"
        case .stateHeld: "another agent holds the state directory"
        case .noToken: "no token, or one that Redivis refuses (which never ends `run`)"
        case .invalidMappingFile: "the mapping file is not valid"
        }
    }
}

extension ExitStatus {
    init(_ kind: Failure.Kind) {
        switch kind {
        case .stateUnavailable: self = .stateUnusable
        case .transient, .throttled, .ambiguous: self = .outOfReach
        case .unauthorized: self = .noToken
        case .sessionLost, .sessionRefused, .forbidden, .rejected, .tooLarge, .conflict, .endpointMissing, .unreadable,
            .sourceGone, .sourceChanged:
            self = .somethingLeft
        }
    }

    init(_ problem: StateProblem) {
        self = ExitStatus(rawValue: problem.exitStatus) ?? .stateUnusable
    }
}

/// Why a command ends without success: what happened and what to do now, for stderr.
struct CommandFailure: Error {
    let status: ExitStatus
    let lines: [String]
    /// Where the mapping file is the cause: its problems, which begin with their place, as editors and compilers
    /// know it.
    let mappingProblems: [MappingProblem]

    private init(_ status: ExitStatus, _ lines: [String], _ mappingProblems: [MappingProblem]) {
        self.status = status
        self.lines = lines
        self.mappingProblems = mappingProblems
    }

    init(_ status: ExitStatus, _ lines: [String]) {
        self.init(status, lines, [])
    }

    init(_ status: ExitStatus, _ line: String) {
        self.init(status, [line])
    }

    init(_ problem: StateProblem) {
        self.init(ExitStatus(problem), problem.description)
    }

    init(_ failure: Failure) {
        self.init(ExitStatus(failure.kind), failure.description)
    }

    init(_ problems: [MappingProblem]) {
        self.init(.invalidMappingFile, problems.map(\.description), problems)
    }

    /// - Parameter width: of the terminal, in columns; `nil` where nothing is to be wrapped.
    func text(width: Int? = nil) -> String {
        lines.flatMap { line in
            DisplayWidth.wrapped((mappingProblems.isEmpty ? "redivis-sync: " : "") + line.printable, width)
        }.map { $0 + "\n" }.joined()
    }

    func write() { StandardError.write(text(width: TextStyle.standardError.width)) }
}

extension Failure {
    /// With what to do, also where nobody nearer to it knew.
    var explained: String {
        guard hint == nil, ExitStatus(kind) == .outOfReach else { return description }
        return "\(summary); look at the network, and at `api` in the mapping file"
    }
}
