import FolderWatch
import SyncCore
import SystemPackage

/// Opens and observes files of a `VirtualKernel` as `LocalSourceReader` does those of a real one.
package struct KernelSourceReader: SourceReader {
    private let process: VirtualProcess
    private let gate: any KernelGate

    package init(_ process: VirtualProcess, gate: any KernelGate) {
        self.process = process
        self.gate = gate
    }

    // MARK: Files

    package func look(at path: RelativePath, in folder: FilePath) async throws(Failure) -> FileLook? {
        try await gate.pass(.look, path)
        let look = try lookNow(path, folder)
        try await gate.answer(.look, path)
        return look
    }

    private func lookNow(_ path: RelativePath, _ folder: FilePath) throws(Failure) -> FileLook? {
        do throws(Failure) {
            let inode = try openable(path, folder)
            process.statistics.looks[inode.instance, default: 0] += 1
            return FileLook(observation: inode.observation, links: UInt64(inode.links), writers: writers(inode))
        } catch {
            guard error.kind == .sourceGone, error.scope == .delivery else { throw error }
            process.statistics.looksAtNothing += 1
            return nil
        }
    }

    private func writers(_ inode: VirtualInode) -> WriterProbe {
        guard process.kernel.options.grantsLeases else { return .unavailable }
        return inode.writersAndMaps > 0 ? .somebody : .nobody
    }

    package func open(_ path: RelativePath, in folder: FilePath) async throws(Failure) -> any OpenSource {
        try await gate.pass(.open, path)
        let inode = try openable(path, folder)
        process.statistics.opens[inode.instance, default: 0] += 1
        process.open(file: inode)
        let source = KernelOpenSource(inode, path, in: folder, self)
        do throws(Failure) {
            try await gate.answer(.open, path)
        } catch {
            await source.close()
            throw error
        }
        return source
    }

    /// What is at a path, if it can be opened for reading and is a regular file.
    private func openable(_ path: RelativePath, _ folder: FilePath) throws(Failure) -> VirtualInode {
        let root = try place(folder)
        do throws(Errno) {
            let inode = try process.kernel.inode(at: path.bytes, beneath: root)
            guard inode.isFile else { throw .noSuchFileOrDirectory }
            guard inode.isReadable else { throw .permissionDenied }
            return inode
        } catch {
            throw KernelFailures.failure(error, "open", path, in: folder)
        }
    }

    // MARK: Open files

    func pass(_ call: KernelCall, _ path: RelativePath) async throws(Failure) { try await gate.pass(call, path) }
    func answer(_ call: KernelCall, _ path: RelativePath) async throws(Failure) { try await gate.answer(call, path) }

    func observe(_ inode: VirtualInode, _ path: RelativePath, _ folder: FilePath) throws(Failure) -> FileObservation {
        let root = try place(folder)
        let observation = inode.observation
        let named: VirtualInode
        do throws(Errno) {
            named = try process.kernel.inode(at: path.bytes, beneath: root)
        } catch {
            let failure = KernelFailures.failure(error, "observe", path, in: folder)
            throw failure.kind == .sourceGone ? KernelFailures.gone(path, in: folder, "is gone") : failure
        }
        guard named.observation.isSameFile(as: observation) else {
            throw KernelFailures.gone(path, in: folder, "is another file by now")
        }
        return observation
    }

    var isAlive: Bool { process.isAlive }

    func noteRead(_ count: Int, of inode: VirtualInode) {
        process.statistics.readsByInode[inode.instance, default: 0] += count
    }

    func close(_ inode: VirtualInode) { process.close(file: inode) }

    // MARK: Folders

    private func place(_ folder: FilePath) throws(Failure) -> VirtualInode {
        guard process.isAlive else { throw Failure(.transient, "the process was killed") }
        do throws(Errno) {
            return try process.folder(folder, for: .place)
        } catch {
            throw KernelFailures.failure(error, folder: folder)
        }
    }

    private func listable(_ folder: FilePath) throws(Failure) -> VirtualInode {
        do throws(Errno) {
            return try process.folder(folder, for: .listing)
        } catch {
            throw KernelFailures.failure(error, folder: folder)
        }
    }

    package func problem(with folder: FilePath) async -> Failure? {
        do throws(Failure) {
            try await gate.pass(.problem, nil)
            let result = Result { () throws(Failure) in _ = try listable(folder) }
            try await gate.answer(.problem, nil)
            try result.get()
            return nil
        } catch {
            return error
        }
    }

    package func root(of folder: FilePath) async -> FolderRoot? {
        try? await answered(.root, nil) { () throws(Failure) in
            let root = try listable(folder)
            return FolderRoot(
                FolderIdentity(device: root.device.number, inode: root.number), isEmpty: root.entries.isEmpty)
        }
    }

    package func device(above path: RelativePath, in folder: FilePath) async -> UInt64? {
        try? await answered(.device, path) { () throws(Failure) in try nearest(above: path, folder).device.number }
    }

    private func nearest(above path: RelativePath?, _ folder: FilePath) throws(Failure) -> VirtualInode {
        let root = try place(folder)
        guard let path else { return root }
        var nearest = root
        for (index, byte) in path.bytes.enumerated() where byte == UInt8(ascii: "/") {
            guard let found = try? process.kernel.inode(at: Array(path.bytes[..<index]), beneath: root),
                found.isDirectory
            else { break }
            nearest = found
        }
        return nearest
    }

    private func answered<Value>(
        _ call: KernelCall, _ path: RelativePath?, _ body: () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        try await gate.pass(call, path)
        let value = try body()
        try await gate.answer(call, path)
        return value
    }
}

extension KernelSourceReader: FileSystemNaming {
    package func fileSystem(above path: RelativePath?, in folder: FilePath) async -> NamedFileSystem? {
        try? await answered(.device, path) { () throws(Failure) in
            let device = try nearest(above: path, folder).device
            return NamedFileSystem(device: device.number, name: device.name)
        }
    }
}
