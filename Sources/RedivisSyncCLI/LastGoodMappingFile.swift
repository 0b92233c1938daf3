import FolderWatch
import Glibc
import MappingConfig
import SyncCore
import SystemPackage

/// The mapping file that the last run went by, kept in the state directory: a run that finds a broken one goes on
/// with it.
enum LastGoodMappingFile {
    static let name: FilePath.Component = "mapping.last-good.yaml"

    /// - Parameter path: of the mapping file itself; what it names is relative to where that stands.
    static func load(from state: FilePath, for path: FilePath) -> LoadedMappingFile? {
        guard let bytes = try? read(state.appending(name)) else { return nil }
        return try? MappingFile.parse(bytes, path: path)
    }

    /// A copy of what was a valid mapping file; more bytes than one may have say that it is none.
    private static func read(_ path: FilePath) throws -> [UInt8] {
        let file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .noFollow])
        return try file.closeAfter {
            var bytes: [UInt8] = []
            var slice = [UInt8](repeating: 0, count: 1 << 16)
            while bytes.count <= longest,
                case let count = try slice.withUnsafeMutableBytes({ try file.read(into: $0) }),
                count > 0
            {
                bytes += slice.prefix(count)
            }
            return bytes
        }
    }

    /// Bytes; docs/mapping-file.md allows 4 MiB.
    private static let longest = 4 << 20

    /// Written beside and renamed over, so that a crash leaves either the old or the new one; on disk when it returns.
    static func keep(_ file: LoadedMappingFile, in state: FilePath) async throws(CommandFailure) {
        let bytes = file.bytes
        try await onOwnThread { Result { () throws(CommandFailure) in try write(bytes, in: state) } }.get()
    }

    private static func write(_ bytes: [UInt8], in state: FilePath) throws(CommandFailure) {
        let temporary = state.appending("\(name).new")
        do {
            let descriptor = try FileDescriptor.open(
                temporary, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
            try descriptor.closeAfter {
                try descriptor.writeAll(bytes)
                guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
            guard rename(temporary.string, state.appending(name).string) == 0 else { throw Errno(rawValue: errno) }
            let directory = try FileDescriptor.open(state, .readOnly, options: [.directory, .closeOnExec])
            try directory.closeAfter {
                guard fsync(directory.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
        } catch {
            throw CommandFailure(
                .stateUnusable, "cannot keep a copy of the mapping file in \(state): \(error); free space there")
        }
    }
}
