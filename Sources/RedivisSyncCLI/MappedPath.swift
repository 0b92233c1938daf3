import MappingConfig
import SyncCore
import SystemPackage

/// A path of the command line, as a mapping whose folder it lies in sees it.
struct MappedPath {
    let mapping: Mapping
    let path: RelativePath

    /// One for each mapping whose folder holds the path, in the order of the mapping file: by its letters, else with
    /// the symbolic links on the way to its folder resolved, on both sides.
    ///
    /// - Parameter resolve: gives a folder's path without symbolic links.
    static func all(
        of argument: PathArgument, in configuration: Configuration,
        resolve: (FilePath) -> FilePath = OwnPaths.resolved
    ) -> [MappedPath] {
        all(ofAbsolute: argument.absolute, in: configuration, resolve: resolve)
    }

    /// - Parameter written: from the root, without `.` and `..`.
    static func all(
        ofAbsolute written: [UInt8], in configuration: Configuration,
        resolve: (FilePath) -> FilePath = OwnPaths.resolved
    ) -> [MappedPath] {
        let resolved = Self.resolved(written, resolve)
        return configuration.mappings.compactMap { mapping in
            let path = below(mapping.folder, written) ?? below(resolve(mapping.folder), resolved)
            return path.map { MappedPath(mapping: mapping, path: $0) }
        }
    }

    /// Its folder resolved, its own name as it is: a link is not what it leads to.
    private static func resolved(_ bytes: [UInt8], _ resolve: (FilePath) -> FilePath) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        guard let last = bytes.lastIndex(of: slash) else { return bytes }
        let folder = resolve(FilePath(bytes: last == bytes.startIndex ? [slash] : Array(bytes[..<last]))).bytes
        return (folder == [slash] ? [] : folder) + bytes[last...]
    }

    private static func below(_ folder: FilePath, _ path: [UInt8]) -> RelativePath? {
        var folder = folder.bytes
        if folder.last != UInt8(ascii: "/") { folder.append(UInt8(ascii: "/")) }
        return path.starts(with: folder) ? RelativePath(bytes: Array(path.dropFirst(folder.count))) : nil
    }
}

extension FilePath {
    var bytes: [UInt8] {
        withPlatformString { text in
            var bytes: [UInt8] = []
            var next = text
            while next.pointee != 0 {
                bytes.append(UInt8(bitPattern: next.pointee))
                next = next.advanced(by: 1)
            }
            return bytes
        }
    }
}
