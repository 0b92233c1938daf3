import Glibc
import SyncCore
import SystemPackage

/// The temporary folder of a drill: everything that it makes lies here, and nothing else is touched.
struct DrillFolder: Sendable {
    let path: FilePath

    /// What is mapped.
    var data: FilePath { path.appending("data") }
    /// From where a file is renamed into it.
    var staging: FilePath { path.appending("staging") }
    /// The sandbox's directory.
    var arrived: FilePath { path.appending("arrived") }
    var mappingFile: FilePath { path.appending("mapping.yaml") }
    var sandboxOutput: FilePath { path.appending("sandbox.json") }
    var sandboxLog: FilePath { path.appending("sandbox.log") }
    var agentLog: FilePath { path.appending("agent.log") }

    /// Below `$TMPDIR`, else below /tmp, for this user alone (`man 3 mkdtemp`).
    static func make() throws(CommandFailure) -> DrillFolder {
        let parent = getenv("TMPDIR").map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/tmp"
        var template = Array(FilePath(parent).appending("redivis-sync-selftest.XXXXXX").string.utf8CString)
        let isMade = template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) } != nil }
        guard isMade else {
            throw CommandFailure(
                .somethingLeft,
                "cannot make a folder in \(parent): \(String(cString: strerror(errno))); name another place in $TMPDIR")
        }
        return DrillFolder(
            path: FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)))
    }

    /// What the children see of the environment: nothing that could lead them to the user's own files, token, proxy
    /// or service manager.
    var environment: [String] {
        let kept = ["PATH", "LD_LIBRARY_PATH", "TZ"].compactMap { (name: String) in
            getenv(name).map { "\(name)=\(String(cString: $0))" }
        }
        return kept + ["HOME=\(path.string)", "LC_ALL=C.UTF-8"]
    }

    /// - Parameter api: of the sandbox.
    func writeMappingFile(api: String) throws {
        try FolderContents.write(Array("sandbox".utf8), to: path.appending("token"))
        try FolderContents.write(Array(mappingFileText(api: api).utf8), to: mappingFile)
    }

    /// Quiet times are left out, and polling is frequent where events are not to be had: a drill is short.
    private func mappingFileText(api: String) -> String {
        // A JSON string is one of YAML, whatever the path has in it.
        """
        api: \(api)
        token_file: token
        state_directory: \(JSONText.line(path.appending("state").string))
        chunk_size: 1MiB
        registration_doubt: 2s
        mappings:
          drill:
            folder: \(JSONText.line(data.string))
            table: demo_org.selftest.files
            settle: 0s
            poll: 1s
            empty_files: register

        """
    }

    /// Puts a file of random bytes into the mapped folder.
    func feed(_ path: [UInt8], size: Int, renamedIn: Bool = false) throws -> FedFile {
        let bytes = try randomBytes(size)
        let place = data.appending(FilePath(bytes: path).components)
        if renamedIn {
            let first = staging.appending("half-written")
            try FolderContents.write(bytes, to: first)
            try FolderContents.rename(first, to: place)
        } else {
            try FolderContents.write(bytes, to: place)
        }
        return FedFile(path: path, size: Int64(size), sha256: Digest.sha256(of: bytes))
    }

    private func randomBytes(_ count: Int) throws -> [UInt8] {
        let source = try FileDescriptor.open("/dev/urandom", .readOnly, options: .closeOnExec)
        return try source.closeAfter {
            var bytes = [UInt8](repeating: 0, count: count)
            var filled = 0
            while filled < count {
                let more = try bytes.withUnsafeMutableBytes { try source.read(into: .init(rebasing: $0[filled...])) }
                guard more > 0 else { throw Errno.ioError }
                filled += more
            }
            return bytes
        }
    }

    /// The last words of a child, for what is said of its unexpected end.
    static func lastLine(of log: FilePath) -> String? {
        guard let bytes = try? FolderContents.read(log) else { return nil }
        return bytes.split(separator: UInt8(ascii: "\n")).last.map { RelativePath.printable($0) }
    }
}
