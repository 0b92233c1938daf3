import Glibc

/// The places in the sandbox's directory; docs/sandbox.md describes them for readers from outside.
struct SandboxDirectory: Sendable {
    let path: String
    let keepsBytes: Bool

    init(path: String, keepsBytes: Bool) throws(FileFailure) {
        self.path = path
        self.keepsBytes = keepsBytes
        for directory in [path, path + "/objects", path + "/registrations"] {
            try Files.makeDirectory(directory)
        }
    }

    var log: String { path + "/log.jsonl" }
    var transfers: String { path + "/transfers.jsonl" }
    var catalog: String { path + "/catalog.json" }
    var key: String { path + "/key" }
    var faults: String { path + "/faults.json" }
    var registrations: String { path + "/registrations" }

    func registration(_ number: Int64) -> String { "\(registrations)/\(number).json" }

    /// Where an object's bytes lie; nil where bytes are discarded.
    func object(_ id: String) -> String? { keepsBytes ? "\(path)/objects/\(id)" : nil }
}
