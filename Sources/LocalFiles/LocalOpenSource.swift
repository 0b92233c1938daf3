import CLinux
import Glibc
import SyncCore
import SystemPackage

/// One open file of a mapped folder; see `OpenSource`.
///
/// SHA-256 and MD5 run beside one another, ahead of whoever takes the slices; at most about 12 MiB of the file are in
/// memory at a time.
final class LocalOpenSource: OpenSource {
    private let path: RelativePath
    private let folder: FilePath
    private let threads: WorkerThreads
    private let devices: LocalDevices
    private let reader: HashingReader

    init(file: OpenFile, path: RelativePath, folder: FilePath, threads: WorkerThreads, devices: LocalDevices) {
        self.path = path
        self.folder = folder
        self.threads = threads
        self.devices = devices
        reader = HashingReader(
            file: file, threads: threads,
            trouble: { FileTrouble.failure($0, "read", path, in: folder) },
            shorter: { FileTrouble.shorter(path, in: folder, end: $0, expected: $1) })
    }

    func observe() async throws(Failure) -> FileObservation {
        guard let file = reader.file else { throw FileTrouble.failure(EBADF, "observe", path, in: folder) }
        if let root = devices.cachedFolder(folder), isLocal(file),
            let observation = try? Self.observe(file, path, in: folder, beneath: root)
        {
            return observation
        }
        let (path, folder) = (path, folder)
        return try await threads.run { () throws(Failure) in
            try Self.observe(file, path, in: folder, beneath: OpenFile.folder(folder))
        }
    }

    var hashedOffset: Int64 {
        get async { await reader.offset() }
    }

    func rewind(to offset: Int64) async throws(Failure) -> PrefixDigest {
        try await reader.rewind(to: max(offset, 0))
    }

    func read(to end: Int64) async -> SourceSlices {
        let reader = reader
        let run = await reader.beginRead(to: end)
        return SourceSlices {
            SourceSlices.AsyncIterator { try await reader.next(in: run) }
        }
    }

    func prefixDigest(at offset: Int64) async -> PrefixDigest? {
        await reader.prefix(at: offset)
    }

    func content() async -> Content {
        await reader.content()
    }

    func endsHere() async throws(Failure) -> Bool {
        try await reader.endsHere()
    }

    func close() async {
        guard let file = reader.close() else { return }
        // Closing the last descriptor of a deleted file frees its blocks, which can take long.
        if isLocal(file), case .success(let status) = file.status(), status.st_nlink > 0 { return }
        threads.submit { withExtendedLifetime(file) {} }
    }

    private func isLocal(_ file: OpenFile) -> Bool {
        var device: UInt64 = 0
        return clinux_device_cached(file.descriptor, &device) == 0 && devices.contains(device)
    }

    /// The open file's own status first and the path's after it: where the path still names the file then, it did so
    /// all the while, or was put back, which ctime shows.
    private static func observe(
        _ file: OpenFile, _ path: RelativePath, in folder: FilePath, beneath root: OpenFile
    ) throws(Failure) -> FileObservation {
        let observation: FileObservation
        switch file.status() {
        case .success(let status): observation = FileObservation(status)
        case .failure(let error): throw FileTrouble.failure(error.rawValue, "observe", path, in: folder)
        }
        switch root.beneath(path, flags: clinux_o_path()).flatMap({ $0.status() }) {
        case .success(let status):
            guard FileObservation(status).isSameFile(as: observation) else {
                throw FileTrouble.gone(path, in: folder, "is another file by now")
            }
            return observation
        case .failure(let error):
            let failure = FileTrouble.failure(error.rawValue, "observe", path, in: folder)
            throw failure.kind == .sourceGone ? FileTrouble.gone(path, in: folder, "is gone") : failure
        }
    }
}
