import SyncCore
import SystemPackage
import Yams

extension MappingFile {
    /// The `state_directory` that a file names, even where other things in it are wrong: a run looks there for the
    /// last good one. `nil` where it names none, or cannot be read at all.
    public static func namedStateDirectory(in path: FilePath) -> FilePath? {
        guard let bytes = try? SmallFile.read(path, atMost: YAMLText.longest).bytes,
            let text = stateDirectory(in: bytes) ?? lines(of: bytes).lazy.compactMap(stateDirectory).first
        else { return nil }
        let named = FilePath(text)
        return named.isAbsolute ? named : nil
    }

    private static func stateDirectory(in bytes: some Collection<UInt8>) -> String? {
        (try? YAMLText.compose(Array(bytes)))?.mapping?["state_directory"]?.scalar?.string
    }

    /// Those that name it at the left margin, each a small document: a slip elsewhere does not hide the key.
    private static func lines(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        bytes.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
            .filter { $0.starts(with: Array("state_directory".utf8)) }
    }
}
