import SyncCore
import SystemPackage
import Yams

/// A mapping file, read and valid.
public struct LoadedMappingFile: Sendable {
    public let configuration: Configuration
    /// Absolute.
    public let path: FilePath
    /// The file's bytes, as they were read: what a run keeps as the last good one.
    public let bytes: [UInt8]
    public var sha256: Digest { .sha256(of: bytes) }
    /// Where each mapping's folder stands in the file.
    let folderPositions: [MappingID: SourcePosition]
    /// The file as it was named.
    let name: String
}

public enum MappingFile {
    /// Reads the mapping file at `path`, which may be relative to the working directory.
    ///
    /// - Throws: every problem of the file, or the one that kept it from being read.
    public static func load(_ path: FilePath) throws(MappingProblems) -> LoadedMappingFile {
        try parse(try read(path), path: path)
    }

    /// Reads a mapping file from its bytes.
    ///
    /// - Parameters:
    ///   - path: what the file is called in messages; paths in it are relative to its directory.
    ///   - exists: asked for the files that the mapping file names.
    public static func parse(
        _ bytes: [UInt8], path: FilePath, exists: (FilePath) -> Bool = OwnPaths.exists
    ) throws(MappingProblems) -> LoadedMappingFile {
        let name = RelativePath.printable(OwnPaths.bytes(of: path))
        let absolute = OwnPaths.absolute(path)
        do throws(MappingFindings) {
            let built = try withoutActuallyEscaping(exists) { exists throws(MappingFindings) in
                var builder = ConfigurationBuilder(directory: absolute.removingLastComponent(), exists: exists)
                return try builder.build(try compose(bytes))
            }
            return LoadedMappingFile(
                configuration: built.configuration, path: absolute, bytes: bytes, folderPositions: built.folders,
                name: name)
        } catch {
            throw MappingProblems(error.findings.map { $0.named(name) })
        }
    }

    private static func compose(_ bytes: [UInt8]) throws(MappingFindings) -> Node {
        do throws(Finding) {
            if let node = try YAMLText.compose(bytes), !node.isNull { return node }
        } catch {
            throw MappingFindings([error])
        }
        throw MappingFindings([
            Finding(.start, "the file is empty", instead: "begin with `mappings:`, as in docs/mapping-file.md")
        ])
    }

    // MARK: Reading

    private static func read(_ path: FilePath) throws(MappingProblems) -> [UInt8] {
        do throws(FileFailure) {
            return try SmallFile.read(path, atMost: YAMLText.longest + 1).bytes
        } catch {
            let name = RelativePath.printable(OwnPaths.bytes(of: path))
            throw MappingProblems([
                MappingProblem(
                    file: name, line: 1, column: 1, message: "the mapping file \(error.what)", remedy: error.remedy)
            ])
        }
    }
}
