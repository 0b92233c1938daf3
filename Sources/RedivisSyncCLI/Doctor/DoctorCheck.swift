/// One thing that was looked at: what was found, and what to do where it is not well.
struct DoctorCheck: Hashable, Sendable {
    let subject: DoctorSubject
    /// The mapping that it is about, where there may be several.
    let mapping: String?
    let verdict: Verdict
    let finding: String
    /// One sentence or a command; `nil` where it is well.
    let remedy: String?

    enum Verdict: String, Encodable, Comparable, Sendable {
        case ok, warning, problem

        private var rank: Int {
            switch self {
            case .ok: 0
            case .warning: 1
            case .problem: 2
            }
        }

        static func < (left: Verdict, right: Verdict) -> Bool { left.rank < right.rank }
    }

    static func ok(_ subject: DoctorSubject, _ finding: String, mapping: String? = nil) -> DoctorCheck {
        DoctorCheck(subject: subject, mapping: mapping, verdict: .ok, finding: finding, remedy: nil)
    }

    static func warning(
        _ subject: DoctorSubject, _ finding: String, _ remedy: String, mapping: String? = nil
    ) -> DoctorCheck {
        DoctorCheck(subject: subject, mapping: mapping, verdict: .warning, finding: finding, remedy: remedy)
    }

    static func problem(
        _ subject: DoctorSubject, _ finding: String, _ remedy: String, mapping: String? = nil
    ) -> DoctorCheck {
        DoctorCheck(subject: subject, mapping: mapping, verdict: .problem, finding: finding, remedy: remedy)
    }
}

/// What is looked at, by the ids that `--json` has and that stay.
enum DoctorSubject: String, CaseIterable, Encodable, Sendable {
    case mappingFile = "mapping_file"
    case stateDirectory = "state_directory"
    case disk
    case folder
    case leases
    case inotifyWatches = "inotify_watches"
    case inotifyInstances = "inotify_instances"
    case inotifyQueue = "inotify_queue"
    case openFiles = "open_files"
    case names
    case api
    case encryption
    case clock
    case proxy
    case token
    case table
    case writing
    case storage

    /// For people.
    var label: String {
        switch self {
        case .mappingFile: "mapping file"
        case .stateDirectory: "state directory"
        case .disk: "disk"
        case .folder: "folder"
        case .leases: "leases"
        case .inotifyWatches: "inotify watches"
        case .inotifyInstances: "inotify instances"
        case .inotifyQueue: "inotify queue"
        case .openFiles: "open files"
        case .names: "name look-up"
        case .api: "answer"
        case .encryption: "encryption"
        case .clock: "clock"
        case .proxy: "proxy"
        case .token: "token"
        case .table: "table"
        case .writing: "writing"
        case .storage: "storage host"
        }
    }

    enum Group: String, CaseIterable, Sendable {
        case own = "Mapping file and state"
        case folders = "Folders"
        case machine = "This machine"
        case redivis = "Redivis"
    }

    var group: Group {
        switch self {
        case .mappingFile, .stateDirectory, .disk: .own
        case .folder, .leases: .folders
        case .inotifyWatches, .inotifyInstances, .inotifyQueue, .openFiles: .machine
        case .names, .api, .encryption, .clock, .proxy, .token, .table, .writing, .storage: .redivis
        }
    }
}

extension DoctorCheck: Encodable {
    enum CodingKeys: String, CodingKey {
        case subject = "check"
        case mapping, verdict, finding, remedy
    }
}
