import Glibc
import MappingConfig
import SyncCore
import SystemPackage

/// The mapping file that the last run went by, kept in the state directory: a run that finds a broken one goes on
/// with it.
enum LastGoodMappingFile {
    static let name: FilePath.Component = "mapping.last-good.yaml"

    static func load(from state: FilePath, for path: FilePath) -> LoadedMappingFile? {
        guard let file = try? MappingFile.load(state.appending(name)) else { return nil }
        // Parsed again under its own name, since what it names is relative to where it stood.
        return try? MappingFile.parse(file.bytes, path: path)
    }

    /// Written beside and renamed over, so that a crash leaves either the old or the new one.
    static func keep(_ file: LoadedMappingFile, in state: FilePath) throws(CommandFailure) {
        let temporary = state.appending("\(name).new")
        do {
            let descriptor = try FileDescriptor.open(
                temporary, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
            try descriptor.closeAfter {
                try descriptor.writeAll(file.bytes)
                guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
            guard rename(temporary.string, state.appending(name).string) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            throw CommandFailure(
                .stateUnusable, "cannot keep a copy of the mapping file in \(state): \(error); free space there")
        }
    }
}
