import SyncCore
import SystemPackage
import Yams

extension MappingFile {
    /// The `state_directory` that a file names, even where other things in it are wrong: a run looks there for the
    /// last good one. `nil` where it names none, or cannot be read at all.
    public static func namedStateDirectory(in path: FilePath) -> FilePath? {
        guard let bytes = try? SmallFile.read(path, atMost: YAMLText.longest).bytes,
            let node = try? YAMLText.compose(bytes), let text = node.mapping?["state_directory"]?.scalar?.string
        else { return nil }
        let named = FilePath(text)
        return named.isAbsolute ? named : nil
    }
}
