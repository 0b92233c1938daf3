import Glibc
import SyncCore
import SystemPackage

extension StateDirectory {
    /// Makes the directory and those above it that are missing, all of them 0700.
    static func create(_ path: FilePath) throws(StateProblem) {
        var missing: [FilePath] = []
        var above = path
        while access(above.string, F_OK) != 0, errno == ENOENT, above != above.removingLastComponent() {
            missing.append(above)
            above = above.removingLastComponent()
            if above.isEmpty { break }
        }
        for directory in missing.reversed() where mkdir(directory.string, 0o700) != 0 && errno != EEXIST {
            throw .systemCall(directory, doing: "make", Errno(rawValue: errno))
        }
    }

    static func status(_ path: FilePath) throws(StateProblem) -> stat {
        var answer = stat()
        guard stat(path.string, &answer) == 0 else {
            let reason = Errno(rawValue: errno)
            throw reason == .noSuchFileOrDirectory
                ? .missing(path) : .systemCall(path, doing: "look at", reason)
        }
        return answer
    }

    static func check(_ path: FilePath, _ surroundings: Surroundings) throws(StateProblem) {
        let answer = try status(path)
        guard answer.st_mode & S_IFMT == S_IFDIR else { throw .notADirectory(path) }
        guard answer.st_uid == surroundings.user else {
            throw .ownedByAnother(path, user: answer.st_uid, ours: surroundings.user)
        }
        let mode = answer.st_mode & 0o777
        guard mode & 0o077 == 0 else { throw .openToOthers(path, mode: mode) }
        if let kind = try surroundings.networkFileSystem(path) { throw .networkFileSystem(path, kind: kind) }
    }

    // MARK: The lock

    /// Kernel-held, so that it ends with its process however that ends.
    static func takeLock(_ file: FilePath, _ directory: FilePath) throws(StateProblem) -> FileDescriptor {
        let descriptor: FileDescriptor
        do {
            descriptor = try FileDescriptor.open(
                file, .readWrite, options: [.create, .closeOnExec], permissions: .ownerReadWrite)
        } catch {
            throw .systemCall(file, doing: "open", error as? Errno ?? .ioError)
        }
        try lockAlone(descriptor, file, directory)
        do {
            try descriptor.resize(to: 0)
            try descriptor.writeAll(toAbsoluteOffset: 0, Array("\(getpid())\n".utf8))
        } catch {
            try? descriptor.close()
            throw .systemCall(file, doing: "write to", error as? Errno ?? .ioError)
        }
        return descriptor
    }

    /// The lock of the directory's inode, which no cleaner removes while it is there.
    static func takeDirectory(_ directory: FilePath) throws(StateProblem) -> FileDescriptor {
        let descriptor: FileDescriptor
        do {
            descriptor = try FileDescriptor.open(directory, .readOnly, options: [.directory, .closeOnExec])
        } catch {
            throw .systemCall(directory, doing: "open", error as? Errno ?? .ioError)
        }
        try lockAlone(descriptor, directory, directory)
        return descriptor
    }

    /// Closes the descriptor where another process has the lock.
    private static func lockAlone(
        _ descriptor: FileDescriptor, _ file: FilePath, _ directory: FilePath
    ) throws(StateProblem) {
        // Whoever asks for the holder has a shared lock for an instant; that must not keep an agent from starting.
        var tries = 0
        while flock(descriptor.rawValue, LOCK_EX | LOCK_NB) != 0 {
            let reason = Errno(rawValue: errno)
            tries += 1
            if reason == .wouldBlock, tries < 4 {
                usleep(10_000)
                continue
            }
            try? descriptor.close()
            guard reason == .wouldBlock else { throw .systemCall(file, doing: "lock", reason) }
            throw .heldByAnother(directory, processID: processID(in: directory.appending(lockFile)))
        }
    }

    static func processID(in file: FilePath) -> Int32? {
        guard let bytes = try? SmallFile.read(file) else { return nil }
        return Int32(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    // MARK: The machine

    static func checkMachine(_ path: FilePath, _ machine: MachineIdentity?) throws(StateProblem) {
        guard let machine else { return }
        let file = path.appending(machineFile)
        if let known = try? SmallFile.read(file) {
            let text = String(decoding: known.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            guard text == machine.text else { throw .otherMachine(path) }
            return
        }
        do {
            let descriptor = try FileDescriptor.open(
                file, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
            try descriptor.closeAfter {
                try descriptor.writeAll(Array("\(machine.text)\n".utf8))
                guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
        } catch {
            throw .systemCall(file, doing: "write", error as? Errno ?? .ioError)
        }
    }
}

extension Failure {
    /// The same to those who know failures only.
    public init(stateProblem problem: StateProblem) {
        self.init(.stateUnavailable, scope: .agent, problem.summary, hint: problem.remedy)
    }
}
